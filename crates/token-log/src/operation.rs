//! What callers ask of the writer, and what they are told.

use chancery_domain::{ClientId, Timestamp};
use chancery_event_store::{Stamp, StoreError};

use crate::{activity::Entry, refresh::Change};

/// One thing to be recorded as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// The record.
    pub entry: Entry<'a>,
    /// The state of the tenant's roll that the decision stood on. Where the roll has moved since,
    /// nothing is recorded. `None`: the record does not depend on it.
    pub seen: Option<Stamp>,
    /// The assertion that the request authenticated with; where it was used before, nothing is
    /// recorded.
    pub assertion: Option<Assertion>,
    /// What it does to refresh tokens, or to tokens that live.
    pub change: Option<Change>,
}

impl<'a> Operation<'a> {
    /// A record that depends on nothing and does nothing else.
    pub fn of(entry: Entry<'a>) -> Self {
        Self {
            entry,
            seen: None,
            assertion: None,
            change: None,
        }
    }
}

/// An assertion's id, used up by its operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Whose.
    pub client: ClientId,
    /// Its `jti`, at most 128 characters and none of them U+0000.
    pub jti: String,
    /// How long it could come again: its `exp`, and whatever leeway is given.
    pub until: Timestamp,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is recorded, and durable.
    Recorded,
    /// Nothing is: the tenant's roll is at another place than the decision saw. `None`: there is
    /// no such tenant any more.
    HeadMoved(Option<Stamp>),
    /// Nothing is: the assertion's id was used before.
    AssertionUsed,
    /// Nothing is: the refresh token is not, or not any more, the latest of its family.
    RefreshUsed,
}

/// Why it is not known to be recorded, or what was recorded is not known. Whoever asks must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More is waiting to be written than may.
    #[error("too much is waiting to be recorded, try again later")]
    Busy,
    /// The store takes too long.
    #[error("the token log did not answer in time, try again later")]
    Slow,
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log was closed.
    #[error("the token log is closed")]
    Closed,
}

impl RecordError {
    /// Whether it may pass by itself: an outage does, damage and defects do not.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Busy | Self::Slow | Self::Closed | Self::Store(StoreError::Unavailable(_)) => {
                true
            }
            Self::Store(_) => false,
        }
    }
}
