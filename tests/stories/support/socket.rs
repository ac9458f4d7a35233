use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// A test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of `/graphql/ws` that knows nothing but the protocol.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects to a node, and says nothing yet.
    pub(crate) async fn open(node: &str) -> Self {
        Self::behind(node, "").await
    }

    /// The same, behind a proxy that forwards this address, if any.
    pub(crate) async fn behind(node: &str, forwarded: &str) -> Self {
        let url = format!("{}/graphql/ws", node.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        if !forwarded.is_empty() {
            let headers = request.headers_mut();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        let (socket, response) = connect_async(request).await.unwrap();
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            "graphql-transport-ws"
        );
        Self(socket)
    }

    /// Connects and says who it is.
    pub(crate) async fn with_token(node: &str, token: &str) -> Self {
        let mut socket = Self::open(node).await;
        socket.init(token).await;
        assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
        socket
    }

    pub(crate) async fn init(&mut self, token: &str) {
        let authorization = format!("Bearer {token}");
        self.send(&json!({"type": "connection_init", "payload": {"authorization": authorization}}))
            .await;
    }

    /// Follows a tenant's roll past a place.
    pub(crate) async fn follow(&mut self, tenant: &str, after: Option<&str>) {
        let query = "subscription ($tenant: String!, $after: String) {
            events(tenant: $tenant, after: $after) { id cursor tenantSeq type aggregateId actor { type id } payload } }";
        self.subscribe("1", query, json!({"tenant": tenant, "after": after}))
            .await;
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(&json!({"type": "subscribe", "id": id, "payload": payload}))
            .await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.text(message.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.any().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no message: {other:?}"),
        }
    }

    /// The next entry of the subscription.
    pub(crate) async fn entry(&mut self) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], "next", "{message:#}");
        assert!(message["payload"].get("errors").is_none(), "{message:#}");
        message["payload"]["data"]["events"].clone()
    }

    /// The numbers of the next so many entries.
    pub(crate) async fn numbers(&mut self, count: usize) -> Vec<i64> {
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            numbers.push(number(&self.entry().await));
        }
        numbers
    }

    /// The code of the error that ends the subscription.
    pub(crate) async fn refused(&mut self) -> String {
        let message = self.next().await;
        let code = &message["payload"]["errors"][0]["extensions"]["code"];
        let code = code
            .as_str()
            .unwrap_or_else(|| panic!("{message:#}"))
            .to_owned();
        assert_eq!(self.next().await["type"], "complete");
        code
    }

    /// How the connection ends, whatever came before.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.any().await {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    /// The next message, or how the connection ends.
    pub(crate) async fn ended_or_next(&mut self) -> Result<Value, (u16, String)> {
        match self.any().await {
            Message::Text(text) => Ok(serde_json::from_str(&text).unwrap()),
            Message::Close(Some(frame)) => Err((frame.code.into(), frame.reason.to_string())),
            other => panic!("no message: {other:?}"),
        }
    }

    async fn any(&mut self) -> Message {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("the server says nothing");
            match message
                .expect("the connection ended without a word")
                .unwrap()
            {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }
}

/// An entry's number.
pub(crate) fn number(entry: &Value) -> i64 {
    entry["tenantSeq"].as_str().unwrap().parse().unwrap()
}
