use std::{fmt, sync::Arc, time::Duration};

use crate::{endpoint::UrlFault, metadata::DiscoveryError, transport::TransportError};

/// Why there is no token.
///
/// Each says what happened, with its cause, which is therefore not its `source` as well;
/// [`is_retryable`](Self::is_retryable) says whether asking again later may help. No text of it holds a
/// secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused, by a status from 400 to 499 (RFC 6749, section 5.2): the request, the
    /// credential or the grants have to change.
    #[error("the authorization server refused: {0}")]
    Refused(Box<Answer>),
    /// Too many requests (429).
    #[error("the authorization server is limiting requests: {0}")]
    RateLimited(Box<Answer>),
    /// The server is not able to answer now, by a status from 500 on.
    #[error("the authorization server failed: {0}")]
    Unavailable(Box<Answer>),
    /// The server cannot be reached.
    #[error("{endpoint} cannot be reached: {fault}")]
    #[non_exhaustive]
    Unreachable {
        /// Where the request went.
        endpoint: String,
        /// What went wrong.
        fault: TransportError,
    },
    /// No answer came in time.
    #[error("no answer from {endpoint} within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// Where the request went.
        endpoint: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server is not asked now, because it failed too often or said when to come back.
    #[error("the authorization server is not asked for another {retry_in:?}, since: {cause}")]
    #[non_exhaustive]
    Paused {
        /// When it will be asked again.
        retry_in: Duration,
        /// What happened last.
        cause: Box<Error>,
    },
    /// This client has as many requests on their way as it may, and none of them came to its end in time. Nobody
    /// was asked.
    #[error(
        "the authorization server was not asked: {requests} requests of this client are on their way already"
    )]
    #[non_exhaustive]
    Busy {
        /// How many.
        requests: usize,
    },
    /// The issuer's metadata could not be used.
    #[error("the issuer's metadata cannot be used: {0}")]
    Discovery(DiscoveryError),
    /// The credential could not be loaded or is of no use.
    #[error("the client's credential cannot be used: {0}")]
    Credential(CredentialError),
    /// The server granted a token in a way that cannot be read.
    #[error("the answer of {endpoint} cannot be read: {what}")]
    #[non_exhaustive]
    Unreadable {
        /// Where the request went.
        endpoint: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// What was asked for cannot be asked of anybody, as the client or the verifier is configured.
    #[error("nobody can be asked, as it is configured: {0}")]
    Configuration(String),
    /// The request did not come to its end: the runtime was shut down, or a transport, a cache or a source of
    /// credentials of the program's own panicked.
    #[error(
        "the request was given up: the runtime is shutting down, or what the client was given panicked"
    )]
    Interrupted,
}

impl Error {
    /// That the server cannot be reached there. Clients make it; tests of a strategy or of hooks do, too.
    pub fn unreachable(endpoint: impl Into<String>, fault: TransportError) -> Self {
        Self::Unreachable {
            endpoint: endpoint.into(),
            fault,
        }
    }

    /// That no answer came from there in so long. Clients make it; tests of a strategy or of hooks do, too.
    pub fn timeout(endpoint: impl Into<String>, after: Duration) -> Self {
        Self::Timeout {
            endpoint: endpoint.into(),
            after,
        }
    }

    pub(crate) fn unreadable(endpoint: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unreadable {
            endpoint: endpoint.into(),
            what: what.into(),
        }
    }

    /// What the server answered, if it did.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Refused(answer) | Self::RateLimited(answer) | Self::Unavailable(answer) => {
                Some(answer)
            }
            Self::Paused { cause, .. } => cause.answer(),
            _ => None,
        }
    }

    /// The OAuth error code, if the server sent one.
    pub fn code(&self) -> Option<&ErrorCode> {
        self.answer()?.code.as_ref()
    }

    /// The HTTP status, if the server answered.
    pub fn status(&self) -> Option<u16> {
        Some(self.answer()?.status)
    }

    /// Where the client stands against the server's limit, if the server said so.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.answer()?.rate_limit
    }

    /// How long to wait before asking again, if anybody said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Paused { retry_in, .. } => Some(*retry_in),
            Self::Discovery(DiscoveryError::Absent { retry_after, .. }) => *retry_after,
            error => error.answer()?.retry_after,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited(_)
            | Self::Unavailable(_)
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Paused { .. }
            | Self::Busy { .. } => true,
            Self::Refused(answer) => answer.status == 408 || answer.status == 425,
            Self::Discovery(error) => error.is_retryable(),
            // The file or the vault may be back soon.
            Self::Credential(error) => matches!(error, CredentialError::NotLoaded(_)),
            Self::Unreadable { .. } | Self::Configuration(_) | Self::Interrupted => false,
        }
    }

    /// Whether the server does not know the client or its credential (any more).
    pub(crate) fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Refused(answer)
            if answer.code == Some(ErrorCode::InvalidClient)
                || (answer.code.is_none() && answer.status == 401))
    }

    /// Whether it looks as if somebody else had answered than the authorization server: a proxy with a page
    /// for people, an ingress that does not know the way just now, a firewall.
    pub(crate) fn is_of_another(&self) -> bool {
        match self {
            Self::Refused(answer) => answer.code.is_none() && answer.status != 401,
            Self::Discovery(error) => error.is_of_another(),
            Self::Unreadable { .. } => true,
            _ => false,
        }
    }

    /// Whether what is known already is better than this: a token that still lives, a signature that is good. A
    /// refusal is the server's word, and is not got round.
    pub(crate) fn is_trouble(&self) -> bool {
        self.is_retryable() || self.is_of_another()
    }

    /// Whether the server answers this client no more for now, because it asked too often.
    #[cfg(feature = "introspection")]
    pub(crate) fn is_of_a_limit(&self) -> bool {
        match self {
            Self::RateLimited(_) => true,
            Self::Discovery(DiscoveryError::Absent { status, .. }) => *status == 429,
            Self::Paused { cause, .. } => cause.is_of_a_limit(),
            _ => false,
        }
    }

    /// Whether the server is in trouble, rather than the request or the credential.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Discovery(DiscoveryError::Absent { status: 429, .. }) => false,
            Self::Discovery(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// What an answer means that grants no token, by its status.
impl From<Answer> for Error {
    fn from(answer: Answer) -> Self {
        let answer = Box::new(answer);
        match answer.status {
            429 => Self::RateLimited(answer),
            500.. => Self::Unavailable(answer),
            _ => Self::Refused(answer),
        }
    }
}

impl From<DiscoveryError> for Error {
    fn from(fault: DiscoveryError) -> Self {
        Self::Discovery(fault)
    }
}

impl From<CredentialError> for Error {
    fn from(fault: CredentialError) -> Self {
        Self::Credential(fault)
    }
}

/// An answer that grants no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth error code (RFC 6749, section 5.2), if the answer had one.
    pub code: Option<ErrorCode>,
    /// What the server says about it.
    pub description: Option<String>,
    /// A page that explains it.
    pub uri: Option<String>,
    /// `Retry-After`, whether it came as seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The `x-ratelimit-…` headers.
    pub rate_limit: Option<RateLimit>,
    /// The id of the W3C trace under which the server logged the request.
    pub trace_id: Option<String>,
}

