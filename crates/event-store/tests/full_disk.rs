//! A full disk ends one change, and not those after it.

use chancery_event_store::{
    Database, Kept, StoreError, execute, fetch_all, fetch_one, fetch_optional,
};
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

/// SQLite has given the row by the time it fails to commit. A constraint that is looked at when everything else is done
/// fails at the same place as a disk that is full then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_what_could_not_be_committed_is_no_answer() {
    let store = TestStore::sqlite().await;
    let mut tx = store.begin().await.unwrap();
    for statement in [
        "CREATE TABLE others (id INTEGER PRIMARY KEY)",
        "CREATE TABLE counted (next INTEGER NOT NULL, other INTEGER \
             REFERENCES others DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO counted VALUES (1, NULL)",
    ] {
        execute!(&mut tx, statement).unwrap();
    }
    tx.commit().await.unwrap();

    let database = Database::connect(&store.database().config()).await.unwrap();
    let mut kept = Kept::of(&database);
    let mut connection = kept.connection().await.unwrap();
    let faulty = "UPDATE counted SET next = next + 1, other = 7 RETURNING next";
    let one = fetch_one!(&mut connection, (i64,), faulty);
    assert!(matches!(one, Err(StoreError::Failed(_))), "{one:?}");
    let optional = fetch_optional!(&mut connection, (i64,), faulty);
    assert!(
        matches!(optional, Err(StoreError::Failed(_))),
        "{optional:?}"
    );
    let all = fetch_all!(&mut connection, (i64,), faulty);
    assert!(matches!(all, Err(StoreError::Failed(_))), "{all:?}");
    let good = "UPDATE counted SET next = next + 1 RETURNING next";
    assert_eq!(
        fetch_one!(&mut connection, (i64,), good),
        Ok((2,)),
        "no other has counted"
    );
}
