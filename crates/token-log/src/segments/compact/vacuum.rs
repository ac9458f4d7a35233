//! The tables from which rows go as fast as they come are cleaned up on PostgreSQL as often: it does so by itself once a
//! minute at most, and until then a busy table grows by what was deleted, which whoever writes finds neither in the
//! processor's caches nor in the server's.

use std::time::Duration;

use chancery_event_store::{Backend, Database, StoreError};
use tokio::{task::JoinSet, time::Instant};

/// After how many times that something was put together. So many leave some eight megabytes.
const OFTEN: u32 = 64;

/// How much longer than the last took, at least, until the next: where a reader that takes long (a backup) keeps what was
/// deleted, each would read all of it for nothing, and so would those of other nodes.
const REST: u32 = 200;

/// Whether they are to be cleaned up, and who does it.
#[derive(Default)]
pub(super) struct Vacuum {
    put: u32,
    not_before: Option<Instant>,
    /// Another role owns the tables, and has to care for them.
    forbidden: bool,
    /// Ends with who asked for it.
    pub(super) under_way: JoinSet<(Result<bool, StoreError>, Duration)>,
}

impl Vacuum {
    /// Something was put together.
    pub(super) fn put(&mut self, database: &Database, schema: &str) {
        if database.backend() != Backend::Postgres {
            return;
        }
        while let Some(ended) = self.under_way.try_join_next() {
            self.ended(ended.ok());
        }
        self.put += 1;
        if self.is_due(Instant::now()) {
            self.put = 0;
            let database = database.clone();
            let tables =
                ["activity_fresh", "activity_uses"].map(|table| format!("{schema}.{table}"));
            self.under_way.spawn(async move {
                let begun = Instant::now();
                let outcome = database
                    .vacuum(&tables.each_ref().map(String::as_str))
                    .await;
                (outcome, begun.elapsed())
            });
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.put >= OFTEN
            && self.under_way.is_empty()
            && !self.forbidden
            && self.not_before.is_none_or(|moment| moment <= now)
    }

    fn ended(&mut self, ended: Option<(Result<bool, StoreError>, Duration)>) {
        let Some((outcome, took)) = ended else { return };
        self.not_before = Some(Instant::now() + took * REST);
        match outcome {
            Ok(may) => self.forbidden = !may,
            // Autovacuum does it, or the next time.
            Err(error) => tracing::debug!(%error, "tables of activity could not be cleaned up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_due_after_so_many_and_not_while_it_takes_long() {
        let mut vacuum = Vacuum {
            put: OFTEN - 1,
            ..Vacuum::default()
        };
        assert!(!vacuum.is_due(Instant::now()));
        vacuum.put = OFTEN;
        assert!(vacuum.is_due(Instant::now()));
        vacuum.ended(Some((Ok(true), Duration::from_secs(1))));
        assert!(!vacuum.is_due(Instant::now()));
        tokio::time::advance(Duration::from_secs(199)).await;
        assert!(!vacuum.is_due(Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(vacuum.is_due(Instant::now()));
        // The limit of a statement's time is a failure, and a longer rest.
        let failed = Err(StoreError::Misuse("cancelled".to_owned()));
        vacuum.ended(Some((failed, Duration::from_secs(3))));
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(!vacuum.is_due(Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(vacuum.is_due(Instant::now()));
        // One at a time.
        vacuum.under_way.spawn(std::future::pending());
        assert!(!vacuum.is_due(Instant::now()));
        vacuum.under_way = JoinSet::new();
        vacuum.ended(Some((Ok(false), Duration::ZERO)));
        assert!(!vacuum.is_due(Instant::now()));
    }
}
