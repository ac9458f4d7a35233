//! The key set of one issuer, kept up to date.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode, header::ETAG};
use tokio::time::Instant;

use super::{
    InvalidToken, KeysFault, Rejection, Trouble, Unavailable,
    attempts::{Attempts, Outcome},
    key_set::{KeySet, fresh_for},
    trouble::Listener,
};
use crate::{
    Algorithm,
    clock::Clock,
    endpoint::Endpoint,
    metadata::{DiscoveryError, discover, named},
    transport::{Link, retry_after, shown},
};

/// While the keys that are here can be used, nobody waits longer than this for others.
const PATIENCE: Duration = Duration::from_millis(500);
/// And for a key that is not here for no longer than this: anybody can make one up.
const PATIENCE_FOR_NEW: Duration = Duration::from_secs(2);
/// For so long after its time a set is used at once while the next one is on its way: where little is asked, a key that was
/// taken out is trusted for no longer than this beyond what the issuer said.
const A_LITTLE: Duration = Duration::from_secs(30);
/// What a caller is told who comes while there are no keys, and nobody has said when there will be.
const SOON: Duration = Duration::from_secs(1);

/// What is the same for every issuer of a verifier.
#[derive(Debug)]
pub(super) struct KeyRules {
    pub(super) link: Link,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) algorithms: Vec<Algorithm>,
    /// Between two fetches for the sake of an unknown key, at least.
    pub(super) min_interval: Duration,
    /// How old a set may become while the issuer cannot be reached.
    pub(super) max_stale: Duration,
    pub(super) plain: bool,
    pub(super) listener: Listener,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Where its metadata say.
    Metadata(Endpoint),
    /// The same for a tenant that only a token speaks of. Anybody can make one up.
    Tenant(Endpoint),
    /// There.
    Url(Endpoint),
    /// Here, for ever.
    Fixed,
}

#[derive(Debug)]
pub(super) struct IssuerKeys {
    pub(super) issuer: String,
    source: Source,
    rules: Arc<KeyRules>,
    current: RwLock<Option<Arc<Current>>>,
    attempts: Attempts,
    gate: tokio::sync::Mutex<()>,
}

/// A set with what its issuer said about it.
#[derive(Debug)]
struct Current {
    set: Arc<KeySet>,
    fetched_at: SystemTime,
    fetched: Instant,
    fresh_for: Duration,
    etag: Option<HeaderValue>,
    url: Option<Endpoint>,
}

impl Current {
    /// Up to which age it is used while the next one is on its way.
    fn old_until(&self) -> Duration {
        self.fresh_for.saturating_add(self.fresh_for.min(A_LITTLE))
    }
}

/// Why keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Those that are here may not be the last word.
    Age,
    /// A token names one that is not here. Then the issuer is not asked whether the set has changed, but for
    /// the set: what it would say of that may be what is wrong.
    UnknownKey,
}

/// How good the set is that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    /// A little old: good, while the next one is on its way.
    Old,
    /// Old enough to look first, and good where that fails or takes long.
    Stale,
    /// Too old to be trusted.
    Gone,
}

