use std::{fmt, sync::Arc, time::Duration};

use super::Error;
use crate::chance;

/// Whether and when a request is sent again.
///
/// Whatever it says, `Retry-After` is obeyed and the client's whole
/// [timeout](super::TokenClientBuilder::timeout) holds.
pub trait RetryStrategy: fmt::Debug + Send + Sync + 'static {
    /// How long to wait after this failure, which is number `attempt` from 1 on; `None` gives up.
    fn pause(&self, attempt: u32, error: &Error) -> Option<Duration>;
}

/// Shared by several clients.
impl<S: RetryStrategy + ?Sized> RetryStrategy for Arc<S> {
    fn pause(&self, attempt: u32, error: &Error) -> Option<Duration> {
        (**self).pause(attempt, error)
    }
}

/// Waits twice as long after each failure, from half of that to all of it by chance, and only where
/// [`Error::is_retryable`]: a refusal (4xx) is final, a failure of the server (5xx, no connection, no
/// answer) and a limit (429) are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    attempts: u32,
    first: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            attempts: 4,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// Sends a request once.
    pub fn never() -> Self {
        Self::default().attempts(1)
    }

    /// Sends so many requests at most. The default is 4.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Begins with this pause and goes up to that one. The default is 200 ms, and 5 s.
    #[must_use]
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first, self.longest) = (first, longest);
        self
    }
}

impl RetryStrategy for Backoff {
    fn pause(&self, attempt: u32, error: &Error) -> Option<Duration> {
        if attempt >= self.attempts || !error.is_retryable() {
            return None;
        }
        let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        Some(whole / 2 + chance::part_of(whole / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_by_chance() {
        let backoff = Backoff::default().attempts(u32::MAX);
        let timeout = Error::timeout("", Duration::ZERO);
        for (attempt, whole) in [
            (1, 200),
            (2, 400),
            (5, 3_200),
            (6, 5_000),
            (4_000_000, 5_000),
        ] {
            let pause = backoff.pause(attempt, &timeout).unwrap();
            let whole = Duration::from_millis(whole);
            assert!(whole / 2 <= pause && pause <= whole, "{attempt}: {pause:?}");
        }
        let pauses: std::collections::HashSet<_> =
            (0..20).map(|_| backoff.pause(5, &timeout)).collect();
        assert!(pauses.len() > 10);
    }

    #[test]
    fn the_last_attempt_and_a_refusal_are_final() {
        let backoff = Backoff::default();
        let timeout = Error::timeout("", Duration::ZERO);
        assert!(backoff.pause(3, &timeout).is_some());
        assert!(backoff.pause(4, &timeout).is_none());
        assert!(Backoff::never().pause(1, &timeout).is_none());
        assert!(backoff.pause(1, &Error::Interrupted).is_none());
    }
}
