use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    Backoff, BuildError, CacheKey, CircuitBreaker, ClientAuth, Credential, Hooks, Inner,
    MemoryCache, RetryStrategy, TokenCache, TokenClient, TokenRequest, breaker::Breaker,
    endpoints::Endpoints, fetch::AT_ONCE, hooks::NoHooks, kinds::Kinds,
};
use crate::{
    Scopes,
    clock::{Clock, SystemClock},
    endpoint::{Endpoint, UrlFault},
    metadata::Believed,
    transport::{Link, Transport, built_in},
};

/// Builds a [`TokenClient`]. Needed are an issuer or a token endpoint, the client's id, and how it
/// authenticates.
#[derive(Clone)]
#[must_use]
pub struct TokenClientBuilder {
    issuer: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    client_id: Option<String>,
    auth: Option<ClientAuth>,
    defaults: TokenRequest,
    threshold: Duration,
    refresh_ahead: Duration,
    fallback_after: Duration,
    renewal_interval: Duration,
    timeout: Duration,
    request_timeout: Duration,
    breaker: CircuitBreaker,
    retry: Option<Arc<dyn RetryStrategy>>,
    cache: Option<Arc<dyn TokenCache>>,
    hooks: Option<Arc<dyn Hooks>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    plain: bool,
}

/// What is the program's own is not shown: its `Debug` may be less careful than ours.
impl fmt::Debug for TokenClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClientBuilder")
            .field("issuer", &self.issuer)
            .field("token_endpoint", &self.token_endpoint)
            .field("client_id", &self.client_id)
            .field("auth", &self.auth)
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}

impl Default for TokenClientBuilder {
    fn default() -> Self {
        Self {
            issuer: None,
            token_endpoint: None,
            revocation_endpoint: None,
            client_id: None,
            auth: None,
            defaults: TokenRequest::new(),
            threshold: Duration::from_secs(30),
            refresh_ahead: Duration::from_mins(1),
            fallback_after: Duration::from_secs(2),
            renewal_interval: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            breaker: CircuitBreaker::default(),
            retry: None,
            cache: None,
            hooks: None,
            transport: None,
            clock: Arc::new(SystemClock),
            plain: false,
        }
    }
}

impl TokenClientBuilder {
    /// The issuer, whose metadata (RFC 8414) names the endpoints. Of Chancery it is
    /// `https://…/t/{tenant}`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The token endpoint, for a server without metadata, or to spare the request for it.
    pub fn token_endpoint(mut self, url: impl Into<String>) -> Self {
        self.token_endpoint = Some(url.into());
        self
    }

    /// The revocation endpoint, for a server without metadata.
    pub fn revocation_endpoint(mut self, url: impl Into<String>) -> Self {
        self.revocation_endpoint = Some(url.into());
        self
    }

    /// The client's id.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// The client's secret, sent by `client_secret_basic`. Short for
    /// `auth(ClientAuth::basic(secret))`.
    pub fn secret(self, secret: impl Into<Credential>) -> Self {
        self.auth(ClientAuth::basic(secret))
    }

    /// How the client authenticates.
    pub fn auth(mut self, auth: ClientAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// The scopes to ask for where a call names none.
    pub fn scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        self.defaults = self.defaults.scopes(scopes);
        self
    }

