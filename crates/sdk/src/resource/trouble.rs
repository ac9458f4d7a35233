use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::metadata::DiscoveryError;

/// What keeps a verifier from its work. It is not the caller's fault, and the answer to a caller tells
/// little of it, so whoever runs the API should hear of it:
/// [`VerifierBuilder::on_error`](super::VerifierBuilder::on_error).
///
/// No text of it holds a secret or a token.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The keys of an issuer could not be fetched. Those that are known are used while they are not too
    /// old.
    #[error("the keys of {issuer} cannot be fetched: {fault}")]
    #[non_exhaustive]
    Keys {
        /// Whose keys.
        issuer: String,
        /// Why not.
        fault: KeysFault,
    },
    /// An issuer could not be asked about a token. Where the API's own credential is refused, the OAuth
    /// code of the error is `invalid_client`.
    #[cfg(feature = "introspection")]
    #[error("{issuer} cannot be asked about a token: {error}")]
    #[non_exhaustive]
    Introspection {
        /// Who was asked.
        issuer: String,
        /// Why it did not answer.
        error: crate::Error,
    },
    /// An issuer cannot be asked about a token, because no client is configured for that.
    #[cfg(feature = "introspection")]
    #[error("{issuer} cannot be asked about a token: no client is configured to ask it as")]
    #[non_exhaustive]
    NoClient {
        /// Who would be asked.
        issuer: String,
    },
}

/// Why the keys of an issuer could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysFault {
    /// The issuer's metadata, which say where they are, could not be used.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// No answer came.
    #[error("{url}: {what}")]
    #[non_exhaustive]
    Unreachable {
        /// The key set.
        url: String,
        /// What went wrong.
        what: String,
    },
    /// The answer is no key set.
    #[error("{url} answered {status}")]
    #[non_exhaustive]
    Status {
        /// The key set.
        url: String,
        /// The status of the answer.
        status: u16,
        /// `Retry-After`, if the answer had one.
        retry_after: Option<Duration>,
    },
    /// The key set cannot be read.
    #[error("{url} is not a key set: {what}")]
    #[non_exhaustive]
    Unreadable {
        /// The key set.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// The key set has no key that is of use: it is empty, or has keys for other algorithms alone.
    #[error("{url} has no key for an algorithm that is accepted")]
    #[non_exhaustive]
    NoKey {
        /// The key set.
        url: String,
    },
}

/// Who is told.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&Trouble) + Send + Sync>);

impl Listener {
    pub(super) fn new(hear: impl Fn(&Trouble) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Whoever panics there has told of it already, and shall not stop what is under way here.
    pub(crate) fn tell(&self, trouble: &Trouble) {
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(trouble)));
    }
}

impl Default for Listener {
    /// Nobody.
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(…)")
    }
}
