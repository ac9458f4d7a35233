use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::AssertionAlgorithm;

/// A key that verifies a client's assertions, with the one algorithm that it is for. It is wiped when
/// it is dropped, since it may be a secret, and `Debug` shows nothing of it.
#[derive(Clone)]
pub struct AssertionKey {
    algorithm: AssertionAlgorithm,
    key: DecodingKey,
}

/// A JWK is no public key of the algorithm that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JWK is no public key of its algorithm")]
pub struct UnusableKey;

impl AssertionKey {
    /// From the members of a public JWK, for the algorithm of this JOSE name. A point that is not on
    /// its curve is refused.
    pub fn from_jwk(algorithm: &str, jwk: &Map<String, Value>) -> Result<Self, UnusableKey> {
        let algorithm = AssertionAlgorithm::named(algorithm).ok_or(UnusableKey)?;
        let key = decoding_key(algorithm, jwk).ok_or(UnusableKey)?;
        Ok(Self { algorithm, key })
    }

    /// From a client's secret, as a whole and as it was shown: for HS256.
    pub fn from_secret(secret: &str) -> Self {
        Self {
            algorithm: AssertionAlgorithm::Hs256,
            key: DecodingKey::from_secret(secret.as_bytes()),
        }
    }

    /// The one algorithm that the key verifies.
    pub fn algorithm(&self) -> AssertionAlgorithm {
        self.algorithm
    }

    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionKey({} …)", self.algorithm)
    }
}

fn decoding_key(algorithm: AssertionAlgorithm, jwk: &Map<String, Value>) -> Option<DecodingKey> {
    let bytes = |name: &str| {
        let text = jwk.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text).ok()
    };
    let point = |curve: &'static EcdsaVerificationAlgorithm, size: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        // Each by itself, or a long x could lend its bytes to a short y.
        if x.len() != size || y.len() != size {
            return None;
        }
        let point = [&[4], &x[..], &y[..]].concat();
        ParsedPublicKey::new(curve, &point).ok()?;
        Some(DecodingKey::from_ec_der(&point))
    };
    match algorithm {
        AssertionAlgorithm::Es256 => point(&ECDSA_P256_SHA256_FIXED, 32),
        AssertionAlgorithm::Es384 => point(&ECDSA_P384_SHA384_FIXED, 48),
        AssertionAlgorithm::EdDsa => bytes("x")
            .filter(|x| x.len() == 32)
            .map(|x| DecodingKey::from_ed_der(&x)),
        AssertionAlgorithm::Rs256 | AssertionAlgorithm::Ps256 => {
            let (modulus, exponent) = (bytes("n")?, bytes("e")?);
            (modulus.len() >= 256)
                .then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
        }
        // A public key keys no HMAC.
        AssertionAlgorithm::Hs256 => None,
    }
}