impl Answer {
    /// An answer with this status, and nothing else that is known of it. What else there is can be set: its
    /// members are public.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use chancery_sdk::{Answer, Backoff, Error, RetryStrategy};
    ///
    /// let mut answer = Answer::new(429);
    /// answer.retry_after = Some(Duration::from_secs(60));
    /// let error = Error::from(answer);
    /// assert!(Backoff::default().pause(1, &error).is_some());
    /// ```
    pub fn new(status: u16) -> Self {
        Self {
            status,
            code: None,
            description: None,
            uri: None,
            retry_after: None,
            rate_limit: None,
            trace_id: None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}")?,
            None => write!(f, "status {}", self.status)?,
        }
        if let Some(description) = &self.description {
            write!(f, " ({description})")?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", try again in {wait:?}")?;
        }
        if let Some(trace) = &self.trace_id {
            write!(f, ", trace {trace}")?;
        }
        Ok(())
    }
}

/// Where a client stands against the server's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How many requests a window has room for.
    pub limit: u64,
    /// How many are left in this one.
    pub remaining: u64,
    /// When the next one begins, in Unix seconds.
    pub reset: u64,
}

impl RateLimit {
    /// Where a client stands that has so many requests left of so many, until this moment in Unix seconds.
    pub fn new(limit: u64, remaining: u64, reset: u64) -> Self {
        Self {
            limit,
            remaining,
            reset,
        }
    }
}

/// An OAuth error code (RFC 6749, section 5.2, and its registry).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A parameter is missing, malformed or repeated.
    InvalidRequest,
    /// The client is unknown, its credential wrong, or it may not authenticate now.
    InvalidClient,
    /// The grant is unknown, expired or revoked.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The server does not have this grant.
    UnsupportedGrantType,
    /// A scope is unknown or not granted.
    InvalidScope,
    /// An audience is unknown or not granted (RFC 8707).
    InvalidTarget,
    /// Over a limit.
    RateLimitExceeded,
    /// Try again later.
    TemporarilyUnavailable,
    /// A defect of the server.
    ServerError,
    /// The server does not revoke tokens of this type (RFC 7009).
    UnsupportedTokenType,
    /// Any other code.
    Other(String),
}

impl ErrorCode {
    /// The code as it is on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::Other(code) => code,
        }
    }
}

impl From<&str> for ErrorCode {
    fn from(code: &str) -> Self {
        let known = [
            Self::InvalidRequest,
            Self::InvalidClient,
            Self::InvalidGrant,
            Self::UnauthorizedClient,
            Self::UnsupportedGrantType,
            Self::InvalidScope,
            Self::InvalidTarget,
            Self::RateLimitExceeded,
            Self::TemporarilyUnavailable,
            Self::ServerError,
            Self::UnsupportedTokenType,
        ];
        known
            .into_iter()
            .find(|known| known.as_str() == code)
            .unwrap_or_else(|| Self::Other(code.to_owned()))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a credential is of no use.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Its source failed.
    #[error("{}", crate::transport::chain(.0.as_ref()))]
    NotLoaded(Arc<dyn std::error::Error + Send + Sync>),
    /// Its source gave an empty text.
    #[error("it is empty")]
    Empty,
    /// It is not a private key that can sign, in PEM or as a JWK.
    #[error(
        "it is not a private key, in PEM or as a JWK, of P-256, P-384, Ed25519 or RSA with at least 2048 bits; or its JWK names another algorithm than ES256, ES384, EdDSA, RS256 or PS256, or one that is not of its kind"
    )]
    NotAKey,
}

/// Why a client cannot be built.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Something that is needed was not given.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A URL is not used.
    #[error("the {what} is not used: {fault}")]
    #[non_exhaustive]
    Url {
        /// Which one.
        what: &'static str,
        /// Why not.
        fault: UrlFault,
    },
    /// The built-in HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Transport(TransportError),
}

impl From<TransportError> for BuildError {
    fn from(fault: TransportError) -> Self {
        Self::Transport(fault)
    }
}
