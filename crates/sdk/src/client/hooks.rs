use std::{fmt, sync::Arc, time::Duration};

use super::{CacheKey, Error};

/// What happens between a client and its server, for logs and metrics.
///
/// No event holds a secret or a token. The methods are called where the request is made: do not block.
///
/// ```
/// use std::time::Duration;
/// use chancery_sdk::{Exchange, Hooks};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Hooks for Log {
///     fn on_error(&self, exchange: &Exchange<'_>, error: &chancery_sdk::Error, elapsed: Duration) {
///         let Exchange { endpoint, attempt, .. } = exchange;
///         eprintln!("attempt {attempt} at {endpoint}, after {elapsed:?}: {error}");
///     }
/// }
/// ```
pub trait Hooks: fmt::Debug + Send + Sync + 'static {
    /// A request is about to be sent.
    fn on_request(&self, exchange: &Exchange<'_>) {
        let _ = exchange;
    }

    /// The server did what it was asked for: a token came, or one is revoked. `elapsed` is how long the
    /// request took.
    fn on_response(&self, exchange: &Exchange<'_>, elapsed: Duration) {
        let _ = (exchange, elapsed);
    }

    /// It did not, or could not be asked, since there is no credential. It may be asked again. `elapsed` is how
    /// long the request took; and where none was sent, what came before it.
    fn on_error(&self, exchange: &Exchange<'_>, error: &Error, elapsed: Duration) {
        let _ = (exchange, error, elapsed);
    }
}

/// Shared by several clients.
impl<H: Hooks + ?Sized> Hooks for Arc<H> {
    fn on_request(&self, exchange: &Exchange<'_>) {
        (**self).on_request(exchange);
    }

    fn on_response(&self, exchange: &Exchange<'_>, elapsed: Duration) {
        (**self).on_response(exchange, elapsed);
    }

    fn on_error(&self, exchange: &Exchange<'_>, error: &Error, elapsed: Duration) {
        (**self).on_error(exchange, error, elapsed);
    }
}

/// One request to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// Where it goes; the issuer while its endpoint is not known.
    pub endpoint: &'a str,
    /// Whose request it is.
    pub client_id: &'a str,
    /// What is asked for.
    pub purpose: Purpose<'a>,
    /// Which attempt it is, from 1 on.
    pub attempt: u32,
}

impl<'a> Exchange<'a> {
    /// The first attempt of a client at this endpoint. Clients make them; tests of [`Hooks`] do, too.
    pub fn new(endpoint: &'a str, client_id: &'a str, purpose: Purpose<'a>) -> Self {
        Self {
            endpoint,
            client_id,
            purpose,
            attempt: 1,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose<'a> {
    /// A token of this kind.
    Token(&'a CacheKey),
    /// To revoke a token.
    Revocation,
}

/// Nobody listens.
#[derive(Debug)]
pub(super) struct NoHooks;

impl Hooks for NoHooks {}
