//! Counting in windows, by the clock that is given.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chancery_domain::Timestamp;
use quick_cache::sync::Cache;

/// A count that begins with its first request and starts again when the window has passed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    began: Timestamped,
    count: u32,
}

/// The moment of the first count; none before it.
type Timestamped = Option<Timestamp>;

impl Window {
    /// The count now, in a window of so many seconds, and when the window ends.
    ///
    /// A clock that was set back shortens a window and never lengthens it: nobody waits for more
    /// than a whole window.
    pub(crate) fn at(&mut self, now: Timestamp, seconds: u32) -> (u32, Timestamp) {
        let began = match self.began {
            Some(began) if began > now => now,
            Some(began) if now < began.plus_seconds(i64::from(seconds)) => began,
            _ => {
                self.count = 0;
                now
            }
        };
        self.began = Some(began);
        (self.count, began.plus_seconds(i64::from(seconds)))
    }

    /// One more. It counts in the window that [`Window::at`] has just looked at; which that is is told.
    pub(crate) fn count(&mut self) -> Option<Timestamp> {
        self.count = self.count.saturating_add(1);
        self.began
    }

    /// One less of the window that began then, if it still runs: for a request that came to nothing
    /// through no fault of its own.
    pub(crate) fn give_back(&mut self, began: Timestamp) {
        if self.began == Some(began) {
            self.count = self.count.saturating_sub(1);
        }
    }
}

/// Whole seconds until a moment, at least one: the value of `Retry-After`.
pub(crate) fn seconds_until(moment: Timestamp, now: Timestamp) -> i64 {
    let micros = moment.micros().saturating_sub(now.micros()).max(0);
    ((micros + 999_999) / 1_000_000).max(1)
}

/// The first whole second, since 1970, that is no earlier than a moment.
pub(crate) fn second_from(moment: Timestamp) -> i64 {
    (moment.micros() + 999_999) / 1_000_000
}

/// Windows by key, no more than so many: what counts least often is forgotten first.
pub(crate) struct Windows<K>(Cache<K, Arc<Mutex<Window>>>);

impl<K: Clone + Eq + Hash> Windows<K> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// The window of this key.
    pub(crate) fn of(&self, key: &K) -> Arc<Mutex<Window>> {
        match self
            .0
            .get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default()))
        {
            Ok(window) => window,
        }
    }

    /// The window of this key, if anything was counted for it.
    pub(crate) fn known(&self, key: &K) -> Option<Arc<Mutex<Window>>> {
        self.0.get(key)
    }
}

/// Nothing that is done under the lock can leave a window half changed.
pub(crate) fn locked(window: &Mutex<Window>) -> MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_500_000);

    fn counted(window: &mut Window, at: i64) -> u32 {
        window.at(NOW.plus_seconds(at), 60);
        window.count();
        window.at(NOW.plus_seconds(at), 60).0
    }

    #[test]
    fn a_window_begins_with_its_first_count_and_ends_on_time() {
        let mut window = Window::default();
        assert_eq!(counted(&mut window, 0), 1);
        assert_eq!(counted(&mut window, 59), 2);
        assert_eq!(
            window.at(NOW.plus_seconds(59), 60),
            (2, NOW.plus_seconds(60))
        );
        assert_eq!(
            window.at(NOW.plus_seconds(60), 60),
            (0, NOW.plus_seconds(120))
        );
        assert_eq!(counted(&mut window, 200), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let mut window = Window::default();
        counted(&mut window, 10_000);
        assert_eq!(window.at(NOW, 60), (1, NOW.plus_seconds(60)));
        assert_eq!(window.at(NOW.plus_seconds(60), 60).0, 0);
    }

    #[test]
    fn retry_after_is_rounded_up() {
        assert_eq!(seconds_until(NOW.plus_seconds(60), NOW), 60);
        assert_eq!(
            seconds_until(Timestamp::from_micros(NOW.micros() + 1), NOW),
            1
        );
        assert_eq!(
            seconds_until(Timestamp::from_micros(NOW.micros() + 1_000_001), NOW),
            2
        );
        assert_eq!(seconds_until(NOW, NOW), 1);
        assert_eq!(seconds_until(NOW, NOW.plus_seconds(5)), 1);
        assert_eq!(second_from(NOW), NOW.seconds() + 1);
        let whole = Timestamp::from_micros(NOW.seconds() * 1_000_000);
        assert_eq!(second_from(whole), NOW.seconds());
    }

    #[test]
    fn memory_is_bounded() {
        let windows = Windows::new(100);
        for key in 0..10_000 {
            locked(&windows.of(&key)).count();
        }
        assert!(
            (0..10_000)
                .filter(|key| windows.known(key).is_some())
                .count()
                <= 100
        );
    }
}
