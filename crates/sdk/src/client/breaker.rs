use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Error;
use crate::{chance, transport::LONGEST_PAUSE};

/// A server that fails is not left alone for longer than this.
const LONGEST: Duration = Duration::from_hours(1);
/// A server that fails is left alone for so long at first: it may have been started with this program.
const FIRST: Duration = Duration::from_secs(1);
/// What somebody else asks for in the server's place, a proxy or a firewall, is heeded for so long.
const OF_ANOTHER: Duration = Duration::from_mins(1);

/// When to leave a server alone that fails, or asks for it. The default is for up to 30 s after 5 failures, and for as
/// long as `Retry-After` says, five minutes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    failures: u32,
    pause: Duration,
    longest: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new(5, Duration::from_secs(30))
    }
}

impl CircuitBreaker {
    /// After so many failures in a row, no matter of which requests: for a second at first and twice as long after
    /// each further one, up to this, and up to a quarter longer by chance; an hour at most. Then one request tries.
    pub fn new(failures: u32, pause: Duration) -> Self {
        Self {
            failures,
            pause,
            longest: LONGEST_PAUSE,
        }
    }

    /// Heeds `Retry-After` for so long at most. Then one request tries, whatever the server said.
    #[must_use]
    pub fn longest_pause(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }
}

/// What a client remembers of its server's health.
#[derive(Debug)]
pub(crate) struct Breaker {
    rule: CircuitBreaker,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Since it failed too often. One answer ends it.
    failing: Option<Pause>,
    /// As it asked for by `Retry-After`. Nothing ends that before its time: an answer may have been on its way
    /// already.
    asked: Option<Pause>,
}

#[derive(Clone, Debug)]
struct Pause {
    until: Instant,
    cause: Error,
}

impl Breaker {
    pub(crate) fn new(rule: CircuitBreaker) -> Self {
        let pause = rule.pause.min(LONGEST);
        let longest = rule.longest.min(LONGEST);
        Self {
            rule: CircuitBreaker {
                pause,
                longest,
                ..rule
            },
            state: Mutex::default(),
        }
    }

    /// Lets a request through, or says for how long none goes. When a pause has ended after too many
    /// failures, the first that asks is let through, and the others wait for what becomes of it.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(pause) = state.pause().filter(|pause| pause.until > now) {
            return Err(Error::Paused {
                retry_in: pause.until - now,
                cause: Box::new(pause.cause.clone()),
            });
        }
        state.asked = None;
        if let Some(failing) = &mut state.failing {
            failing.until = now + self.rule.pause;
        }
        Ok(())
    }

    /// For how long no request goes, if none does.
    pub(crate) fn peek(&self) -> Option<Duration> {
        let until = self.lock().pause()?.until;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// The server answered: with a token, or with a refusal.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        state.failures = 0;
        state.failing = None;
    }

    /// What went wrong: a refusal is an answer, where it is the server's own.
    pub(crate) fn heard(&self, error: &Error) {
        match error {
            Error::Refused(_) if !error.is_of_another() => self.answered(),
            error => self.failed(error),
        }
    }

    /// The server is in trouble or wants to be left alone.
    fn failed(&self, error: &Error) {
        let mut state = self.lock();
        let pause = |time: Duration| Pause {
            until: Instant::now() + time.min(LONGEST),
            cause: error.clone(),
        };
        if let Some(time) = error.retry_after() {
            let longest = if error.is_of_another() {
                self.rule.longest.min(OF_ANOTHER)
            } else {
                self.rule.longest
            };
            let asked = pause(time.min(longest));
            if state
                .asked
                .as_ref()
                .is_none_or(|longer| longer.until < asked.until)
            {
                state.asked = Some(asked);
            }
        }
        if error.is_outage() {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= self.rule.failures {
                let further = state.failures.saturating_sub(self.rule.failures.max(1));
                let doubled = FIRST.saturating_mul(2u32.saturating_pow(further));
                let own = doubled.min(self.rule.pause);
                let own = own + chance::part_of(own / 4);
                state.failing = Some(pause(own));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The one that lasts longer.
    fn pause(&self) -> Option<&Pause> {
        let pauses = self.failing.iter().chain(&self.asked);
        pauses.max_by_key(|pause| pause.until)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::error::Answer, *};

    fn limited(seconds: u64) -> Error {
        let mut answer = Answer::new(429);
        answer.retry_after = Some(Duration::from_secs(seconds));
        answer.into()
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_asked_for_is_shortened_by_nothing_that_comes_after() {
        let breaker = Breaker::new(CircuitBreaker::default());
        breaker.failed(&limited(60));
        breaker.answered();
        assert!(breaker.enter().is_err());
        breaker.failed(&limited(1));
        breaker.answered();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(breaker.enter().is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_pause_of_a_server_that_failed() {
        let breaker = Breaker::new(CircuitBreaker::new(1, Duration::from_secs(30)));
        breaker.failed(&Error::timeout("", Duration::ZERO));
        assert!(breaker.enter().is_err());
        for (longest, after) in [(1_250, 1), (2_500, 2), (5_000, 3)] {
            tokio::time::advance(Duration::from_millis(longest)).await;
            assert!(breaker.enter().is_ok(), "{after}");
            assert!(breaker.enter().is_err(), "one tries");
            breaker.failed(&Error::timeout("", Duration::ZERO));
            tokio::time::advance(Duration::from_millis(longest)).await;
            assert!(breaker.enter().is_err(), "it is twice as long: {after}");
        }
        for _ in 0..100 {
            breaker.failed(&Error::timeout("", Duration::ZERO));
        }
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert!(breaker.enter().is_err());
        tokio::time::advance(Duration::from_millis(7_501)).await;
        assert!(breaker.enter().is_ok());
        breaker.answered();
        assert!(breaker.enter().is_ok());
    }
}
