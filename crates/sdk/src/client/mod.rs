//! Asking for tokens.

mod auth;
mod breaker;
mod builder;
mod cache;
mod credential;
mod endpoints;
mod error;
mod exchange;
mod fetch;
mod flights;
mod hooks;
mod kinds;
mod request;
mod retry;
mod token;

use std::{fmt, pin::pin, sync::Arc, time::Duration};

pub use self::{
    auth::ClientAuth,
    breaker::CircuitBreaker,
    builder::TokenClientBuilder,
    cache::{CacheKey, MemoryCache, TokenCache},
    credential::{Credential, CredentialSource},
    error::{Answer, BuildError, CredentialError, Error, ErrorCode, RateLimit},
    hooks::{Exchange, Hooks, Purpose},
    request::TokenRequest,
    retry::{Backoff, RetryStrategy},
    token::AccessToken,
};
use self::{
    breaker::Breaker,
    cache::{in_time, kept},
    endpoints::Endpoints,
    fetch::Want,
    flights::Flights,
    kinds::Kinds,
};
/// For introspection, which asks in the same way.
#[cfg(feature = "introspection")]
pub(crate) mod internals {
    pub(crate) use super::{
        breaker::Breaker,
        exchange::{Identity, post},
    };
}
use crate::{UnverifiedClaims, clock::Clock, transport::Link};

/// Gets access tokens by the client credentials grant (RFC 6749, section 4.4) and keeps them.
///
/// Cheap to clone; clones share everything. One client serves a whole program: however many callers
/// ask, one request is on its way for each kind of token.
///
/// A token is given out while it lives for the [threshold](TokenClientBuilder::threshold) at least.
/// Before that it is replaced in the background, so callers do not wait. When the server is in trouble,
/// a token is given out until it ends.
///
/// Its futures need the runtime of tokio.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use chancery_sdk::{Credential, TokenClient};
///
/// let client = TokenClient::builder()
///     .issuer("https://auth.example/t/acme")
///     .client_id("client_…")
///     .secret(Credential::file("/run/secrets/chancery"))
///     .audience("https://orders.example")
///     .build()?;
///
/// let token = client.get_token().await?;
/// # let _ =
/// http::Request::get("https://orders.example/orders")
///     .header("Authorization", format!("Bearer {}", token.reveal()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenClient(Arc<Inner>);

struct Inner {
    client_id: String,
    auth: ClientAuth,
    endpoints: Endpoints,
    link: Link,
    clock: Arc<dyn Clock>,
    cache: Arc<dyn TokenCache>,
    retry: Arc<dyn RetryStrategy>,
    hooks: Arc<dyn Hooks>,
    breaker: Breaker,
    flights: Arc<Flights>,
    kinds: Kinds,
    defaults: Arc<(TokenRequest, CacheKey)>,
    threshold: Duration,
    refresh_ahead: Duration,
    fallback_after: Duration,
    renewal_interval: Duration,
    timeout: Duration,
}

impl TokenClient {
    /// Begins to build a client.
    pub fn builder() -> TokenClientBuilder {
        TokenClientBuilder::default()
    }

    /// A token for what the client was built for: from the cache while it lives for the threshold,
    /// else from the server.
    pub async fn get_token(&self) -> Result<AccessToken, Error> {
        let wanted = Arc::clone(&self.0.defaults);
        self.obtain(&wanted, self.0.threshold, Duration::ZERO).await
    }

    /// A token for something else. What the request leaves out is what the client was built for.
    pub async fn get_token_for(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let wanted = self.wanted(request);
        self.obtain(&wanted, self.0.threshold, Duration::ZERO).await
    }

    /// A token that lives for so long at least, for work that takes a while; or, where the server's
    /// tokens do not live for twice as long, one with half of its life ahead. While the server is in trouble
    /// and no such token is here, the answer is an error, where [`get_token`](Self::get_token) gives out what
    /// is left.
    pub async fn valid_token(&self, life: Duration) -> Result<AccessToken, Error> {
        let wanted = Arc::clone(&self.0.defaults);
        self.obtain(&wanted, life.max(self.0.threshold), life).await
    }

