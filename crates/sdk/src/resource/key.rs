//! A public key of an issuer (RFC 7517).

use std::ops::RangeInclusive;

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use serde::Deserialize;

use crate::{Algorithm, base64url};

/// The RSA keys that are used, by the bytes of their modulus: the shortest of RFC 7518, section 3.3, and the longest
/// that the library verifies with.
const RSA: RangeInclusive<usize> = 2048 / 8..=8192 / 8;

/// A key, parsed, for one algorithm: the key decides what it verifies, never the token (RFC 8725,
/// section 3.1).
#[derive(Debug)]
pub(super) struct VerifyingKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    key: ParsedPublicKey,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl VerifyingKey {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    /// The keys that a JWK is good for: one for each accepted algorithm. None, if it is for something
    /// else, of a kind that is not known, or broken: the others of its set go on working.
    pub(super) fn of_jwk(jwk: serde_json::Value, accepted: &[Algorithm]) -> Vec<Self> {
        serde_json::from_value(jwk).map_or(Vec::new(), |jwk: Jwk| jwk.keys(accepted))
    }
}

impl Jwk {
    fn keys(&self, accepted: &[Algorithm]) -> Vec<VerifyingKey> {
        let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        if self
            .purpose
            .as_deref()
            .is_some_and(|purpose| purpose != "sig")
            || !self.key_ops.as_ref().is_none_or(verifies)
        {
            return Vec::new();
        }
        let wanted = |algorithm: Algorithm| {
            accepted.contains(&algorithm)
                && self
                    .alg
                    .as_deref()
                    .is_none_or(|name| Algorithm::named(name) == Some(algorithm))
        };
        let key = |algorithm, key| VerifyingKey {
            id: self.kid.clone(),
            algorithm,
            key,
        };
        match self.kty.as_str() {
            "RSA" => accepted
                .iter()
                .filter(|algorithm| wanted(**algorithm))
                .filter_map(|algorithm| Some(key(*algorithm, self.rsa(*algorithm)?)))
                .collect(),
            "EC" | "OKP" => self
                .point()
                .filter(|(algorithm, _)| wanted(*algorithm))
                .map(|(algorithm, point)| key(algorithm, point))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    fn rsa(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        let components = RsaPublicKeyComponents {
            n: bytes(self.n.as_ref()).filter(|n| RSA.contains(&n.len()))?,
            e: bytes(self.e.as_ref())?,
        };
        components.to_parsed_public_key(algorithm.rsa()?).ok()
    }

    fn point(&self) -> Option<(Algorithm, ParsedPublicKey)> {
        let (algorithm, way) = Algorithm::of_curve(self.crv.as_deref()?)?;
        let point = match self.kty.as_str() {
            "EC" => {
                let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
                if x.len() != y.len() {
                    return None;
                }
                // Uncompressed (SEC 1, section 2.3.3).
                [&[4], x.as_slice(), y.as_slice()].concat()
            }
            _ => bytes(self.x.as_ref())?,
        };
        Some((algorithm, ParsedPublicKey::new(way, point).ok()?))
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    base64url::decode(text?)
}
