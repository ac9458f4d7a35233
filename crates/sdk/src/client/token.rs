use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{Scopes, Secret, chance, clock::later};

/// A token that was got so much later than now is of a clock that has been set back since. Less than that is how
/// clocks differ of machines that share a cache.
const AHEAD: Duration = Duration::from_mins(1);

/// An access token with what the server said about it.
///
/// Cheap to clone. `Debug` does not show the token.
#[derive(Clone)]
pub struct AccessToken(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    value: Secret,
    issued_at: SystemTime,
    expires_at: SystemTime,
    scopes: Option<Scopes>,
    /// How early in the window for it this token is refreshed, from 0 to 1: so that many processes
    /// that started together do not ask together.
    jitter: f64,
}

impl AccessToken {
    /// A token as it was kept by a [`TokenCache`](super::TokenCache) of yours: with its
    /// [`lifetime`](Self::lifetime), and [the scopes](Self::with_scopes) where the server named them.
    pub fn new(value: impl Into<Secret>, issued_at: SystemTime, lifetime: Duration) -> Self {
        Self(Arc::new(Inner {
            value: value.into(),
            issued_at,
            expires_at: later(issued_at, lifetime),
            scopes: None,
            jitter: chance::fraction(),
        }))
    }

    /// The same with the scopes that were granted.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        Arc::make_mut(&mut self.0).scopes = Some(scopes.into());
        self
    }

    /// The token itself, for `Authorization: Bearer …`. Do not log it.
    pub fn reveal(&self) -> &str {
        self.0.value.reveal()
    }

    /// When it was asked for, by the clock of this machine.
    pub fn issued_at(&self) -> SystemTime {
        self.0.issued_at
    }

    /// When it ends, by the clock of this machine: its lifetime after it was asked for.
    pub fn expires_at(&self) -> SystemTime {
        self.0.expires_at
    }

    /// How long it lives in all.
    pub fn lifetime(&self) -> Duration {
        let Inner {
            issued_at,
            expires_at,
            ..
        } = &*self.0;
        expires_at.duration_since(*issued_at).unwrap_or_default()
    }

    /// The granted scopes, if the server named them. By RFC 6749 they are those that were asked for
    /// where it did not.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.0.scopes.as_ref()
    }

    /// Whether it has ended at this moment.
    pub fn is_expired_at(&self, now: SystemTime) -> bool {
        now >= self.0.expires_at
    }

    /// Whether it is given out to whoever wants one that lives for so long. Half of its life ahead is
    /// enough in any case: the next one would live no longer.
    pub(super) fn serves(&self, now: SystemTime, life: Duration) -> bool {
        self.lives(now, life.min(self.lifetime() / 2))
    }

    /// How long it goes on [serving](Self::serves) for that.
    pub(super) fn time_to(&self, now: SystemTime, life: Duration) -> Duration {
        let left = self.0.expires_at.duration_since(now).unwrap_or_default();
        left.saturating_sub(life.min(self.lifetime() / 2))
    }

    /// Whether it still lives for so long from this moment. When one that comes from the future ends, nobody
    /// can tell.
    pub(super) fn lives(&self, now: SystemTime, life: Duration) -> bool {
        self.0.issued_at <= later(now, AHEAD) && later(now, life) < self.0.expires_at
    }

    /// Whether it is time for the next one: within `ahead` of the moment from which it is not given
    /// out any more, earlier or later by chance.
    pub(super) fn is_due(&self, now: SystemTime, threshold: Duration, ahead: Duration) -> bool {
        let ahead = ahead.mul_f64(0.5 + self.0.jitter / 2.0);
        let threshold = threshold.min(self.lifetime() / 2);
        !self.lives(now, threshold.saturating_add(ahead))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("issued_at", &self.0.issued_at)
            .field("expires_at", &self.0.expires_at)
            .field("scopes", &self.0.scopes)
            .finish_non_exhaustive()
    }
}
