//! What the store says when it cannot.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::{net::TcpListener, time::Duration};

use chancery_event_store::{Store, StoreConfig, StoreError, StoreLocation};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{NOW, append, client, client_created, tenant};

fn unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(cause)) => cause.to_string(),
        other => panic!("not unavailable: {other:?}"),
    }
}

on_both_stores! {
    async fn a_closed_store_is_unavailable(store: TestStore) {
        store.ping().await.unwrap();
        store.close().await;
        unavailable(store.ping().await);
        unavailable(store.begin().await);
        unavailable(store.load(tenant(1), &[chancery_domain::StreamId::Client(client(1))]).await);
    }

    async fn a_store_whose_connections_are_all_taken_is_unavailable(store: TestStore) {
        let mut config = store.database().config();
        (config.max_connections, config.acquire_timeout) = (1, Duration::from_millis(50));
        let store = Store::connect(&config).await.unwrap();
        let tx = store.begin().await.unwrap();
        unavailable(store.begin().await);
        tx.rollback().await.unwrap();
        let event = [(chancery_domain::StreamId::Client(client(1)), client_created())];
        append(&store, tenant(1), &event, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://chancery:hunter2@127.0.0.1:{port}/chancery");
    let config = StoreConfig::new(StoreLocation::Postgres(url));
    assert!(!format!("{config:?}").contains("hunter2"));
    let said = unavailable(Store::connect(&config).await);
    assert!(
        said.contains("refused") && !said.contains("hunter2"),
        "{said}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_unavailable() {
    let nowhere = StoreLocation::Sqlite("/nowhere/at/all/chancery.db".into());
    let said = unavailable(Store::connect(&StoreConfig::new(nowhere)).await);
    assert!(said.contains("/nowhere/at/all/chancery.db"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damage() {
    let store = TestStore::sqlite().await;
    let StoreLocation::Sqlite(path) = store.database().location() else {
        panic!("SQLite is on SQLite");
    };
    let other = path.with_file_name("other.db");
    std::fs::write(
        &other,
        "no database, but long enough to be taken for one. ".repeat(20),
    )
    .unwrap();
    let outcome = Store::connect(&StoreConfig::new(StoreLocation::Sqlite(other))).await;
    assert!(
        matches!(outcome, Err(StoreError::Corrupt(_))),
        "{outcome:?}"
    );
}
