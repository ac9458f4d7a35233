//! A server that is told to stop finishes what it has begun.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::server::{Server, chancery, on_both_stores};

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

on_both_stores! {
    async fn who_tells_it_twice_waits_neither_for_a_request_nor_for_a_collector(directory: &Path, arguments: &[String]) {
        // What is sent there is never read.
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = format!(
            "[telemetry]\notlp_endpoint = \"http://{}\"\nsampling = \"1\"\n",
            collector.local_addr().unwrap()
        );
        fs::write(directory.join("chancery.toml"), config).unwrap();
        let server = Server::start(directory, arguments);
        server.operator_token().await;
        let address = server.address.strip_prefix("http://").unwrap();
        let head = format!(
            "POST /t/system/oauth2/token HTTP/1.1\r\nhost: {address}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\
             expect: 100-continue\r\n\r\n",
        );
        let mut under_way = TcpStream::connect(address).await.unwrap();
        under_way.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        under_way.read_exact(&mut asked).await.unwrap();

        let begun = Instant::now();
        server.tell_to_stop();
        server.logs("stopping: requests that are under way may finish");
        server.tell_to_stop();
        let mut answer = Vec::new();
        let _ = under_way.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(server.ended(), 0);
        // A body may pause for ten seconds, and a collector may take as long for each of two signals.
        assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
        assert!(server.log().contains("\"stopped\""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_while_it_starts_stops_as_it_was_told() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("master.key");
    fs::write(&key, "kG3sPMT0yUgEPZ1VUhnIXBD3hSY6Zy8s0jVtsXdNPLA=\n").unwrap();
    // A database that is connected to and says nothing.
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://chancery@{}/x", database.local_addr().unwrap());
    let mut serve = chancery(directory.path());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    serve.arg("--master-key-file").arg(&key);
    let mut child = serve.stderr(Stdio::null()).spawn().unwrap();
    let _connected = database.accept().await.unwrap();
    let id = child.id().to_string();
    let told = std::process::Command::new("kill").arg(&id).status();
    assert!(told.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
