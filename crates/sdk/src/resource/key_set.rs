//! What an issuer publishes at its `jwks_uri`.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName},
};
use serde::Deserialize;

use super::{InvalidToken, key::VerifyingKey, token::Presented};
use crate::Algorithm;

/// So many keys of a set that are of use are kept.
const MOST_KEYS: usize = 100;
/// So many of them are tried for one token, where its id does not tell which of several it is.
const MOST_TRIED: usize = 8;
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
        let keys = document.keys.into_iter();
        let usable = keys.flat_map(|jwk| VerifyingKey::of_jwk(jwk, accepted));
        Ok(Self(usable.take(MOST_KEYS).collect()))
    }

    /// Whether there is no usable key.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key has this id, for any algorithm.
    pub(super) fn knows(&self, id: Option<&str>) -> bool {
        id.is_none() || self.0.iter().any(|key| key.id.as_deref() == id)
    }

    /// Whether a key of this set has signed the token: the one that it names, or any where it names none. Ids
    /// ought to be unique, and where they are not, each key of the name is one that it may mean (RFC 7517,
    /// section 4.5).
    pub(super) fn verify(&self, token: &Presented<'_>) -> Result<(), InvalidToken> {
        let id = token.key_id.as_deref();
        let fits = |key: &&VerifyingKey| {
            key.algorithm == token.algorithm && (id.is_none() || key.id.as_deref() == id)
        };
        let mut fault = InvalidToken::UnknownKey;
        for key in self.0.iter().filter(fits).take(MOST_TRIED) {
            if key.verifies(token.message, &token.signature) {
                return Ok(());
            }
            fault = InvalidToken::WrongSignature;
        }
        Err(fault)
    }
}

/// How long a key set is fresh (RFC 9111, sections 4.2.1 and 5.2.2), at least `shortest`.
pub(super) fn fresh_for(headers: &HeaderMap, shortest: Duration, now: SystemTime) -> Duration {
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
    let fresh = fresh.or_else(|| until_it_expires(headers, now));
    // What lay in caches on the way is not as fresh as that (RFC 9111, section 4.2.3).
    let age = headers
        .get(AGE)
        .and_then(|age| age.to_str().ok()?.trim().parse().ok());
    fresh
        .unwrap_or(FRESH)
        .saturating_sub(Duration::from_secs(age.unwrap_or(0)))
        .clamp(shortest, FRESH_AT_MOST.max(shortest))
}

/// `Expires` less `Date` (RFC 9111, section 5.3); what is no date has passed.
fn until_it_expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = |name: HeaderName| {
        let text = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(text).ok()
    };
    headers.get(EXPIRES)?;
    let left = date(EXPIRES).and_then(|end| end.duration_since(date(DATE).unwrap_or(now)).ok());
    Some(left.unwrap_or_default())
}
