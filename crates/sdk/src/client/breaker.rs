use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Error;
use crate::chance;

/// A server is not left alone for longer than this, whatever it says.
const LONGEST: Duration = Duration::from_hours(1);

/// When to leave a server alone that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreaker {
    /// After so many failures in a row, no matter of which requests. The default is 5.
    pub failures: u32,
    /// For so long, and up to a quarter longer by chance; an hour at most. Then one request tries. The default
    /// is 30 s.
    pub pause: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(30),
        }
    }
}

impl CircuitBreaker {
    /// Pauses for so long after so many failures in a row.
    pub fn new(failures: u32, pause: Duration) -> Self {
        Self { failures, pause }
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
    closed_until: Option<(Instant, Error)>,
}

impl Breaker {
    pub(crate) fn new(rule: CircuitBreaker) -> Self {
        let pause = rule.pause.min(LONGEST);
        Self {
            rule: CircuitBreaker { pause, ..rule },
            state: Mutex::default(),
        }
    }

    /// Lets a request through, or says for how long none goes. When a pause has ended after too many
    /// failures, the first that asks is let through, and the others wait for what becomes of it.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let now = Instant::now();
        let Some((until, cause)) = &state.closed_until else {
            return Ok(());
        };
        if *until > now {
            return Err(Error::Paused {
                retry_in: *until - now,
                cause: Box::new(cause.clone()),
            });
        }
        let cause = cause.clone();
        state.closed_until =
            (state.failures >= self.rule.failures).then(|| (now + self.rule.pause, cause));
        Ok(())
    }

    /// For how long no request goes, if none does.
    pub(crate) fn peek(&self) -> Option<Duration> {
        let state = self.lock();
        let (until, _) = state.closed_until.as_ref()?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// The server answered: with a token, or with a refusal.
    pub(crate) fn answered(&self) {
        *self.lock() = State::default();
    }

    /// The server is in trouble or wants to be left alone.
    pub(crate) fn failed(&self, error: &Error) {
        let mut state = self.lock();
        let now = Instant::now();
        let mut pause = error.retry_after();
        if error.is_outage() {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= self.rule.failures {
                let own = self.rule.pause + chance::part_of(self.rule.pause / 4);
                pause = pause.max(Some(own));
            }
        }
        if let Some(pause) = pause {
            let pause = pause.min(LONGEST);
            state.closed_until = Some((now + pause, error.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