impl IssuerKeys {
    pub(super) fn new(issuer: String, source: Source, rules: Arc<KeyRules>) -> Self {
        Self {
            issuer,
            source,
            rules,
            current: RwLock::default(),
            attempts: Attempts::default(),
            gate: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn fixed(issuer: String, set: KeySet, rules: Arc<KeyRules>) -> Self {
        let keys = Self::new(issuer, Source::Fixed, rules);
        let now = keys.rules.clock.now();
        keys.set(Current {
            set: Arc::new(set),
            fetched_at: now,
            fetched: Instant::now(),
            fresh_for: Duration::MAX,
            etag: None,
            url: None,
        });
        keys
    }

    /// Whether keys have ever come.
    pub(super) fn has_keys(&self) -> bool {
        self.current().is_some()
    }

    /// Whether asking for the keys would be the first request, or the first after a while, for an issuer
    /// that may not exist.
    pub(super) fn is_to_be_looked_for(&self) -> bool {
        !self.has_keys()
            && self.attempts.under_way_for().is_none()
            && self.attempts.wait(Duration::ZERO, false).is_none()
    }

    /// The set to verify a token with that names this key. It may not be in it.
    pub(super) async fn set_for(
        self: &Arc<Self>,
        key_id: Option<&str>,
    ) -> Result<Arc<KeySet>, Rejection> {
        let mut current = self.current();
        let reason = match &current {
            Some(current) if !current.set.knows(key_id) => Reason::UnknownKey,
            _ => Reason::Age,
        };
        match current
            .as_deref()
            .map_or(State::Gone, |current| self.state(current))
        {
            State::Fresh => {}
            State::Old => self.refresh_in_background(current.clone(), reason),
            // What is here is good, so an issuer that is silent holds up nobody for long.
            State::Stale => {
                let spent = self.attempts.under_way_for().unwrap_or_default();
                if spent >= PATIENCE || self.attempts.failure().is_some() {
                    self.refresh_in_background(current.clone(), reason);
                } else {
                    let refresh = self.refresh(current.clone(), Duration::ZERO, reason);
                    let _ = tokio::time::timeout(PATIENCE.saturating_sub(spent), refresh).await;
                    current = self.current();
                }
            }
            State::Gone => {
                self.refresh(current, Duration::ZERO, reason).await;
                current = self.current();
                let usable = current.as_deref().map(|current| self.state(current));
                if usable.is_none_or(|state| state == State::Gone) {
                    return Err(self.unavailable());
                }
            }
        }
        let knows = |current: &Option<Arc<Current>>| {
            current
                .as_ref()
                .is_some_and(|current| current.set.knows(key_id))
        };
        if !knows(&current) && !matches!(self.source, Source::Fixed) {
            let in_time = self.refresh_in_time(current).await;
            current = self.current();
            // Whether there is such a key could not be found out.
            if !knows(&current) && (!in_time || self.attempts.failure().is_some()) {
                return Err(self.unavailable());
            }
        }
        match current {
            Some(current) => Ok(Arc::clone(&current.set)),
            None => Err(InvalidToken::UnknownKey.into()),
        }
    }

    /// The set after another look, for a token that fits none of the keys that are here and names none: the
    /// one that signed it may be new. It counts as a look for an unknown key does. `None`, if there is nothing
    /// new.
    pub(super) async fn set_after(
        self: &Arc<Self>,
        seen: &Arc<KeySet>,
    ) -> Result<Option<Arc<KeySet>>, Rejection> {
        if matches!(self.source, Source::Fixed) {
            return Ok(None);
        }
        let in_time = self.refresh_in_time(self.current()).await;
        match self.current() {
            Some(current) if !Arc::ptr_eq(&current.set, seen) => Ok(Some(Arc::clone(&current.set))),
            // Whether there is such a key could not be found out.
            _ if !in_time || self.attempts.failure().is_some() => Err(self.unavailable()),
            _ => Ok(None),
        }
    }

    fn state(&self, current: &Current) -> State {
        if matches!(self.source, Source::Fixed) {
            return State::Fresh;
        }
        // A clock that went back says nothing about the age: look again, and go by the time that passes.
        let age = self.rules.clock.now().duration_since(current.fetched_at);
        let by_the_timer = |_| current.fetched.elapsed().max(current.old_until());
        match age.unwrap_or_else(by_the_timer) {
            age if age < current.fresh_for => State::Fresh,
            age if age > self.rules.max_stale => State::Gone,
            age if age < current.old_until() => State::Old,
            _ => State::Stale,
        }
    }

    fn refresh_in_background(self: &Arc<Self>, seen: Option<Arc<Current>>, reason: Reason) {
        if self.attempts.under_way_for().is_none() && self.wait(Duration::ZERO).is_none() {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.fetch_in_turn(seen, Duration::ZERO, reason).await });
        }
    }

    /// Fetches the set, or waits for whoever is doing so; neither, if the last fetch began less than the
    /// interval ago, or if another one is here by now than the caller has seen.
    async fn refresh(
        self: &Arc<Self>,
        seen: Option<Arc<Current>>,
        interval: Duration,
        reason: Reason,
    ) {
        if self.attempts.under_way_for().is_some() || self.wait(interval).is_none() {
            // A caller that goes away does not end the fetch: it counts against the interval.
            let keys = Arc::clone(self);
            let fetch = async move { keys.fetch_in_turn(seen, interval, reason).await };
            let _ = tokio::spawn(fetch).await;
        }
    }

    /// Looks for an unknown key, and says whether that came to its end in time.
    async fn refresh_in_time(self: &Arc<Self>, seen: Option<Arc<Current>>) -> bool {
        let refresh = self.refresh(seen, self.rules.min_interval, Reason::UnknownKey);
        tokio::time::timeout(PATIENCE_FOR_NEW, refresh)
            .await
            .is_ok()
    }

    /// What to tell a caller while there are no keys for its token.
    fn unavailable(&self) -> Rejection {
        if self.attempts.failure() == Some(Outcome::Absent) {
            return InvalidToken::UnknownIssuer.into();
        }
        Rejection::Unavailable {
            cause: Unavailable::Keys,
            retry_after: self.wait(Duration::ZERO).unwrap_or(SOON),
        }
    }

