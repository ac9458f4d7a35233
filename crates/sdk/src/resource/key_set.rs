//! What an issuer publishes at its `jwks_uri`.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL},
};
use serde::Deserialize;

use super::key::VerifyingKey;
use crate::Algorithm;

/// So many keys of a set are read.
const MOST_KEYS: usize = 100;
/// How long a set is fresh when its issuer does not say.
const FRESH: Duration = Duration::from_mins(5);
/// And however long its issuer says, it is asked for again after this.
const FRESH_AT_MOST: Duration = Duration::from_hours(1);

/// The keys of an issuer.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// Reads a key set.
    pub(super) fn read(json: &[u8], accepted: &[Algorithm]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(json)?;
        let keys = document.keys.into_iter().take(MOST_KEYS);
        Ok(Self(
            keys.flat_map(|jwk| VerifyingKey::of_jwk(jwk, accepted))
                .collect(),
        ))
    }

    /// Whether there is no usable key.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key has this id, for any algorithm.
    pub(super) fn knows(&self, id: Option<&str>) -> bool {
        id.is_none() || self.0.iter().any(|key| key.id.as_deref() == id)
    }

    /// The key of this id for this algorithm. Without an id, the only key for it.
    pub(super) fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&VerifyingKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(first)
    }
}

/// How long a key set is fresh (RFC 9111, section 5.2.2), at least `shortest`.
pub(super) fn fresh_for(headers: &HeaderMap, shortest: Duration) -> Duration {
    let mut fresh = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return shortest;
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                fresh = seconds
                    .trim_matches('"')
                    .parse()
                    .ok()
                    .map(Duration::from_secs);
            }
        }
    }
    // What lay in caches on the way is not as fresh as that (RFC 9111, section 4.2.3).
    let age = headers
        .get(AGE)
        .and_then(|age| age.to_str().ok()?.trim().parse().ok());
    fresh
        .unwrap_or(FRESH)
        .saturating_sub(Duration::from_secs(age.unwrap_or(0)))
        .clamp(shortest, FRESH_AT_MOST.max(shortest))
}
