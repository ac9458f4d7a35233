#![doc = include_str!("README.md")]

pub mod job;
pub mod setup;
pub mod students;

/// An error of whichever kind: examples only print them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
