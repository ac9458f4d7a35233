#![doc = include_str!("../README.md")]

pub mod access;
pub mod access_at;
pub mod agenda;
pub mod aggregate;
pub mod api;
pub mod change;
pub mod client;
pub mod command;
pub mod credential;
pub mod envelope;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod id;
pub mod json;
pub mod key_ring;
pub mod refusal;
pub mod secret_rotation;
pub mod stream;
pub mod tenant;
pub mod time;
pub mod value;

pub use aggregate::{Fold, Row, Stream};
pub use change::{ChangeSet, VaultRow};
pub use command::{Command, Order, ReadSet};
pub use credential::CredentialId;
pub use envelope::{Actor, Entry, Recorded};
pub use event::{DecodeError, Event};
pub use id::{
    ActivityId, ApiId, ClientId, CommandId, EventId, FamilyId, KeyId, SecretId, TenantId,
};
pub use refusal::Refusal;
pub use stream::{AggregateType, StreamId};
pub use time::{CLOCK_TOLERANCE, Clock, ClockFault, Timestamp};
pub use value::{Fault, Faults, Invalid};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
