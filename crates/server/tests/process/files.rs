//! More connections than files.

use std::{fs, time::Instant};

use sqlx::{Connection, PgConnection};
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinSet};

use crate::server::{PATIENCE, Server, client, on_both_stores};

/// More than the files that the server is given.
const STRANGERS: usize = 200;

/// Connects, says nothing, and connects again when that is ended.
async fn silent(address: String) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(&address).await {
            let _ = stream.read_u8().await;
        }
        tokio::task::yield_now().await;
    }
}

/// What is told at the internal address.
async fn told(internal: &str, series: &str) -> f64 {
    let text = reqwest::get(format!("{internal}/metrics")).await.unwrap();
    let text = text.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let value = line.unwrap_or_else(|| panic!("{series}: {text}"));
    value.trim().parse().unwrap()
}

/// Whether a client on a connection of its own gets a token.
async fn gets_a_token(server: &Server) -> bool {
    let text = |name: &str| server.operator[name].as_str().unwrap();
    let http = client().timeout(PATIENCE).build().unwrap();
    let request = http
        .post(text("token_endpoint"))
        .basic_auth(text("client_id"), Some(text("client_secret")))
        .form(&[
            ("grant_type", "client_credentials"),
            ("audience", "urn:chancery:admin"),
        ]);
    request
        .send()
        .await
        .is_ok_and(|answer| answer.status() == 200)
}

on_both_stores! {
    async fn silent_strangers_shut_out_neither_clients_nor_the_store(directory: &Path, arguments: &[String]) {
        fs::write(directory.join("chancery.toml"), "internal_listen = \"127.0.0.1:0\"\n").unwrap();
        let server = Server::start_after("ulimit -n 160", directory, arguments);
        let internal = server.operator["graphql_endpoint"].as_str().unwrap();
        let internal = internal.strip_suffix("/graphql").unwrap();
        let most = told(internal, "chancery_connections_max{chancery_address=\"listen\"}").await;
        assert!((10.0..100.0).contains(&most), "{most}");

        let address = server.address.strip_prefix("http://").unwrap();
        let mut strangers = JoinSet::new();
        for _ in 0..STRANGERS {
            strangers.spawn(silent(address.to_owned()));
        }
        let begun = Instant::now();
        while told(internal, "chancery_connections_given_up_total").await < 50.0 {
            assert!(begun.elapsed() < PATIENCE, "nobody made room");
        }
        assert!(gets_a_token(&server).await);

        // The store's connections end, as in a failover, and it needs files for others.
        if let Some(url) = arguments.iter().find(|argument| argument.starts_with("postgres")) {
            let mut database = PgConnection::connect(url).await.unwrap();
            let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";
            sqlx::query(ends).execute(&mut database).await.unwrap();
        }
        let begun = Instant::now();
        while !gets_a_token(&server).await {
            assert!(begun.elapsed() < PATIENCE, "no token");
        }
        let ready = reqwest::get(format!("{internal}/readyz")).await.unwrap();
        assert_eq!(ready.status(), 200);
        let open = told(internal, "chancery_connections_open{chancery_address=\"listen\"}").await;
        assert!(open <= most, "{open} of {most}");
        strangers.shutdown().await;
        assert_eq!(server.terminate(), 0);
        assert!(!server.log().contains("Too many open files"));
    }
}

#[test]
fn the_files_that_may_be_open_are_as_many_as_the_system_allows() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_after("ulimit -Sn 64", directory.path(), &[]);
    server.logs("so many files may be open");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn too_few_files_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_after("ulimit -n 72", directory.path(), &[]);
    server.logs("too few files may be open");
    assert_eq!(server.terminate(), 0);
}
