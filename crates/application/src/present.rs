//! Whether this node's clock may be believed. One that was set back would bring back what has ended:
//! tokens, clients, sessions, revoked keys. So it is held against the newest entry that was seen.

use std::sync::atomic::{AtomicI64, Ordering};

use chancery_domain::Timestamp;

use crate::{Application, error::Error};

/// The newest moment that is known to have come, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Newest(AtomicI64);

/// The clock shows a moment long before what has been recorded.
#[derive(Debug, thiserror::Error)]
#[error(
    "this node's clock shows {now}, and something was recorded at {recorded}: set the clock right"
)]
struct ClockBehind {
    now: Timestamp,
    recorded: Timestamp,
}

impl Application {
    /// The present moment, if the clock is not behind what was recorded then, or any other entry that
    /// this node has seen.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) fn now_after(&self, recorded: Timestamp) -> Result<Timestamp, Error> {
        let recorded = recorded.micros();
        let newest = self.newest.0.fetch_max(recorded, Ordering::Relaxed);
        let recorded = Timestamp::from_micros(newest.max(recorded));
        let now = self.now();
        if now.is_behind(recorded) {
            return Err(Error::Unavailable(Box::new(ClockBehind { now, recorded })));
        }
        Ok(now)
    }
}
