use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use chancery_domain::{Clock, ClockFault, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64, Mutex<Option<ClockFault>>);

impl TestClock {
    /// A clock that stands at this moment.
    pub fn at(moment: Timestamp) -> Self {
        Self(AtomicI64::new(moment.micros()), Mutex::default())
    }

    /// Moves it, forwards or (as a broken clock would) backwards.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Says from now on that it may not be believed, and why; or that it may.
    pub fn doubt(&self, fault: Option<ClockFault>) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl Default for TestClock {
    /// A moment in 2026 that is like any other.
    fn default() -> Self {
        Self::at(Timestamp::from_micros(1_790_000_000_000_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn trusted(&self) -> Result<(), ClockFault> {
        let fault = *self.1.lock().unwrap_or_else(PoisonError::into_inner);
        fault.map_or(Ok(()), Err)
    }
}
