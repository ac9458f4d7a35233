use aws_lc_rs::{
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Algorithm, sign::SigningKey};

/// A signing key with its public half.
#[derive(Debug)]
pub(super) struct TestKey {
    pub(super) id: String,
    pub(super) signing: SigningKey,
    pub(super) jwk: Value,
}

impl TestKey {
    /// A new key.
    ///
    /// # Panics
    /// For an algorithm that the test issuer does not sign with: it has ES256, ES384, `EdDSA`, RS256.
    #[expect(
        clippy::expect_used,
        clippy::panic,
        reason = "for tests, which fail by panics"
    )]
    pub(super) fn generate(id: &str, algorithm: Algorithm) -> Self {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (signing, mut jwk) = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => {
                let p256 = algorithm == Algorithm::Es256;
                let (way, curve) = if p256 {
                    (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")
                } else {
                    (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")
                };
                let pair = EcdsaKeyPair::generate(way).expect("a key");
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let jwk = json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)});
                let signing = if p256 {
                    SigningKey::P256(pair)
                } else {
                    SigningKey::P384(pair)
                };
                (signing, jwk)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().expect("a key");
                let x = text(pair.public_key().as_ref());
                let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
                (SigningKey::Ed25519(pair), jwk)
            }
            Algorithm::Rs256 => {
                let pair = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let jwk = json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)});
                (SigningKey::Rsa(Box::new(pair)), jwk)
            }
            other => panic!("the test issuer does not sign with {other}"),
        };
        jwk["kid"] = json!(id);
        jwk["alg"] = json!(algorithm.as_str());
        jwk["use"] = json!("sig");
        Self {
            id: id.to_owned(),
            signing,
            jwk,
        }
    }
}
