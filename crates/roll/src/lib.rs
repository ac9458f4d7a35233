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

pub mod canonical;
pub mod checkpoint;
pub mod export;
mod hash;
pub mod line;
pub mod replay;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tree;
pub mod verify;

pub use hash::{Hash, InvalidHash};
