#![doc = include_str!("../README.md")]

/// A clock that stands still.
pub mod clock;
pub mod stores;
