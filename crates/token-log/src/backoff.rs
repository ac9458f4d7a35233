//! A pause after a batch that failed for the store's sake.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(10);

/// The longest: far less than callers are patient for.
const LONGEST: Duration = Duration::from_secs(1);

/// How long to wait before the next batch: nothing after one that was written, and after each that failed twice as long
/// as before. A store that is away, or a disk that is full, is not asked a thousand times a second whether it still is.
#[derive(Default)]
pub(crate) struct Backoff {
    last: Option<Duration>,
    due: Option<Duration>,
}

impl Backoff {
    /// A batch failed.
    pub(crate) fn failed(&mut self) {
        let pause = self.last.map_or(FIRST, |last| LONGEST.min(last * 2));
        (self.last, self.due) = (Some(pause), Some(pause));
    }

    /// A batch was written. Gives whether one had failed before.
    pub(crate) fn over(&mut self) -> bool {
        self.due = None;
        self.last.take().is_some()
    }

    /// How long to wait now, once after each batch that failed.
    pub(crate) fn due(&mut self) -> Option<Duration> {
        self.due.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_second_and_begins_anew() {
        let mut backoff = Backoff::default();
        let mut fail = || {
            backoff.failed();
            backoff.due().unwrap().as_millis()
        };
        let pauses: Vec<_> = (0..9).map(|_| fail()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        assert!(backoff.due().is_none(), "once");
        assert!(backoff.over());
        assert!(!backoff.over());
        backoff.failed();
        assert_eq!(backoff.due(), Some(FIRST));
        backoff.failed();
        backoff.over();
        assert!(backoff.due().is_none());
    }
}
