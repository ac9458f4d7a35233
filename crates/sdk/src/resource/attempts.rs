//! How it went to fetch the keys of an issuer, and when the next attempt may begin.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::transport::LONGEST_PAUSE;

/// After a failure, so long at least until the next try.
const AGAIN: Duration = Duration::from_secs(1);
/// While keys are here that can be used, the pause after a failure doubles up to this.
const AGAIN_AT_MOST: Duration = Duration::from_secs(30);
/// An issuer that does not exist is not looked for again for so long.
const ABSENT: Duration = Duration::from_secs(30);

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Fetched,
    /// The issuer did not give its keys, and perhaps said when to come back.
    Unavailable(Option<Duration>),
    /// There is no such issuer.
    Absent,
}

#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    under_way_since: Option<Instant>,
    /// When the last attempt ended, and how.
    last: Option<(Instant, Outcome)>,
    /// How many failed one after the other.
    failures: u32,
}

impl Attempts {
    /// Begins an attempt. However it ends, also by a panic of the user's transport or listener, it counts.
    pub(super) fn begin(&self) -> Attempt<'_> {
        self.lock().under_way_since = Some(Instant::now());
        Attempt {
            attempts: self,
            outcome: Outcome::Unavailable(None),
        }
    }

    /// For how long one has been under way.
    pub(super) fn under_way_for(&self) -> Option<Duration> {
        Some(self.lock().under_way_since?.elapsed())
    }

    /// How the last one ended, if it was no success.
    pub(super) fn failure(&self) -> Option<Outcome> {
        let (_, outcome) = self.lock().last?;
        (outcome != Outcome::Fetched).then_some(outcome)
    }

    /// For how long none may begin: not within the interval since the last, and not sooner than the issuer
    /// said. Who has no usable keys is in a hurry.
    pub(super) fn wait(&self, interval: Duration, usable: bool) -> Option<Duration> {
        let state = self.lock();
        let (at, outcome) = state.last?;
        let pause = match outcome {
            Outcome::Fetched => Duration::ZERO,
            Outcome::Absent => ABSENT,
            Outcome::Unavailable(asked) => {
                let doubled = if usable {
                    2u32.saturating_pow(state.failures.saturating_sub(1))
                } else {
                    1
                };
                let own = AGAIN.saturating_mul(doubled).min(AGAIN_AT_MOST);
                own.max(asked.unwrap_or_default().min(LONGEST_PAUSE))
            }
        };
        let left = pause.max(interval).saturating_sub(at.elapsed());
        (!left.is_zero()).then_some(left)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that is under way.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    outcome: Outcome,
}

impl Attempt<'_> {
    pub(super) fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut state = self.attempts.lock();
        state.under_way_since = None;
        state.last = Some((Instant::now(), self.outcome));
        state.failures = match self.outcome {
            Outcome::Fetched => 0,
            _ => state.failures.saturating_add(1),
        };
    }
}
