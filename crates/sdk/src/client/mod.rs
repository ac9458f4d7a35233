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
mod obtain;
mod request;
mod retry;
mod token;

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

pub use self::{
    auth::ClientAuth,
    breaker::CircuitBreaker,
    builder::TokenClientBuilder,
    cache::{CacheKey, MemoryCache, TokenCache},
    credential::{Credential, CredentialSource},
    error::{Answer, BuildError, CredentialError, Error, ErrorCode, RateLimit},
    hooks::{Exchange, Hooks, Purpose},
    request::{ReservedParameter, TokenRequest},
    retry::{Backoff, RetryStrategy},
    token::AccessToken,
};
use self::{
    breaker::Breaker, cache::in_time, endpoints::Endpoints, flights::Flights, kinds::Kinds,
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
/// Its futures need the runtime of tokio. They may be dropped at any moment: what they began goes on by itself, and
/// is there for whoever asks next.
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
    at_once: Semaphore,
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
    ///
    /// # Errors
    /// An [`Error`], where the server gave no token in time, and none is here that still lives and may be given
    /// out in its place: what the server has refused is refused.
    pub async fn get_token(&self) -> Result<AccessToken, Error> {
        let wanted = Arc::clone(&self.0.defaults);
        self.obtain(&wanted, self.0.threshold, Duration::ZERO).await
    }

    /// A token for something else. What the request leaves out is what the client was built for.
    ///
    /// # Errors
    /// As [`get_token`](Self::get_token).
    pub async fn get_token_for(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let wanted = self.wanted(request);
        self.obtain(&wanted, self.0.threshold, Duration::ZERO).await
    }

    /// A token that lives for so long at least, for work that takes a while; or, where the server's
    /// tokens do not live for twice as long, one with half of its life ahead. While the server is in trouble
    /// and no such token is here, the answer is an error, where [`get_token`](Self::get_token) gives out what
    /// is left.
    ///
    /// # Errors
    /// An [`Error`], where the server gave no token in time.
    pub async fn valid_token(&self, life: Duration) -> Result<AccessToken, Error> {
        let wanted = Arc::clone(&self.0.defaults);
        self.obtain(&wanted, life.max(self.0.threshold), life).await
    }

    /// The same for something else.
    ///
    /// # Errors
    /// As [`valid_token`](Self::valid_token).
    pub async fn valid_token_for(
        &self,
        request: &TokenRequest,
        life: Duration,
    ) -> Result<AccessToken, Error> {
        let wanted = self.wanted(request);
        self.obtain(&wanted, life.max(self.0.threshold), life).await
    }

    /// The token that is kept for what the client was built for, if it has not expired. Never asks the server.
    pub async fn cached_token(&self) -> Option<AccessToken> {
        self.living(&self.0.defaults.1).await
    }

    /// The same for something else.
    pub async fn cached_token_for(&self, request: &TokenRequest) -> Option<AccessToken> {
        self.living(&self.wanted(request).1).await
    }

    /// Whether the token that is kept for what the client was built for ends within this time, or none
    /// is kept. Never asks the server.
    pub async fn is_expired(&self, threshold: Duration) -> bool {
        !self.is_kept(&self.0.defaults.1, threshold).await
    }

    /// The same for something else.
    pub async fn is_expired_for(&self, request: &TokenRequest, threshold: Duration) -> bool {
        !self.is_kept(&self.wanted(request).1, threshold).await
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
    ///
    /// # Errors
    /// An [`Error`], where the server gave no token in time.
    pub async fn renew(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        let wanted = Arc::clone(&self.0.defaults);
        self.replace(&wanted, refused).await
    }

    /// The same for something else.
    ///
    /// # Errors
    /// As [`renew`](Self::renew).
    pub async fn renew_for(
        &self,
        request: &TokenRequest,
        refused: &AccessToken,
    ) -> Result<AccessToken, Error> {
        let wanted = self.wanted(request);
        self.replace(&wanted, refused).await
    }

    /// Revokes a token (RFC 7009) and forgets it, whichever it is of those that this client has asked for.
    ///
    /// # Errors
    /// As for asking for a token; and where the cache does not say in time that it has forgotten it.
    pub async fn revoke(&self, token: &AccessToken) -> Result<(), Error> {
        let result = self.0.revoke(token).await;
        let forgotten = in_time(Box::pin(self.forget(token))).await;
        result?;
        forgotten.ok_or_else(|| Error::timeout("the cache of tokens", cache::PATIENCE))
    }

    async fn forget(&self, token: &AccessToken) {
        for key in self.0.kinds.all() {
            if (self.0.cache.get(&key).await).is_some_and(|kept| kept.is(token)) {
                self.0.cache.remove(&key).await;
            }
        }
    }

    /// For how long an answer that is here is held back for a better one.
    #[cfg(feature = "middleware")]
    pub(crate) fn fallback_after(&self) -> Duration {
        self.0.fallback_after
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }
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
