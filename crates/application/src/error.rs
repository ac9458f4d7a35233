use chancery_crypto::{HasherError, SealError, SigningKeyError};
use chancery_domain::{ClockFault, Faults, Refusal, Timestamp, value::ApiIdentifier};
use chancery_event_store::StoreError;

use crate::together::NotDone;

/// Why something was not done. Nothing has changed, except where [`Error::Unavailable`] says that it
/// is not known; then the same `commandId` finds out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may see this, but not do it.
    #[error("this needs the scope `{needs}`, which the token does not have")]
    Forbidden {
        /// The scope that would allow it.
        needs: &'static str,
    },
    /// The caller's client, credential or token has ended while the request was under way.
    #[error(
        "the access token is not good any more; get a new one from your tenant's token endpoint"
    )]
    CallerEnded,
    /// There is no such thing, or the caller may not see it.
    #[error("there is no such {what}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
    },
    /// The tenant, which the caller administers, has no API of this name.
    #[error("there is no API {0} in this tenant")]
    NoApi(ApiIdentifier),
    /// It is there now and was not there at the moment that was asked for.
    #[error("there was no such {what} at that moment; its first entry was recorded at {since}")]
    NotThen {
        /// The kind of thing.
        what: &'static str,
        /// From when on it is there.
        since: Timestamp,
    },
    /// Faulty input, every fault named.
    #[error("the input has faults; each is named in `faults`")]
    Invalid(Faults),
    /// A rule forbids it.
    #[error(transparent)]
    Refused(Refusal),
    /// A rule of access forbids it.
    #[error("{message}")]
    Guarded {
        /// The rule's name.
        rule: &'static str,
        /// The rule in words.
        message: &'static str,
    },
    /// A policy is not taken; and what it would have broken.
    #[error("{cause}")]
    Previewed {
        /// Why it is not.
        cause: Box<Error>,
        /// What it would have broken.
        preview: Box<crate::policy_preview::PolicyPreview>,
    },
    /// The same `commandId` came before with another input.
    #[error(
        "this commandId was used for another input in the last seven days; give another commandId"
    )]
    CommandReused,
    /// Others changed the same thing at the same time.
    #[error("others changed the same thing at the same moment; send the request again")]
    Conflict,
    /// It was changed after the version on which the caller decided.
    #[error(
        "the {what} was changed meanwhile: you expected version {expected}, and it has version {version}; read it again, and decide on what it is now"
    )]
    Changed {
        /// The kind of thing.
        what: &'static str,
        /// The version that was expected.
        expected: i64,
        /// The version that it has.
        version: i64,
    },
    /// The store cannot be reached, or a bounded pool is full.
    #[error("the server cannot do this now; try again in a moment with the same commandId")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A defect, or data that cannot be read.
    #[error("something went wrong inside the server; its log has the details under this trace")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether it was decided: the same command would be refused again, as things are now.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Unavailable(_) | Self::Internal(_))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound { what } => Self::NotFound { what },
            Refusal::Invalid(faults) => Self::Invalid(faults),
            refusal => Self::Refused(refusal),
        }
    }
}

/// A change that was not done, or of which that is not known.
impl From<NotDone> for Error {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Late | NotDone::Unknown => Self::Unavailable(Box::new(why)),
            NotDone::Lost => Self::Internal(Box::new(why)),
        }
    }
}

/// Nothing is decided by a clock that is wrong.
impl From<ClockFault> for Error {
    fn from(fault: ClockFault) -> Self {
        Self::Unavailable(Box::new(fault))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            // A binary that is older than the schema changes nothing until it is replaced.
            StoreError::Unavailable(_)
            | StoreError::SchemaNewer { .. }
            | StoreError::MasterKeyLeft { .. } => Self::Unavailable(Box::new(error)),
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<HasherError> for Error {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy => Self::Unavailable(Box::new(error)),
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<SigningKeyError> for Error {
    fn from(error: SigningKeyError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(Box::new(error))
    }
}
