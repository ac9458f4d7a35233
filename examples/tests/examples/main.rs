//! The examples, started as their README says, against the server that they are for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod programs;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use chancery_examples::{
    job::{self, Job},
    students,
};
use chancery_sdk::{
    TokenClient,
    clock::{Clock, SystemClock},
};
use serde_json::{Value, json};

use crate::programs::{Program, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_students_let_in_whom_they_should() {
    let server = Server::start();
    // A second start finds everything there but the client.
    for _ in 0..2 {
        let mut students = Program::example(env!("CARGO_BIN_EXE_students"), &server);
        let service = students.says("the service:  ");
        let run = students.says("the caller:   curl -s -X POST ");

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
        let issuer = server.operator().issuer("school");
        assert_eq!(report[0]["answer"]["body"]["issuer"], issuer);
        assert_eq!(report[1]["answer"]["body"], json!(["Ada", "Grace"]));
        let base = service.strip_suffix("/students").unwrap();
        for path in [
            "/protected",
            "/students",
            "/admin",
            "/tenants/school/students",
        ] {
            let refused = http.get(format!("{base}{path}")).send().await.unwrap();
            assert_eq!(refused.status(), 401, "{path}");
        }
    }
}

/// Anybody who runs a tenant of the same server can name things there as this service's tenant does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenant_that_names_everything_alike_is_not_let_in() {
    let server = Server::start();
    let mut students = Program::example(env!("CARGO_BIN_EXE_students"), &server);
    let service = students.says("the service:  ");
    let base = service.strip_suffix("/students").unwrap();

    let operator = server.operator();
    let stranger = students::set_up(&operator, "elsewhere").await.unwrap();
    let tokens = TokenClient::builder()
        .issuer(operator.issuer("elsewhere"))
        .client_id(stranger.client_id)
        .secret(stranger.secret)
        .audience(students::AUDIENCE)
        .build()
        .unwrap();
    let token = tokens.get_token().await.unwrap();
    for (path, status) in [
        ("/protected", 401),
        ("/students", 401),
        ("/admin", 401),
        ("/tenants/school/students", 404),
        ("/tenants/elsewhere/students", 200),
    ] {
        let request = reqwest::Client::new().get(format!("{base}{path}"));
        let answer = request.bearer_auth(token.reveal()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[test]
fn the_scheduled_job_is_one_command_too() {
    let server = Server::start();
    let mut job = Program::example(env!("CARGO_BIN_EXE_scheduled-job"), &server);
    let done = job.says("run   1: done with ");
    assert!(done.starts_with("secret_"), "{done}");
}

/// The clock of the machine, but for what the test adds.
#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> SystemTime {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// One job, from its start to its end: nothing of it is made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduled_job_goes_on_through_a_rotation_and_an_outage() {
    let server = Server::start();
    let operator = server.operator();
    let client = job::set_up(&operator).await.unwrap();
    let file = server.write("secret", client.secret.reveal());
    let clock = Arc::new(Ahead::default());
    let job = Job::by_clock(&operator, &client.client_id, &file, clock.clone()).unwrap();
    let before = job.run().await.unwrap();
    assert!(job::seconds_left(&before) > 50);

    // Rotated, and the old secret is worth nothing from here on. While the token lives nobody notices.
    let new = operator.rotate(&client.client_id, 0).await.unwrap();
    server.write("secret", new.reveal());
    assert_eq!(job.run().await.unwrap().token_id(), before.token_id());

    // When it has ended, the running job has the new secret.
    clock.0.store(61, Ordering::Relaxed);
    let after = job.run().await.unwrap();
    assert_ne!(before.token_id(), after.token_id());
    assert_ne!(before.credential_id(), after.credential_id());

    // While the server hangs, that token is good until it ends; and then the job goes on by itself.
    server.hang();
    clock.0.store(61 + 40, Ordering::Relaxed);
    assert_eq!(job.run().await.unwrap().token_id(), after.token_id());
    clock.0.store(61 + 61, Ordering::Relaxed);
    let (ran, ()) = tokio::join!(job.run(), async { server.go_on() });
    let last = ran.unwrap();
    assert_ne!(last.token_id(), after.token_id());

    // That one may have been asked for while the server hung, and so ends earlier. This one is asked for now.
    clock.0.store(122 + 61, Ordering::Relaxed);
    let newest = job.run().await.unwrap();
    assert_ne!(newest.token_id(), last.token_id());

    // Without the server, it is the same until the token ends.
    drop(server);
    clock.0.store(183 + 51, Ordering::Relaxed);
    assert_eq!(job.run().await.unwrap().token_id(), newest.token_id());
    clock.0.store(183 + 61, Ordering::Relaxed);
    let skipped = job.run().await.unwrap_err();
    assert!(
        skipped.to_string().contains("cannot be reached"),
        "{skipped}"
    );
}
