use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

use crate::server::{Server, on_both_stores};

on_both_stores! {
    /// Whoever follows a roll is told that the server stops, and does not keep it from stopping.
    async fn a_follower_does_not_hold_the_server(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let url = format!("{}/graphql/ws", server.url.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let (mut socket, _) = connect_async(request).await.unwrap();
        for message in [
            json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}}),
            json!({"type": "subscribe", "id": "1", "payload": {"query": "subscription { events(tenant: \"system\") { tenantSeq type } }"}}),
        ] {
            socket.send(Message::Text(message.to_string().into())).await.unwrap();
            let answer: Value = serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
            assert!(["connection_ack", "next"].contains(&answer["type"].as_str().unwrap()), "{answer}");
        }
        let stopping = std::thread::scope(|threads| {
            let stopped = threads.spawn(|| server.terminate());
            let last = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    loop {
                        if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                            break frame.unwrap().code;
                        }
                    }
                })
            });
            (last, stopped.join().unwrap())
        });
        assert_eq!(stopping, (CloseCode::Away, 0));
    }
}
