use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    future::poll_fn,
    sync::{Arc, PoisonError, RwLock},
    task::Poll,
    time::Duration,
};

use serde::Serialize;

use super::{AccessToken, TokenRequest};
use crate::{
    Scopes,
    clock::{Clock, SystemClock},
    transport::BoxFuture,
};

/// Everything that makes one token different from another: the server, the client, the scopes, the
/// audiences, the resources and the other parameters.
///
/// The credential is not part of it: a token stays good when the secret is rotated.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey(Arc<str>);

#[derive(Serialize)]
struct Parts<'a> {
    server: &'a str,
    client: &'a str,
    scope: String,
    audience: &'a BTreeSet<String>,
    resource: &'a BTreeSet<String>,
    parameters: &'a BTreeMap<String, String>,
}

impl CacheKey {
    /// The key for a request of a client at a server, which is its issuer, or its token endpoint where
    /// no issuer is known.
    pub fn of(server: &str, client: &str, request: &TokenRequest) -> Self {
        let parts = Parts {
            server,
            client,
            scope: request
                .scopes
                .as_ref()
                .map_or_else(String::new, Scopes::to_string),
            audience: &request.audiences,
            resource: &request.resources,
            parameters: &request.parameters,
        };
        // Texts, sets and maps of texts always have a JSON form.
        Self(serde_json::to_string(&parts).unwrap_or_default().into())
    }

    /// The key as a text, which is the same in every process. It holds no secret.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where tokens are kept.
///
/// Implement it to share tokens among processes. A cache that has trouble should answer `None`: then
/// the server is asked, as it is when no answer comes within a second. It holds secrets: keep it as safe as
/// you keep the client's credential.
pub trait TokenCache: fmt::Debug + Send + Sync + 'static {
    /// The token under this key, also when it has expired.
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<AccessToken>>;

    /// Keeps a token in the place of any other under this key.
    fn put<'a>(&'a self, key: &'a CacheKey, token: AccessToken) -> BoxFuture<'a, ()>;

    /// Forgets what is under this key.
    fn remove<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, ()>;
}

/// A cache does not hold up whoever asks for a token for longer than this.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The token under this key, if the cache has one and says so in time.
pub(super) async fn kept(cache: &dyn TokenCache, key: &CacheKey) -> Option<AccessToken> {
    in_time(cache.get(key)).await.flatten()
}

/// What the cache answers, if it does in time.
pub(super) async fn in_time<T>(mut answer: BoxFuture<'_, T>) -> Option<T> {
    // A cache in memory answers at once, and costs no timer.
    let at_once = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
    match at_once {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => tokio::time::timeout(PATIENCE, answer).await.ok(),
    }
}

/// The default cache: in this process, for as many tokens as it has room for.
#[derive(Debug)]
pub struct MemoryCache {
    tokens: RwLock<HashMap<CacheKey, AccessToken>>,
    room: usize,
    clock: Arc<dyn Clock>,
}

impl MemoryCache {
    /// A cache with room for so many tokens. When it is full, those that have expired make room, and
    /// then the one that expires first.
    pub fn new(room: usize) -> Self {
        Self::with_clock(room, Arc::new(SystemClock))
    }

    /// The same with another clock to tell by what has expired.
    pub fn with_clock(room: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            tokens: RwLock::default(),
            room: room.max(1),
            clock,
        }
    }

    fn insert(&self, key: &CacheKey, token: AccessToken) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= self.room && !tokens.contains_key(key) {
            let now = self.clock.now();
            tokens.retain(|_, token| !token.is_expired_at(now));
            if tokens.len() >= self.room {
                let first = tokens
                    .iter()
                    .min_by_key(|(_, token)| token.expires_at())
                    .map(|(key, _)| key.clone());
                first.and_then(|first| tokens.remove(&first));
            }
        }
        tokens.insert(key.clone(), token);
    }
}

impl Default for MemoryCache {
    /// Room for 10,000 tokens.
    fn default() -> Self {
        Self::new(10_000)
    }
}

impl TokenCache for MemoryCache {
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<AccessToken>> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(key).cloned();
        Box::pin(std::future::ready(token))
    }

    fn put<'a>(&'a self, key: &'a CacheKey, token: AccessToken) -> BoxFuture<'a, ()> {
        self.insert(key, token);
        Box::pin(std::future::ready(()))
    }

    fn remove<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, ()> {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(key);
        Box::pin(std::future::ready(()))
    }
}
