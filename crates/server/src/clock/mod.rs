//! The system's clock: the one door through which the present comes in, and whether it may be believed.

mod belief;
mod seen;
#[cfg(test)]
mod tests;
mod watch;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chancery_domain::{Clock, ClockFault, Timestamp};
use chancery_event_store::{Store, StoreError};
use nix::time::{ClockId, clock_gettime};

use self::belief::{Belief, Reading};
pub(crate) use self::{seen::Seen, watch::watch};

/// Counts on while the system is suspended, and nobody sets it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASSED: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASSED: ClockId = ClockId::CLOCK_MONOTONIC;

/// The system's clock.
pub(crate) struct SystemClock(Belief);

impl SystemClock {
    /// The clock as it is now, which is believed until it jumps or somebody says otherwise.
    pub(crate) fn new() -> Self {
        Self(Belief::at(read()))
    }

    /// Holds it against the database's, or against itself where that has none.
    ///
    /// # Errors
    /// [`StoreError`]: the database was not asked, and what was known before goes on.
    pub(crate) async fn look(&self, store: &Store) -> Result<(), StoreError> {
        let before = read();
        match store.clock().await? {
            Some(database) => self.0.compare(before, database, read()),
            None => self.0.follow(before),
        }
        Ok(())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        wall()
    }

    fn trusted(&self) -> Result<(), ClockFault> {
        self.0.holds(read())
    }
}

fn read() -> Reading {
    // A system without it has no time that passes: the next moment is a jump, and nothing is believed.
    let passed = clock_gettime(PASSED).map_or(Duration::ZERO, Duration::from);
    Reading {
        wall: wall(),
        passed: i64::try_from(passed.as_micros()).unwrap_or(i64::MAX),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn wall() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
