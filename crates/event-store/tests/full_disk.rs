//! A full disk ends one change, and not those after it.

use chancery_event_store::{StoreError, execute, fetch_one};
use chancery_testkit::stores::TestStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_goes_on_when_there_is_room_again() {
    let store = TestStore::sqlite().await;
    let mut tx = store.begin().await.unwrap();
    let (pages,) = fetch_one!(&mut tx, (i64,), "PRAGMA page_count").unwrap();
    execute!(&mut tx, &format!("PRAGMA max_page_count = {pages}")).unwrap();
    tx.commit().await.unwrap();

    let insert = "INSERT INTO commands (caller_id, command_id, input_digest, result, at) VALUES ($1, 'x', x'00', $2, 0)";
    let large = "x".repeat(1 << 20);
    let mut tx = store.begin().await.unwrap();
    let full = execute!(&mut tx, insert, "full", &*large);
    assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
    drop(tx);

    // The limit belonged to the connection, which is given up with the transaction that it lost.
    let mut tx = store.begin().await.unwrap();
    execute!(&mut tx, insert, "room", &*large).unwrap();
    tx.commit().await.unwrap();
}
