//! Until when what was asked for may begin.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::together::NotDone;

/// How long one waits: no longer than for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Until when a change may begin: ten seconds after it was asked for, whichever ways it takes. Whoever asked is answered
/// by then or soon after, and what they are told holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// That of what is asked for now.
    pub fn from_now() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// Whether it is too late to begin.
    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }

    /// What this comes to by then. It is not begun when it is too late already.
    pub(crate) async fn wait<F: Future>(self, what: F) -> Result<F::Output, NotDone> {
        if self.is_over() {
            return Err(NotDone::Late);
        }
        timeout_at(self.0, what).await.map_err(|_| NotDone::Late)
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::from_now()
    }
}