    /// The token that is kept for this, if it has not expired. Never asks the server.
    pub async fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        let now = self.0.clock.now();
        let token = self.kept(&self.wanted(request).1).await?;
        (!token.is_expired_at(now)).then_some(token)
    }

    /// Whether the token that is kept for what the client was built for ends within this time, or none
    /// is kept.
    pub async fn is_expired(&self, threshold: Duration) -> bool {
        let token = self.kept(&self.0.defaults.1).await;
        !token.is_some_and(|token| token.lives(self.0.clock.now(), threshold))
    }

    /// Forgets every token of this client. Others in a cache that it shares with them keep theirs.
    pub async fn clear_cache(&self) {
        for key in self.0.kinds.all() {
            self.0.cache.remove(&key).await;
        }
    }

    /// What a token says of itself, unverified. `None` if it is no JWT: tokens may be opaque.
    pub fn parse_token(token: &AccessToken) -> Option<UnverifiedClaims> {
        UnverifiedClaims::of(token.reveal())
    }

    /// A new token in the place of one that an API has refused with 401, although it has not ended.
    ///
    /// If there is another one already, that is the answer; and a token of the same kind is replaced
    /// no more often than once in the [renewal
    /// interval](TokenClientBuilder::renewal_interval), so an API that refuses everybody does not make
    /// every call a request for a token: then the answer is the refused one.
    pub async fn renew(
        &self,
        request: &TokenRequest,
        refused: &AccessToken,
    ) -> Result<AccessToken, Error> {
        let wanted = self.wanted(request);
        if let Some(token) = self.kept(&wanted.1).await
            && !token.is(refused)
            && token.serves(self.0.clock.now(), self.0.threshold)
        {
            return Ok(token);
        }
        if !self.0.flights.may_renew(&wanted.1, self.0.renewal_interval) {
            return Ok(refused.clone());
        }
        self.join(&wanted, Want::Not(refused.clone()))?
            .outcome()
            .await
    }

    /// Revokes a token (RFC 7009) and forgets it, whichever it is of those that this client has asked for.
    ///
    /// # Errors
    /// As for asking for a token; and where the cache does not say in time that it has forgotten it.
    pub async fn revoke(&self, token: &AccessToken) -> Result<(), Error> {
        let result = self.0.revoke(token).await;
        let forgotten = in_time(Box::pin(self.forget(token))).await;
        result?;
        forgotten.ok_or_else(|| Error::Timeout {
            endpoint: "the cache of tokens".to_owned(),
            after: cache::PATIENCE,
        })
    }

    async fn forget(&self, token: &AccessToken) {
        for key in self.0.kinds.all() {
            if (self.0.cache.get(&key).await).is_some_and(|kept| kept.is(token)) {
                self.0.cache.remove(&key).await;
            }
        }
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    fn wanted(&self, request: &TokenRequest) -> Arc<(TokenRequest, CacheKey)> {
        if *request == TokenRequest::default() {
            return Arc::clone(&self.0.defaults);
        }
        let request = request.or(&self.0.defaults.0);
        let key = CacheKey::of(self.0.endpoints.name(), &self.0.client_id, &request);
        self.0.kinds.add(&key);
        Arc::new((request, key))
    }

    async fn kept(&self, key: &CacheKey) -> Option<AccessToken> {
        kept(&*self.0.cache, key).await
    }

    /// A token that lives for so long; and while the server is in trouble, one that lives for `least`.
    async fn obtain(
        &self,
        wanted: &Arc<(TokenRequest, CacheKey)>,
        life: Duration,
        least: Duration,
    ) -> Result<AccessToken, Error> {
        let inner = &self.0;
        let key = &wanted.1;
        let now = inner.clock.now();
        let kept = self
            .kept(key)
            .await
            .filter(|token| token.serves(now, least));
        let Some(kept) = kept else {
            return self.join(wanted, Want::Living(life))?.outcome().await;
        };
        let failed = inner.flights.failed_lately(key);
        if kept.serves(now, life) {
            let ahead = inner.refresh_ahead.min(kept.lifetime() / 4);
            if kept.is_due(now, inner.threshold, ahead) && failed.is_none() {
                // Nobody waits for it. What goes wrong is told to the hooks.
                let _ = self.join(wanted, Want::Not(kept.clone()));
            }
            return Ok(kept);
        }
        // A refusal is no outage: it is asked for again, or comes from memory.
        if failed.is_some_and(|error| is_trouble(&error)) {
            return Ok(kept);
        }
        let mut outcome = pin!(async { self.join(wanted, Want::Living(life))?.outcome().await });
        // What is kept is an answer for as long as it is good: not for a moment longer.
        let left = kept.time_to(now, least);
        let outcome = match tokio::time::timeout(inner.fallback_after.min(left), &mut outcome).await
        {
            Ok(outcome) => outcome,
            Err(_) if kept.serves(inner.clock.now(), least) => return Ok(kept),
            Err(_) => outcome.await,
        };
        match outcome {
            Err(error) if is_trouble(&error) && kept.serves(inner.clock.now(), least) => Ok(kept),
            outcome => outcome,
        }
    }

    fn join(
        &self,
        wanted: &Arc<(TokenRequest, CacheKey)>,
        want: Want,
    ) -> Result<flights::Seat, Error> {
        self.0.flights.join(&wanted.1, || {
            let inner = Arc::clone(&self.0);
            let wanted = Arc::clone(wanted);
            async move { inner.fetch(&wanted.0, &wanted.1, &want).await }
        })
    }
}

/// Whether a token that still lives is better than this. A refusal is the server's word, and is not got round.
fn is_trouble(error: &Error) -> bool {
    error.is_retryable() || error.is_of_another()
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient")
            .field("server", &self.0.endpoints.name())
            .field("client_id", &self.0.client_id)
            .field("defaults", &self.0.defaults.0)
            .finish_non_exhaustive()
    }
}
