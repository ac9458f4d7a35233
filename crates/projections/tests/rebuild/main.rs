//! The read models against the roll, and once more from it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod differences;
mod faults;
mod many;
mod office;
mod under_writes;
