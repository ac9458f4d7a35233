use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_of_more_than_16_kib_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let status = async |bytes: usize| {
        let request = reqwest::Client::new().get(format!("{}/healthz", server.url));
        request
            .header("x-large", "x".repeat(bytes))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(status(12 * 1024).await, 200);
    assert_eq!(status(16 * 1024).await, 431);
}
