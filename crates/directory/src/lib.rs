#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod entry;
mod verified;

pub use entry::{Apis, ClientEntry, Keys, TenantEntry};
