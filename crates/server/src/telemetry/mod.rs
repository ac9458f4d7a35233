//! What the process tells of itself: metrics at `/metrics` and by OTLP, traces by OTLP.
//!
//! Everything is counted where it happens, by plain atomics; here it is collected and written down. With
//! no collector configured nothing is sent and no span is made.

mod lags;
mod metrics;
mod otlp;
mod prometheus;
mod push;
mod sampling;
mod spans;
#[cfg(test)]
mod tests;

pub(crate) use lags::Lags;
pub(crate) use metrics::{Sources, routes};
pub(crate) use otlp::Collector;
pub(crate) use push::push;
pub(crate) use spans::{Spans, of_request};

use chancery_crypto::{Entropy, SystemEntropy};
use tokio::runtime::Handle;
use url::Url;

/// The collector at this endpoint, for this process.
pub(crate) fn collector(endpoint: &Url) -> Result<Collector, reqwest::Error> {
    let entropy: &dyn Entropy = &SystemEntropy::new();
    let instance = u64::from_be_bytes(entropy.bytes());
    Collector::at(endpoint, format!("{instance:016x}"))
}

/// The spans of this process.
pub(crate) fn spans(collector: Collector, ratio: f64, runtime: Handle) -> Spans {
    Spans::new(collector, ratio, runtime, SystemEntropy::new())
}
