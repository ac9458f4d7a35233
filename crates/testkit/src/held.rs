//! A log of tokens that cannot be written for a while: what is to be recorded waits.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot hold its log cannot go on"
)]

use chancery_event_store::{Database, Tx, execute};

/// Until this is dropped nobody can write the log in this database.
pub async fn hold(log: &Database) -> Tx {
    let mut tx = log.begin().await.expect("a transaction");
    // That of SQLite keeps all others from writing.
    if let Tx::Postgres(_) = tx {
        execute!(
            &mut tx,
            "LOCK TABLE token_log.activity, token_log.activity_fresh IN ACCESS EXCLUSIVE MODE"
        )
        .expect("a lock");
    }
    tx
}
