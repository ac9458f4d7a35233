//! What the log counts.

use std::time::{Duration, Instant};

use chancery_telemetry::{Counter, Family, Histogram};

pub(crate) struct Counted {
    /// From when an operation was queued until its answer was known.
    waits: Histogram,
    /// How many operations were written together.
    batches: Histogram,
    /// How long a transaction took.
    writes: Histogram,
    /// Transactions that failed.
    pub(crate) failures: Counter,
    /// Operations that found no room in the queue.
    pub(crate) refused: Counter,
    /// Records that nobody waited for and that were not written.
    pub(crate) dropped: Counter,
    /// Operations that were not written because the tenant's roll had moved.
    pub(crate) overtaken: Counter,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            waits: Histogram::of_durations(),
            batches: Histogram::of_sizes(),
            writes: Histogram::of_durations(),
            failures: Counter::default(),
            refused: Counter::default(),
            dropped: Counter::default(),
            overtaken: Counter::default(),
        }
    }
}

impl Counted {
    /// An operation that was queued then is answered.
    pub(crate) fn answered(&self, queued: Instant) {
        self.waits.took(queued.elapsed());
    }

    /// So many operations were written in so long.
    pub(crate) fn wrote(&self, operations: usize, duration: Duration) {
        self.batches.size(operations);
        self.writes.took(duration);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a queue has far fewer than 2^52 places"
    )]
    pub(crate) fn families(&self, waiting: usize) -> Vec<Family> {
        let sum = Family::sum;
        vec![
            Family::level(
                "chancery.token_log.queue",
                "{operation}",
                "Operations that wait to be written.",
                waiting as f64,
            ),
            Family::histogram(
                "chancery.token_log.wait.duration",
                "s",
                "How long requests waited until their record was durable, or known not to be.",
                self.waits.distribution(),
            ),
            Family::histogram(
                "chancery.token_log.batch.size",
                "{operation}",
                "How many operations were written in one transaction.",
                self.batches.distribution(),
            ),
            Family::histogram(
                "chancery.token_log.batch.duration",
                "s",
                "How long the transactions of the token log took.",
                self.writes.distribution(),
            ),
            sum(
                "chancery.token_log.failures",
                "{batch}",
                "Transactions of the token log that failed.",
                self.failures.get(),
            ),
            sum(
                "chancery.token_log.refused",
                "{operation}",
                "Operations that found no room in the queue.",
                self.refused.get(),
            ),
            sum(
                "chancery.token_log.dropped",
                "{record}",
                "Records that nobody waited for and that were lost.",
                self.dropped.get(),
            ),
            sum(
                "chancery.token_log.overtaken",
                "{operation}",
                "Operations that were not written because the tenant had changed since the decision.",
                self.overtaken.get(),
            ),
        ]
    }
}
