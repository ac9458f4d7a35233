//! The time of day.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where the time of day comes from.
///
/// Lifetimes of tokens and of key sets are judged by it, so a test that holds a clock of its own needs
/// no waiting. Pauses between attempts are measured by the timer of tokio, not by this.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present.
    fn now(&self) -> SystemTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one door of this crate to the time of day"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Unix seconds; 0 for what lies before them.
pub(crate) fn unix_seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The moment of these Unix seconds, as far as the machine can tell one.
pub(crate) fn from_unix_seconds(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    later(UNIX_EPOCH, since)
}

/// A moment and a duration after it; far beyond what the machine can tell, a century after it.
pub(crate) fn later(at: SystemTime, by: Duration) -> SystemTime {
    const CENTURY: Duration = Duration::from_hours(876_000);
    at.checked_add(by)
        .or_else(|| at.checked_add(CENTURY))
        .unwrap_or(at)
}
