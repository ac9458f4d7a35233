//! Where telemetry goes.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// What is sent, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TelemetryConfig {
    /// The collector; none: nothing is sent.
    pub(crate) otlp_endpoint: Option<OtlpEndpoint>,
    /// Which part of the traces that begin here is sent.
    pub(crate) sampling: Sampling,
}

/// The base URL of a collector that speaks OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtlpEndpoint(pub(crate) Url);

/// From 0 (none) to 1 (all).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling(pub(crate) f64);

/// Not a usable endpoint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the base URL of a collector; write scheme, host and port of OTLP over HTTP, as in \
     http://localhost:4318, without a user, query or fragment"
)]
pub(crate) struct OtlpEndpointError;

/// Not a part of a whole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number from 0 (no trace that begins here is sent) to 1 (every one is)")]
pub(crate) struct SamplingError(String);

impl FromStr for OtlpEndpoint {
    type Err = OtlpEndpointError;

    /// Its text is not repeated where it is refused: people write passwords into URLs.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| OtlpEndpointError)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let http = matches!(url.scheme(), "http" | "https") && url.has_host();
        (plain && http)
            .then_some(Self(url))
            .ok_or(OtlpEndpointError)
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Sampling {
    type Err = SamplingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio))
            .map(Self)
            .ok_or_else(|| SamplingError(text.to_owned()))
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_base_without_credentials() {
        for right in ["http://localhost:4318", "https://otel.example.com/otlp"] {
            assert!(right.parse::<OtlpEndpoint>().is_ok(), "{right}");
        }
        for wrong in [
            "localhost:4318",
            "grpc://localhost:4317",
            "http://user:hunter2@localhost:4318",
            "http://localhost:4318/?token=hunter2",
            "",
        ] {
            let refused = wrong.parse::<OtlpEndpoint>().unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn a_part_lies_between_nothing_and_everything() {
        for right in ["0", "0.1", "1", "1.0", "1e-3"] {
            assert!(right.parse::<Sampling>().is_ok(), "{right}");
        }
        for wrong in ["-0.1", "1.1", "NaN", "inf", "ten", "10%"] {
            assert!(wrong.parse::<Sampling>().is_err(), "{wrong}");
        }
    }
}
