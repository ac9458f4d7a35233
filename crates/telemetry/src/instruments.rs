//! Instruments: plain atomics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::family::Distribution;

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.many(1);
    }

    /// So many more.
    pub fn many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

/// How values are spread over fixed ranges.
#[derive(Debug)]
pub struct Histogram {
    /// The upper bound of each range but the last, which has none; in ascending order.
    bounds: &'static [f64],
    /// What one of the exported unit is, in what is recorded.
    scale: f64,
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    /// In what is recorded.
    sum: AtomicU64,
}

/// The bounds that the semantic conventions give for the duration of requests, in seconds, with finer
/// ones below five milliseconds: a token takes less than one.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// The bounds of numbers of things, up to a full batch.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

impl Histogram {
    /// For durations; exported in seconds.
    pub fn of_durations() -> Self {
        Self::new(SECONDS, NANOS)
    }

    /// For numbers of things.
    pub fn of_sizes() -> Self {
        Self::new(SIZES, 1.0)
    }

    fn new(bounds: &'static [f64], scale: f64) -> Self {
        Self {
            bounds,
            scale,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Something took so long.
    pub fn took(&self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// There were so many.
    pub fn size(&self, size: usize) {
        self.record(size as u64);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 2^53, which is a hundred days in nanoseconds"
    )]
    fn record(&self, value: u64) {
        let exported = value as f64 / self.scale;
        let range = self.bounds.partition_point(|bound| *bound < exported);
        if let Some(count) = self.counts.get(range) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// What was recorded until now.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of years is good enough without its last nanosecond"
    )]
    pub fn distribution(&self) -> Distribution {
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        Distribution {
            bounds: self.bounds,
            counts,
            sum: self.sum.load(Ordering::Relaxed) as f64 / self.scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_the_range_below_it() {
        let sizes = Histogram::of_sizes();
        for size in [1, 2, 3, 512, 513] {
            sizes.size(size);
        }
        let spread = sizes.distribution();
        assert_eq!(spread.counts, [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert!((spread.sum - 1031.0).abs() < f64::EPSILON);
        assert_eq!(spread.count(), 5);
    }

    #[test]
    fn durations_are_told_in_seconds() {
        let durations = Histogram::of_durations();
        durations.took(Duration::from_micros(700));
        durations.took(Duration::from_hours(1));
        let spread = durations.distribution();
        assert_eq!((spread.counts[1], spread.counts[17]), (1, 1));
        assert!((spread.sum - 3_600.000_7).abs() < 1e-9);
    }

    #[test]
    fn what_many_threads_count_is_counted() {
        let counter = Counter::default();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..1_000).for_each(|_| counter.one()));
            }
        });
        assert_eq!(counter.get(), 4_000);
    }
}
