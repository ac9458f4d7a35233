use std::{fmt, sync::Arc, time::Duration};

use super::{CacheKey, Error};

/// What happens between a client and its server, for logs and metrics.
///
/// No event holds a secret or a token. The methods are called where the request is made: do not block.
///
/// ```
/// use chancery_sdk::{Exchange, Hooks};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Hooks for Log {
///     fn on_error(&self, exchange: &Exchange<'_>, error: &chancery_sdk::Error) {
///         eprintln!("attempt {} at {}: {error}", exchange.attempt, exchange.endpoint);
///     }
/// }
/// ```
pub trait Hooks: fmt::Debug + Send + Sync + 'static {
    /// A request is about to be sent.
    fn on_request(&self, exchange: &Exchange<'_>) {
        let _ = exchange;
    }

    /// The server did what it was asked for: a token came, or one is revoked.
    fn on_response(&self, exchange: &Exchange<'_>, elapsed: Duration) {
        let _ = (exchange, elapsed);
    }

    /// It did not, or could not be asked, since there is no credential. It may be asked again.
    fn on_error(&self, exchange: &Exchange<'_>, error: &Error) {
        let _ = (exchange, error);
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

    fn on_error(&self, exchange: &Exchange<'_>, error: &Error) {
        (**self).on_error(exchange, error);
    }
}

/// One request to the server.
#[derive(Clone, Copy, Debug)]
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
