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

mod causes;
mod family;
#[cfg(feature = "http")]
pub mod http;
mod instruments;
mod repeated;
pub mod spans;
mod table;
mod trace_context;

pub use causes::causes;
pub use family::{Distribution, Family, Labels, Points};
pub use instruments::{Counter, Histogram};
pub use repeated::Repeated;
pub use table::Table;
pub use trace_context::TraceContext;
