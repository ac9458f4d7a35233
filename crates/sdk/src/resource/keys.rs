//! The key set of one issuer, kept up to date.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode, header::ETAG};
use tokio::time::Instant;

use super::{
    InvalidToken, KeysFault, Rejection, Trouble, Unavailable,
    key_set::{KeySet, fresh_for},
    trouble::Listener,
};
use crate::{
    Algorithm,
    clock::Clock,
    endpoint::Endpoint,
    metadata::{DiscoveryError, discover, named},
    transport::Link,
};

/// After a failure without any keys, so long at least until the next try.
const AGAIN: Duration = Duration::from_secs(1);
/// Where there are keys that can be used, nobody waits longer than this for newer ones.
const PATIENCE: Duration = Duration::from_millis(500);
/// An issuer that does not exist is not looked for again for so long.
const ABSENT: Duration = Duration::from_secs(30);

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
    /// When the last fetch ended, for how long none begins after it, and how it went.
    last: Mutex<Option<(Instant, Duration, Failure)>>,
    busy: AtomicBool,
    /// Whether somebody has waited in vain: until keys come, nobody else does.
    slow: AtomicBool,
    gate: tokio::sync::Mutex<()>,
}

/// A set with what its issuer said about it.
#[derive(Debug)]
struct Current {
    set: Arc<KeySet>,
    fetched_at: SystemTime,
    fresh_for: Duration,
    etag: Option<HeaderValue>,
    url: Option<Endpoint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    None,
    Unavailable,
    Absent,
}

/// How the set is asked for.
#[derive(Clone, Copy, Debug)]
enum Asking {
    /// Unless it is as it was.
    ForChanges,
    /// In any case: a token that names a key which is not in it says that it is not as it was, whatever its
    /// tag is.
    ForAll,
}

