//! When the write-ahead log of SQLite goes into its file: while batches are written, not in one of them.

use chancery_event_store::{Database, Folding};
use tokio::sync::mpsc;

/// After how many batches. SQLite does it with a commit of its own accord after 4,000 pages, of which a batch writes
/// some four, and twenty where ids of assertions are in it.
const BATCHES: usize = 100;

/// What counts batches for it.
pub(crate) struct Folds {
    batches: usize,
    /// None on PostgreSQL.
    due: Option<mpsc::Sender<()>>,
}

impl Folds {
    /// Begins to look after the log of this database, until this is dropped.
    pub(crate) fn of(database: &Database) -> Self {
        let due = database.folding().map(|folding| {
            let (due, waiting) = mpsc::channel(1);
            tokio::spawn(run(folding, waiting));
            due
        });
        Self { batches: 0, due }
    }

    /// A batch was written.
    pub(crate) fn wrote(&mut self) {
        self.batches += 1;
        if self.batches >= BATCHES
            && let Some(due) = &self.due
        {
            self.batches = 0;
            // Where it is still at work there is less to do the next time.
            let _ = due.try_send(());
        }
    }
}

async fn run(mut folding: Folding, mut due: mpsc::Receiver<()>) {
    while due.recv().await.is_some() {
        if let Err(error) = folding.fold().await {
            tracing::debug!(%error, "the write-ahead log grows until a batch folds it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use chancery_domain::TenantId;
    use chancery_event_store::StoreLocation;
    use chancery_testkit::{clock::TestClock, stores::TestStore};

    use super::*;
    use crate::{
        activity::{Entry, Kind},
        log::{TokenLog, TokenLogConfig},
    };

    fn len(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    #[tokio::test]
    async fn the_log_is_in_its_file_long_before_sqlite_would_do_it() {
        let store = TestStore::sqlite().await;
        let config = TokenLogConfig::beside(store.database().location());
        let heads = store.another().await;
        let log = TokenLog::open(&config, &heads, Arc::<TestClock>::default())
            .await
            .unwrap();
        let StoreLocation::Sqlite(path) = log.database().location() else {
            panic!("this is SQLite")
        };
        // The schema is there.
        log.database().folding().unwrap().fold().await.unwrap();
        let empty = len(path);
        let agent = "a".repeat(500);
        let mut batches = 0;
        while len(path) < empty + 100 * 1_024 {
            let now = log.clock().now();
            let mut entry = Entry::new(TenantId::from_bytes([1; 16]), now, Kind::TokenIssued);
            entry.user_agent = Some(agent.as_str().into());
            log.queue(entry).unwrap();
            log.drain().await;
            batches += 1;
            // Three pages or more each.
            assert!(batches < 400, "it is in the log");
        }
        assert!(batches >= BATCHES);
    }
}