    /// The API to ask for where a call names none. Say it again for several.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.defaults = self.defaults.audience(audience);
        self
    }

    /// All that is asked for where a call says nothing else.
    pub fn defaults(mut self, request: TokenRequest) -> Self {
        self.defaults = request;
        self
    }

    /// How long a token must still live to be given out: as long as a call with it may take. The
    /// default is 30 s, and never more than half of the token's life.
    pub fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// From how long before the threshold on a token is replaced in the background, when it is asked
    /// for; by chance it is up to half of that later. The default is 60 s, and never more than a
    /// quarter of the token's life.
    pub fn refresh_ahead(mut self, ahead: Duration) -> Self {
        self.refresh_ahead = ahead;
        self
    }

    /// How long a caller waits for the server before it gets a token that has not ended yet, but lives
    /// for less than the threshold. The default is 2 s.
    pub fn fallback_after(mut self, wait: Duration) -> Self {
        self.fallback_after = wait;
        self
    }

    /// How often at most a token is replaced because an API refused it. The default is once in 5 s.
    pub fn renewal_interval(mut self, interval: Duration) -> Self {
        self.renewal_interval = interval;
        self
    }

    /// How long a request for a token, or to revoke one, may take in all, with all attempts and with
    /// whatever loads the credential. The default is 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long one request may take, and so long the credential's source. The default is 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Whether and when a request is sent again. The default is [`Backoff::default`].
    pub fn retry(mut self, strategy: impl RetryStrategy) -> Self {
        self.retry = Some(Arc::new(strategy));
        self
    }

    /// When the server is left alone because it fails.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.breaker = breaker;
        self
    }

    /// Where tokens are kept. The default is a [`MemoryCache`] of the client's own. Clients may share
    /// one: `Arc<YourCache>`.
    pub fn cache(mut self, cache: Arc<dyn TokenCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Who is told of requests, answers and errors, also of those of revocation.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks = Some(Arc::new(hooks));
        self
    }

    /// How requests reach the server. Clients may share one, and with it its connections.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Where the time of day comes from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sends the client's secret over plain HTTP to any machine. For a network that encrypts by itself.
    pub fn dangerously_allow_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// A [`BuildError`], where something is missing or a URL is not used.
    pub fn build(self) -> Result<TokenClient, BuildError> {
        let url = |what, fault: UrlFault| BuildError::Url { what, fault };
        let endpoint = |what, text: Option<&String>| {
            text.map(|text| Endpoint::parse(text, self.plain))
                .transpose()
                .map_err(|fault| url(what, fault))
        };
        let issuer = match &self.issuer {
            Some(text) => {
                let parsed =
                    Endpoint::issuer(text, self.plain).map_err(|fault| url("issuer", fault))?;
                Some(Believed::new(text.clone(), parsed))
            }
            None => None,
        };
        let token = endpoint("token endpoint", self.token_endpoint.as_ref())?;
        let revocation = endpoint("revocation endpoint", self.revocation_endpoint.as_ref())?;
        if issuer.is_none() && token.is_none() {
            return Err(BuildError::Missing("the issuer or the token endpoint"));
        }
        let client_id = self
            .client_id
            .filter(|id| !id.trim().is_empty())
            .ok_or(BuildError::Missing("the client's id"))?;
        if self.defaults.names_nothing() {
            return Err(BuildError::Missing("the name of an audience or a resource"));
        }
        let auth = self
            .auth
            .ok_or(BuildError::Missing("the client's secret or key"))?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => built_in()?,
        };
        let endpoints = Endpoints::new(issuer, token, revocation, self.plain);
        let key = CacheKey::of(endpoints.name(), &client_id, &self.defaults);
        let own_cache = || {
            let clock = Arc::clone(&self.clock);
            Arc::new(MemoryCache::with_clock(10_000, clock)) as Arc<dyn TokenCache>
        };
        Ok(TokenClient(Arc::new(Inner {
            client_id,
            auth,
            endpoints,
            link: Link::new(transport, self.request_timeout),
            cache: self.cache.unwrap_or_else(own_cache),
            clock: self.clock,
            retry: self.retry.unwrap_or_else(|| Arc::new(Backoff::default())),
            hooks: self.hooks.unwrap_or_else(|| Arc::new(NoHooks)),
            breaker: Breaker::new(self.breaker),
            flights: Arc::default(),
            at_once: Semaphore::new(AT_ONCE),
            kinds: Kinds::new(key.clone()),
            defaults: Arc::new((self.defaults, key)),
            threshold: self.threshold,
            refresh_ahead: self.refresh_ahead,
            fallback_after: self.fallback_after,
            renewal_interval: self.renewal_interval,
            timeout: self.timeout,
        })))
    }
}
