//! The examples, against the server that they are for.

use chancery_examples::{
    job::{self, Job},
    setup::Operator,
    students,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_students_example_lets_in_whom_it_should() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let operator =
        Operator::from_file(&directory.path().join("chancery-data/operator.json")).unwrap();
    // A second start finds everything there but the client.
    students::set_up(&operator).await.unwrap();
    let client = students::set_up(&operator).await.unwrap();

    let service = students::service::router(operator.base()).unwrap();
    let at = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", at.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(at, service).await });
    let caller =
        students::caller::router(&operator.issuer(students::TENANT), client, &url).unwrap();
    let at = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let run = format!("http://{}/m2m/run", at.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(at, caller).await });

    let http = reqwest::Client::new();
    let report: Vec<Value> = http.post(&run).send().await.unwrap().json().await.unwrap();
    let outcomes: Vec<_> = report
        .iter()
        .map(|call| json!([call["with"], call["path"], call["answer"]["status"]]))
        .collect();
    assert_eq!(
        json!(outcomes),
        json!([
            ["everything", "/protected", 200],
            ["everything", "/students", 200],
            ["everything", "/admin", 200],
            ["everything", "/tenants/school/students", 200],
            ["everything", "/tenants/another/students", 404],
            ["reading", "/students", 200],
            ["reading", "/admin", 403],
        ])
    );
    assert_eq!(report[0]["answer"]["body"]["tenant"], "school");
    assert_eq!(report[1]["answer"]["body"], json!(["Ada", "Grace"]));
    for path in [
        "/protected",
        "/students",
        "/admin",
        "/tenants/school/students",
    ] {
        assert_eq!(
            http.get(format!("{url}{path}"))
                .send()
                .await
                .unwrap()
                .status(),
            401,
            "{path}"
        );
    }
    assert_eq!(server.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduled_job_goes_on_through_a_rotation_and_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let operator =
        Operator::from_file(&directory.path().join("chancery-data/operator.json")).unwrap();
    let client = job::set_up(&operator).await.unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, client.secret.reveal()).unwrap();
    let job = Job::new(&operator, &client.client_id, &file).unwrap();
    let before = job.run().await.unwrap();
    assert!(job::seconds_left(&before) > 50);

    // Rotated, and the old secret is worth nothing from here on.
    let new = operator.rotate(&client.client_id, 0).await.unwrap();
    std::fs::write(&file, new.reveal()).unwrap();
    let after = Job::new(&operator, &client.client_id, &file)
        .unwrap()
        .run()
        .await
        .unwrap();
    assert_ne!(before.credential_id(), after.credential_id());

    assert_eq!(server.terminate(), 0);
    let still = job.run().await.unwrap();
    assert_eq!(still.token_id(), before.token_id());
}
