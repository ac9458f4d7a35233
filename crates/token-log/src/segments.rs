//! The bulk of the log: records of one tenant and hour stand together in one row. A batch writes *fresh*
//! ones, which are put together behind its back.

pub(crate) mod bloom;
pub(crate) mod body;
pub(crate) mod compact;
pub(crate) mod due;
pub(crate) mod line;
pub(crate) mod unfolded;
pub(crate) mod walk;

/// One hour in microseconds. No segment reaches from one into the next.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// One day in microseconds.
pub(crate) const DAY: i64 = 24 * HOUR;

/// How many numbers a row of the log takes, whatever it holds: no segment of one batch holds more records.
pub(crate) const NUMBERS: i64 = 1_024;

/// When the hour begins in which this moment lies.
pub(crate) const fn hour_of(at: i64) -> i64 {
    at - at.rem_euclid(HOUR)
}
