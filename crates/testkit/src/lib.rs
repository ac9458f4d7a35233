#![doc = include_str!("../README.md")]

/// A clock that stands still.
pub mod clock;
/// A log of tokens that cannot be written for a while.
pub mod held;
pub mod stores;
