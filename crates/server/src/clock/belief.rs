//! What of a clock is believed. It takes no time itself, so a test can show it any.

use std::sync::atomic::{AtomicI64, Ordering};

use chancery_domain::{CLOCK_TOLERANCE, ClockFault, Timestamp};

const TOLERANCE: i64 = CLOCK_TOLERANCE * 1_000_000;

/// What the two clocks of the system show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The one that can be set.
    pub(super) wall: Timestamp,
    /// Microseconds on the one that only passes.
    pub(super) passed: i64,
}

impl Reading {
    /// What the one showed when the other began. It changes when the clock is set, and at no other time.
    const fn origin(self) -> i64 {
        self.wall.micros().saturating_sub(self.passed)
    }
}

/// What is believed.
#[derive(Debug)]
pub(super) struct Belief {
    /// The origin of the clock as it was last believed.
    origin: AtomicI64,
    /// How far it was ahead of the database's when they were last compared, in microseconds.
    apart: AtomicI64,
}

impl Belief {
    /// Believes what the clock shows now.
    pub(super) fn at(reading: Reading) -> Self {
        Self {
            origin: AtomicI64::new(reading.origin()),
            apart: AtomicI64::new(0),
        }
    }

    /// Whether the clock is believed that shows this. A jump ahead is noticed here, so nothing goes by it
    /// before it is looked at.
    pub(super) fn holds(&self, reading: Reading) -> Result<(), ClockFault> {
        let apart = self.apart.load(Ordering::Acquire);
        if apart > TOLERANCE {
            return Err(ClockFault::Ahead(seconds(apart)));
        }
        if apart < -TOLERANCE {
            return Err(ClockFault::Behind(seconds(-apart)));
        }
        let jumped = reading.origin() - self.origin.load(Ordering::Acquire);
        if jumped > TOLERANCE {
            return Err(ClockFault::Jumped(seconds(jumped)));
        }
        Ok(())
    }

    /// The database showed this at some moment between the two readings.
    pub(super) fn compare(&self, before: Reading, database: Timestamp, after: Reading) {
        let ahead = before.wall.micros() - database.micros();
        let waited = (after.passed - before.passed).max(0);
        let apart = if ahead > 0 {
            ahead
        } else {
            ahead.saturating_add(waited).min(0)
        };
        if apart.abs() <= TOLERANCE {
            self.origin.store(before.origin(), Ordering::Release);
        }
        self.apart.store(apart, Ordering::Release);
    }

    /// Where nobody else can be asked: goes along with a clock that is set a little again and again. One
    /// that was set back by more may return to where it was.
    pub(super) fn follow(&self, reading: Reading) {
        let moved = reading.origin() - self.origin.load(Ordering::Acquire);
        if moved.abs() <= TOLERANCE {
            self.origin.store(reading.origin(), Ordering::Release);
        }
    }
}

/// Whole seconds, and one at least.
const fn seconds(micros: i64) -> i64 {
    micros.saturating_add(500_000) / 1_000_000
}