/// How good the set is that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    /// A little old: good, while the next one is on its way.
    Old,
    /// Old enough to look first, and good where that fails.
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
            last: Mutex::default(),
            busy: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            gate: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn fixed(issuer: String, set: KeySet, rules: Arc<KeyRules>) -> Self {
        let keys = Self::new(issuer, Source::Fixed, rules);
        let now = keys.rules.clock.now();
        keys.set(Current {
            set: Arc::new(set),
            fetched_at: now,
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

    /// The set to verify a token with that names this key. It may not be in it.
    pub(super) async fn set_for(
        self: &Arc<Self>,
        key_id: Option<&str>,
    ) -> Result<Arc<KeySet>, Rejection> {
        let mut current = self.current();
        match current
            .as_deref()
            .map_or(State::Gone, |current| self.state(current))
        {
            State::Fresh => {}
            State::Old => self.refresh_in_background(),
            State::Stale if self.slow.load(Ordering::Relaxed) => self.refresh_in_background(),
            State::Stale => {
                let looked = self.refresh(Duration::ZERO, Asking::ForChanges);
                if tokio::time::timeout(PATIENCE, looked).await.is_err() {
                    self.slow.store(true, Ordering::Relaxed);
                }
                current = self.current();
            }
            State::Gone => {
                let failed = self.refresh(Duration::ZERO, Asking::ForChanges).await;
                current = self.current();
                let usable = current.as_deref().map(|current| self.state(current));
                if usable.is_none_or(|state| state == State::Gone) {
                    return Err(failed);
                }
            }
        }
        let knows =
            |current: Option<&Current>| current.is_some_and(|current| current.set.knows(key_id));
        if !knows(current.as_deref()) && !matches!(self.source, Source::Fixed) {
            let failed = self.refresh(self.rules.min_interval, Asking::ForAll).await;
            current = self.current();
            // It may be a new one that could not be fetched, which is not the caller's fault.
            if !knows(current.as_deref()) && self.has_failed() {
                return Err(failed);
            }
        }
        match current {
            Some(current) => Ok(Arc::clone(&current.set)),
            None => Err(InvalidToken::UnknownKey.into()),
        }
    }

    fn state(&self, current: &Current) -> State {
        if matches!(self.source, Source::Fixed) {
            return State::Fresh;
        }
        // A clock that went back says nothing about the age: look again.
        let age = self.rules.clock.now().duration_since(current.fetched_at);
        match age.unwrap_or(current.fresh_for.saturating_mul(2)) {
            age if age < current.fresh_for => State::Fresh,
            age if age > self.rules.max_stale => State::Gone,
            age if age < current.fresh_for.saturating_mul(2) => State::Old,
            _ => State::Stale,
        }
    }

    fn refresh_in_background(self: &Arc<Self>) {
        if !self.busy.load(Ordering::Relaxed) && self.waits(Duration::ZERO).is_none() {
            let keys = Arc::clone(self);
            tokio::spawn(
                async move { keys.fetch_in_turn(Duration::ZERO, Asking::ForChanges).await },
            );
        }
    }

    /// Fetches the set, or waits for whoever is doing so; neither, if the last fetch began less than the
    /// interval ago. Says what to tell the caller if there are still no keys.
    async fn refresh(self: &Arc<Self>, interval: Duration, asking: Asking) -> Rejection {
        if self.busy.load(Ordering::Relaxed) || self.waits(interval).is_none() {
            // A caller that goes away does not end the fetch: it counts against the interval.
            let keys = Arc::clone(self);
            let _ = tokio::spawn(async move { keys.fetch_in_turn(interval, asking).await }).await;
        }
        match self.waits(AGAIN) {
            Some((_, Failure::Absent)) => InvalidToken::UnknownIssuer.into(),
            waits => Rejection::Unavailable {
                cause: Unavailable::Keys,
                retry_after: waits.map_or(AGAIN, |(retry_after, _)| retry_after),
            },
        }
    }

    async fn fetch_in_turn(&self, interval: Duration, asking: Asking) {
        let before = self.current().map(|current| Arc::as_ptr(&current) as usize);
        let _turn = self.gate.lock().await;
        let now = self.current().map(|current| Arc::as_ptr(&current) as usize);
        if now != before || self.waits(interval).is_some() {
            return;
        }
        self.busy.store(true, Ordering::Relaxed);
        let fault = self.fetch(asking).await.err();
        let failure = match &fault {
            None => Failure::None,
            Some(KeysFault::Discovery(DiscoveryError::Absent { status: 404, .. })) => {
                Failure::Absent
            }
            Some(_) => Failure::Unavailable,
        };
        let pause = match failure {
            Failure::None => {
                self.slow.store(false, Ordering::Relaxed);
                Duration::ZERO
            }
            Failure::Unavailable => AGAIN,
            Failure::Absent => ABSENT,
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), pause, failure));
        self.busy.store(false, Ordering::Relaxed);
        // Last of all: what the listener does is not ours, and it may never come back.
        if let Some(fault) = fault {
            self.tell(fault, failure);
        }
    }

    /// Whether the last fetch came to nothing.
    fn has_failed(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|(.., failure)| failure != Failure::None)
    }

    /// For how long no fetch may begin, and how the last one ended.
    fn waits(&self, interval: Duration) -> Option<(Duration, Failure)> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, pause, failure) = last?;
        let left = pause.max(interval).saturating_sub(at.elapsed());
        (!left.is_zero()).then_some((left, failure))
    }

    /// Tells what went wrong, but not that a tenant does not exist which anybody may have made up.
    fn tell(&self, fault: KeysFault, failure: Failure) {
        let made_up = failure == Failure::Absent && matches!(self.source, Source::Tenant(_));
        if !made_up || self.has_keys() {
            let issuer = self.issuer.clone();
            self.rules.listener.tell(&Trouble::Keys { issuer, fault });
        }
    }

    async fn fetch(&self, asking: Asking) -> Result<(), KeysFault> {
        let known = self.current();
        let url = match self.locate().await {
            Ok(url) => url,
            // Keys do not move often: where they were is good enough while nobody tells.
            Err(error) => match known.as_ref().and_then(|known| known.url.clone()) {
                Some(url) if error.is_retryable() => url,
                _ => return Err(error.into()),
            },
        };
        let etag = match asking {
            Asking::ForChanges => known.as_ref().and_then(|known| known.etag.as_ref()),
            Asking::ForAll => None,
        };
        let answer = self.rules.link.get(url.as_str(), etag).await;
        let answer = answer.map_err(|error| KeysFault::Unreachable {
            url: url.to_string(),
            what: error.to_string(),
        })?;
        let set = match (answer.status(), &known) {
            (StatusCode::OK, _) => match KeySet::read(answer.body(), &self.rules.algorithms) {
                Ok(set) => Arc::new(set),
                Err(error) => {
                    return Err(KeysFault::Unreadable {
                        url: url.to_string(),
                        what: error.to_string(),
                    });
                }
            },
            (StatusCode::NOT_MODIFIED, Some(known)) => Arc::clone(&known.set),
            (status, _) => {
                return Err(KeysFault::Status {
                    url: url.to_string(),
                    status: status.as_u16(),
                });
            }
        };
        self.set(Current {
            set,
            fetched_at: self.rules.clock.now(),
            fresh_for: fresh_for(answer.headers(), self.rules.min_interval),
            etag: answer
                .headers()
                .get(ETAG)
                .cloned()
                .or_else(|| known.as_ref().and_then(|known| known.etag.clone())),
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
