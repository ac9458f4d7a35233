use std::{fmt, time::Duration};

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

    /// A token came.
    fn on_response(&self, exchange: &Exchange<'_>, elapsed: Duration) {
        let _ = (exchange, elapsed);
    }

    /// A request brought no token. It may be sent again.
    fn on_error(&self, exchange: &Exchange<'_>, error: &Error) {
        let _ = (exchange, error);
    }
}

/// One request for a token.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// Where it goes; the issuer while its token endpoint is not known.
    pub endpoint: &'a str,
    /// Whose request it is.
    pub client_id: &'a str,
    /// What is asked for.
    pub key: &'a CacheKey,
    /// Which attempt it is, from 1 on.
    pub attempt: u32,
}

/// Nobody listens.
#[derive(Debug)]
pub(super) struct NoHooks;

impl Hooks for NoHooks {}
