//! A server that is told to stop finishes what it has begun.

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{Server, on_both_stores};

on_both_stores! {
    async fn a_request_under_way_is_answered_and_nobody_new_is_let_in(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let address = server.address.strip_prefix("http://").unwrap();
        let text = |name: &str| server.operator[name].as_str().unwrap();
        let basic = STANDARD.encode(format!("{}:{}", text("client_id"), text("client_secret")));
        let form = "grant_type=client_credentials&audience=urn%3Achancery%3Aadmin";
        let (begun, rest) = form.split_at(20);
        let head = format!(
            "POST /t/system/oauth2/token HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {basic}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
             expect: 100-continue\r\n\r\n",
            form.len()
        );
        let mut under_way = TcpStream::connect(address).await.unwrap();
        under_way.write_all(head.as_bytes()).await.unwrap();
        // It asks for the body, so the request is under way.
        let mut asked = [0; 25];
        under_way.read_exact(&mut asked).await.unwrap();
        assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
        under_way.write_all(begun.as_bytes()).await.unwrap();

        server.tell_to_stop();
        server.logs("stopping: requests that are under way may finish");
        // Its socket is closed soon after it has said so.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        under_way.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        under_way.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("\"access_token\""), "{answer}");
        assert_eq!(server.ended(), 0);
    }
}
