#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

mod alike;
mod client_entry;
mod directory;
mod entry;
mod fill;
mod line;
mod seen;
mod sorted;
mod stamped;
mod verified;
mod worked_out;

pub use alike::Alike;
pub use client_entry::{ClientEntry, Grants, KeyEntry, SecretEntry};
pub use directory::{Capacity, Directory, Unavailable};
pub use entry::{Apis, Keys, PublishedKey, TenantEntry};
pub use seen::Seen;
pub use sorted::Sorted;
pub use worked_out::WorkedOut;

/// Which state of a tenant's roll an entry is of.
pub use chancery_event_store::Stamp;