    async fn fetch_in_turn(&self, seen: Option<Arc<Current>>, interval: Duration, reason: Reason) {
        let _turn = self.gate.lock().await;
        // What the caller has seen is kept until here, so no other set can stand at its address.
        let address = |set: &Option<Arc<Current>>| set.as_ref().map(Arc::as_ptr);
        let is_newer = address(&self.current()) != address(&seen);
        if is_newer || self.wait(interval).is_some() {
            return;
        }
        let attempt = self.attempts.begin();
        let fetched = self.fetch(reason).await;
        let outcome = match &fetched {
            Ok(()) => Outcome::Fetched,
            Err(fault) => self.outcome_of(fault),
        };
        attempt.ended(outcome);
        if let Err(fault) = fetched {
            self.tell(fault, outcome);
        }
    }

    /// For how long no fetch may begin.
    fn wait(&self, interval: Duration) -> Option<Duration> {
        let current = self.current();
        let usable = current.is_some_and(|current| self.state(&current) != State::Gone);
        self.attempts.wait(interval, usable)
    }

    /// Tells what went wrong, but not that a tenant does not exist which anybody may have made up.
    fn tell(&self, fault: KeysFault, outcome: Outcome) {
        if outcome != Outcome::Absent {
            let issuer = self.issuer.clone();
            self.rules.listener.tell(&Trouble::Keys { issuer, fault });
        }
    }

    /// What a failure means. An issuer that may not exist is a tenant that only tokens speak of; where another is
    /// not found, somebody else has answered in its place.
    fn outcome_of(&self, fault: &KeysFault) -> Outcome {
        let made_up = || matches!(self.source, Source::Tenant(_)) && !self.has_keys();
        match fault {
            KeysFault::Discovery(DiscoveryError::Absent { status: 404, .. }) if made_up() => {
                Outcome::Absent
            }
            KeysFault::Discovery(DiscoveryError::Absent { retry_after, .. })
            | KeysFault::Status { retry_after, .. } => Outcome::Unavailable(*retry_after),
            _ => Outcome::Unavailable(None),
        }
    }

    async fn fetch(&self, reason: Reason) -> Result<(), KeysFault> {
        let known = self.current();
        let url = match self.locate().await {
            Ok(url) => url,
            // Keys do not move often: where they were is good enough while nobody tells.
            Err(error) => match known.as_ref().and_then(|known| known.url.clone()) {
                Some(url) if error.is_retryable() => url,
                _ => return Err(error.into()),
            },
        };
        let etag = known
            .as_ref()
            .filter(|_| reason == Reason::Age)
            // A tag is of one place.
            .filter(|known| (known.url.as_ref()).is_some_and(|at| at.as_str() == url.as_str()))
            .and_then(|known| known.etag.as_ref());
        let answer = self.rules.link.get(url.as_str(), etag).await;
        let answer = answer.map_err(|error| KeysFault::Unreachable {
            url: url.to_string(),
            what: error.to_string(),
        })?;
        let set = match (answer.status(), &known) {
            (StatusCode::OK, _) => match KeySet::read(answer.body(), &self.rules.algorithms) {
                // Nobody who issues tokens has no key: it is a stub of somebody's, or not ready yet.
                Ok(set) if set.is_empty() => {
                    let url = url.to_string();
                    return Err(KeysFault::NoKey { url });
                }
                Ok(set) => Arc::new(set),
                Err(error) => {
                    return Err(KeysFault::Unreadable {
                        url: url.to_string(),
                        what: shown(&error.to_string()),
                    });
                }
            },
            (StatusCode::NOT_MODIFIED, Some(known)) if etag.is_some() => Arc::clone(&known.set),
            (status, _) => {
                return Err(KeysFault::Status {
                    url: url.to_string(),
                    status: status.as_u16(),
                    retry_after: retry_after(answer.headers(), self.rules.clock.now()),
                });
            }
        };
        let now = self.rules.clock.now();
        let unchanged = etag.filter(|_| answer.status() == StatusCode::NOT_MODIFIED);
        self.set(Current {
            set,
            fetched_at: now,
            fetched: Instant::now(),
            fresh_for: fresh_for(answer.headers(), self.rules.min_interval, now),
            etag: answer.headers().get(ETAG).or(unchanged).cloned(),
            url: Some(url),
        });
        Ok(())
    }

    async fn locate(&self) -> Result<Endpoint, DiscoveryError> {
        match &self.source {
            Source::Metadata(issuer) | Source::Tenant(issuer) => {
                let metadata = discover(
                    &self.rules.link,
                    &self.issuer,
                    issuer,
                    self.rules.clock.now(),
                )
                .await?;
                named("jwks_uri", metadata.jwks_uri.as_ref(), self.rules.plain)
            }
            Source::Url(url) => Ok(url.clone()),
            Source::Fixed => Err(DiscoveryError::NoEndpoint("jwks_uri")),
        }
    }

    fn current(&self) -> Option<Arc<Current>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    fn set(&self, current: Current) {
        let mut slot = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(current));
    }
}
