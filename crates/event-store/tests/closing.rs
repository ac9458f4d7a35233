//! What a SQLite file has when a store on it is closed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::time::Duration;

use chancery_domain::StreamId;
use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestStore;
use common::{NOW, append, client, client_created, tenant};
use tokio::time::timeout;

/// A store whose events are in the log that stands beside its file; and how long the file is.
async fn written() -> (TestStore, impl Fn() -> u64) {
    let store = TestStore::sqlite().await;
    for number in 1..40 {
        let created = [(StreamId::Client(client(number)), client_created())];
        append(&store, tenant(number), &created, NOW).await.unwrap();
    }
    let StoreLocation::Sqlite(path) = store.database().location().clone() else {
        panic!("this is SQLite")
    };
    (store, move || std::fs::metadata(&path).unwrap().len())
}

#[tokio::test]
async fn what_was_written_is_in_the_file_although_another_has_it_open() {
    let (store, len) = written().await;
    let before = len();
    store.another().await.close().await;
    assert!(len() > before, "{before}");
}

#[tokio::test]
async fn who_writes_is_left_alone_and_not_waited_for() {
    let (store, len) = written().await;
    let before = len();
    let writing = store.begin().await.unwrap();
    let another = store.another().await;
    // A process waits for another for ten.
    let closed = timeout(Duration::from_secs(5), another.close()).await;
    assert!(closed.is_ok());
    assert_eq!(len(), before);
    writing.rollback().await.unwrap();
    store.another().await.close().await;
    assert!(len() > before, "{before}");
}
