//! How requests reach the authorization server.

mod reqwest_transport;

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};

use reqwest_transport::ReqwestTransport;

/// The built-in transport, for builders to share: each that is given none makes one of its own, with its
/// own connections and its own copy of the trusted certificates.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chancery_sdk::{TokenClient, transport};
///
/// let connections = transport::built_in()?;
/// let acme = TokenClient::builder().transport(connections.clone());
/// let globex = TokenClient::builder().transport(connections);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Where TLS cannot be set up.
pub fn built_in() -> Result<Arc<dyn Transport>, TransportError> {
    Ok(Arc::new(ReqwestTransport::new()?))
}

/// A future in a box, as traits that are used as objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An error of somebody else.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The longest answer that is read, in bytes.
pub(crate) const LONGEST_ANSWER: usize = 1 << 20;

/// How requests reach the authorization server.
///
/// The built-in one is `reqwest`: TLS by rustls with the platform's certificates, no proxy, no
/// redirects. Give the builders one of your own for a proxy, for a client certificate or for a test:
/// `TestIssuer::transport` (feature `testing`) answers in memory.
///
/// It must not follow redirects, because requests carry secrets, and should read no more than a
/// mebibyte.
///
/// ```
/// use chancery_sdk::transport::{BoxFuture, Transport, TransportError};
///
/// /// Every request goes through a client with a proxy.
/// #[derive(Debug)]
/// struct ThroughProxy(reqwest::Client);
///
/// impl ThroughProxy {
///     fn new(proxy: reqwest::Proxy) -> reqwest::Result<Self> {
///         let client = reqwest::Client::builder().proxy(proxy);
///         // Or whoever answers with one gets the secret.
///         let client = client.redirect(reqwest::redirect::Policy::none());
///         client.build().map(Self)
///     }
/// }
///
/// impl Transport for ThroughProxy {
///     fn send(
///         &self,
///         request: http::Request<bytes::Bytes>,
///     ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>> {
///         Box::pin(async move {
///             let request = reqwest::Request::try_from(request).map_err(TransportError::new)?;
///             let mut answer = self.0.execute(request).await.map_err(TransportError::new)?;
///             let mut body = bytes::BytesMut::new();
///             while let Some(chunk) = answer.chunk().await.map_err(TransportError::new)? {
///                 if body.len() + chunk.len() > 1 << 20 {
///                     return Err(TransportError::new("the answer is too long"));
///                 }
///                 body.extend_from_slice(&chunk);
///             }
///             let mut response = http::Response::new(body.freeze());
///             *response.status_mut() = answer.status();
///             *response.headers_mut() = answer.headers().clone();
///             Ok(response)
///         })
///     }
/// }
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request and reads the whole answer, whatever its status is.
    ///
    /// Whoever calls this drops the future when it takes too long.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

/// Why no answer came: no connection, no name, no trust in the certificate, a connection that broke.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", chain(.0.as_ref()))]
pub struct TransportError(Arc<dyn StdError + Send + Sync>);

impl TransportError {
    /// Wraps the cause. It must hold no secret: its text reaches errors and hooks.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

/// An error with all its causes: the outermost alone is often just "error sending request".
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A transport with the longest time that one exchange may take.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    transport: Arc<dyn Transport>,
    timeout: Duration,
}

/// Why an exchange brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl Link {
    pub(crate) fn new(transport: Arc<dyn Transport>, timeout: Duration) -> Self {
        Self { transport, timeout }
    }

    #[cfg(feature = "client")]
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same with another time.
    #[cfg(feature = "introspection")]
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self::new(Arc::clone(&self.transport), timeout)
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, LinkError> {
        match tokio::time::timeout(self.timeout, self.transport.send(request)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(LinkError::Timeout(self.timeout)),
        }
    }

    /// Asks for a JSON document.
    pub(crate) async fn get(
        &self,
        url: &str,
        etag: Option<&http::HeaderValue>,
    ) -> Result<Response<Bytes>, LinkError> {
        let mut request = Request::get(url).header(http::header::ACCEPT, "application/json");
        if let Some(etag) = etag {
            request = request.header(http::header::IF_NONE_MATCH, etag);
        }
        let request = request.body(Bytes::new()).map_err(TransportError::new)?;
        self.send(request).await
    }
}

/// What is shown of a server's texts.
const LONGEST_TEXT: usize = 500;

/// A server's text, without what could disturb a terminal or a log.
pub(crate) fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).take(LONGEST_TEXT).collect()
}

/// No server is left alone for longer than this at its own word: a page of a maintenance that is over says an
/// hour as easily as a minute. Then one request tries.
#[cfg(any(feature = "client", feature = "resource-server"))]
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// More than this says nothing more, and is added to the time of day by whoever reads it.
const LONGEST_TOLD: Duration = Duration::from_hours(24);

/// `Retry-After` (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &http::HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let told = Duration::from_secs(text.parse().unwrap_or(u64::MAX));
        return Some(told.min(LONGEST_TOLD));
    }
    // A date is as good as the two clocks agree; one that has passed means now.
    let date = httpdate::parse_http_date(text).ok()?;
    let told = date.duration_since(now).unwrap_or_default();
    Some(told.min(LONGEST_TOLD))
}
