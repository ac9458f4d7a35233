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
    /// Until when the server has asked to be left alone.
    asked_until: Option<Instant>,
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

    /// The server answered: with a token, or with a refusal. What it has asked for holds all the same: the
    /// answer may be to a request that was on its way before.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        let asked_until = state.asked_until.filter(|until| *until > Instant::now());
        let cause = state.closed_until.take().map(|(_, cause)| cause);
        *state = State {
            failures: 0,
            closed_until: asked_until.zip(cause),
            asked_until,
        };
    }

    /// The server is in trouble or wants to be left alone.
    pub(crate) fn failed(&self, error: &Error) {
        let mut state = self.lock();
        let now = Instant::now();
        let mut pause = error.retry_after();
        let asked_until = pause.map(|pause| now + pause.min(LONGEST));
        state.asked_until = state.asked_until.max(asked_until);
        if error.is_outage() {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= self.rule.failures {
                let own = self.rule.pause + chance::part_of(self.rule.pause / 4);
                pause = pause.max(Some(own));
            }
        }
        if let Some(pause) = pause {
            // A short pause does not end a longer one that was asked for before.
            let until = state.asked_until.max(Some(now + pause.min(LONGEST)));
            state.closed_until = until.map(|until| (until, error.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn asked_for(seconds: u64) -> Error {
        Error::Paused {
            retry_in: Duration::from_secs(seconds),
            cause: Box::new(Error::Interrupted),
        }
    }

    /// Other answers, and shorter pauses, were on their way before.
    #[tokio::test(start_paused = true)]
    async fn what_the_server_asked_for_is_kept_to() {
        let breaker = Breaker::new(CircuitBreaker::default());
        let error = asked_for(60);
        let asked = error.retry_after();
        assert_eq!(asked, Some(Duration::from_mins(1)));
        breaker.failed(&error);
        breaker.answered();
        breaker.failed(&asked_for(1));
        advance(Duration::from_secs(59)).await;
        assert!(breaker.enter().is_err());
        advance(Duration::from_secs(1)).await;
        assert!(breaker.enter().is_ok());
        breaker.answered();
        assert!(breaker.enter().is_ok());
    }
}
