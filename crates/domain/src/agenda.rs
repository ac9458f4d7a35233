//! What time will do to an aggregate: when something of it ends or is due, and from when on that is to be
//! recorded. It follows from the aggregate's state alone.

use crate::{
    id::{KeyId, SecretId},
    time::Timestamp,
};

/// What ends or is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The client ends.
    ClientExpires,
    /// A secret's own end.
    SecretExpires(SecretId),
    /// A secret retires, since another took its place.
    SecretRetires(SecretId),
    /// The client's secret is to be rotated.
    SecretRotates,
    /// A signing key begins to sign.
    KeyActivates(KeyId),
    /// A signing key leaves the key set.
    KeyRetires(KeyId),
    /// A signing key is to be followed by another.
    KeyRotates(KeyId),
}

/// Something that ends or is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub what: What,
    /// Which of the client's secrets, or of the ring's keys, it is about; 0: none of them. What comes at one moment
    /// is in their order.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// From when on the steward has something to do about it. None: nothing any more.
    pub record_at: Option<Timestamp>,
}

impl Due {
    /// Something that is recorded when it comes about.
    pub(crate) fn when(what: What, at: Timestamp) -> Self {
        Self::of(what, 0, at)
    }

    /// The same, of the secret or key with this number.
    pub(crate) fn of(what: What, number: u32, at: Timestamp) -> Self {
        Self {
            what,
            number,
            at,
            record_at: Some(at),
        }
    }
}

/// When there will next be something to record.
#[cfg(test)]
pub(crate) fn next(agenda: &[Due]) -> Option<Timestamp> {
    agenda.iter().filter_map(|due| due.record_at).min()
}
