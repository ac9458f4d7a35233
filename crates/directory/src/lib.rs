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

mod directory;
mod entry;
mod fill;
mod line;
mod seen;
mod stamped;
mod verified;
mod worked_out;

pub use directory::{Capacity, Directory, Unavailable};
pub use entry::{Apis, ClientEntry, Keys, PublishedKey, TenantEntry};
pub use seen::Seen;
pub use worked_out::WorkedOut;

/// Which state of a tenant's roll an entry is of.
pub use chancery_event_store::Stamp;
