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

mod family;
#[cfg(feature = "http")]
pub mod http;
mod instruments;
pub mod spans;
mod table;
mod trace_context;

pub use family::{Distribution, Family, Labels, Points};
pub use instruments::{Counter, Histogram};
pub use table::Table;
pub use trace_context::TraceContext;
