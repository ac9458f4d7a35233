//! Tokens in the requests of `reqwest-middleware`.

use std::collections::BTreeSet;

use http::{Extensions, HeaderValue, StatusCode, header::AUTHORIZATION};
use reqwest_middleware::{
    Error, Middleware, Next, Result,
    reqwest::{Request, Response, Url},
};

use crate::{AccessToken, TokenClient, TokenRequest, UrlFault, endpoint::is_loopback};

/// Puts a token into every request; and when the answer is 401, gets another token and tries once more.
///
/// A request that has an `Authorization` header already is left alone. A request whose body is a
/// stream is not sent twice.
///
/// ```
/// use chancery_sdk::{TokenClient, middleware::BearerToken};
/// use reqwest_middleware::ClientBuilder;
///
/// # fn example(tokens: TokenClient) -> Result<(), Box<dyn std::error::Error>> {
/// let http = ClientBuilder::new(reqwest::Client::new())
///     .with(BearerToken::new(tokens).only_for(["https://orders.example"])?)
///     .build();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BearerToken {
    tokens: TokenClient,
    request: TokenRequest,
    /// Nowhere else, once it is said; nowhere at all, where nobody is named.
    origins: Option<BTreeSet<String>>,
    everywhere: bool,
    plain: bool,
}

/// A middleware was not told which servers its token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody has said to which servers the token may go: say `only_for`")]
struct NoServers;

impl BearerToken {
    /// Uses tokens for what the client was built for, at the servers that are named by
    /// [`only_for`](Self::only_for); before they are, requests fail.
    pub fn new(tokens: TokenClient) -> Self {
        Self {
            tokens,
            request: TokenRequest::new(),
            origins: None,
            everywhere: false,
            plain: false,
        }
    }

    /// Uses tokens for something else.
    #[must_use]
    pub fn with_request(mut self, request: TokenRequest) -> Self {
        self.request = request;
        self
    }

    /// Puts tokens only into requests to these servers: scheme, host and port of each URL. Said again, it
    /// adds to them. An empty list, as from a configuration that names nobody, lets the token go nowhere.
    ///
    /// Whoever gets a token can use it. For the same reason it goes over TLS or to this machine, unless [that is lifted](Self::dangerously_allow_http)
    /// before.
    pub fn only_for<U: AsRef<str>>(
        mut self,
        urls: impl IntoIterator<Item = U>,
    ) -> std::result::Result<Self, UrlFault> {
        let origins = self.origins.get_or_insert_default();
        for url in urls {
            let url = Url::parse(url.as_ref())
                .map_err(|error| UrlFault::Unreadable(error.to_string()))?;
            if !matches!(url.scheme(), "https" | "http") {
                return Err(UrlFault::Scheme);
            }
            if !self.plain && is_plain(&url) {
                return Err(UrlFault::Plain);
            }
            origins.insert(origin(&url));
        }
        Ok(self)
    }

    /// Puts tokens into requests to every server, where none is [named](Self::only_for). For an HTTP client that talks
    /// to nobody else, whatever URL it is given and by whom.
    #[must_use]
    pub fn dangerously_everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// Puts tokens into requests over plain HTTP to any machine: whoever is in between can use them. For a
    /// network that encrypts by itself.
    #[must_use]
    pub fn dangerously_allow_http(mut self) -> Self {
        self.plain = true;
        self
    }

    fn is_for(&self, request: &Request) -> Result<bool> {
        if request.headers().contains_key(AUTHORIZATION) {
            return Ok(false);
        }
        match &self.origins {
            Some(origins) => Ok(origins.contains(&origin(request.url()))),
            None if self.everywhere => Ok(true),
            None => Err(Error::middleware(NoServers)),
        }
    }
}

#[async_trait::async_trait]
impl Middleware for BearerToken {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        if !self.is_for(&request)? {
            return next.run(request, extensions).await;
        }
        if !self.plain && is_plain(request.url()) {
            return Err(Error::middleware(UrlFault::Plain));
        }
        let again = request.try_clone();
        let token = self
            .tokens
            .get_token_for(&self.request)
            .await
            .map_err(Error::middleware)?;
        put(&token, &mut request);
        let response = next.clone().run(request, extensions).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // Also where this request cannot be sent again: the next one is to go well.
        let renewed = self.tokens.renew_for(&self.request, &token);
        let renewed = tokio::time::timeout(self.tokens.fallback_after(), renewed).await;
        // The API's answer says more than that there is no other token, and is not held back for long.
        match (again, renewed) {
            (Some(mut again), Ok(Ok(other))) if other.reveal() != token.reveal() => {
                put(&other, &mut again);
                next.run(again, extensions).await
            }
            _ => Ok(response),
        }
    }
}

fn put(token: &AccessToken, request: &mut Request) {
    // A token has been checked to be visible ASCII, unless it came from a cache that damaged it: then
    // the API refuses the request.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.reveal())) {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
}

/// Whether somebody in between could read the request.
fn is_plain(url: &Url) -> bool {
    url.scheme() != "https" && !is_loopback(url)
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
