use std::sync::atomic::{AtomicU64, Ordering};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chancery_crypto::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey};
use jwt_simple::prelude::{ECDSAP384KeyPairLike as _, ECDSAP384PublicKeyLike, ES384KeyPair};
use serde_json::{Value, json};

use super::World;

/// A client's own private key.
pub(crate) struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    pkcs8: Vec<u8>,
    /// What the client registers.
    pub(crate) jwk: Value,
}

impl Signer {
    /// A new key of this algorithm.
    pub(crate) fn new(algorithm: Algorithm, kid: &str) -> Self {
        let of = |known| {
            let (signing, pkcs8) = SigningKey::generate(known, kid).unwrap();
            (serde_json::to_value(signing.public_jwk()).unwrap(), pkcs8)
        };
        let (mut jwk, key, pkcs8) = match algorithm {
            Algorithm::ES256 => {
                let (jwk, pkcs8) = of(chancery_crypto::Algorithm::Es256);
                (jwk, EncodingKey::from_ec_der(&pkcs8), pkcs8.to_vec())
            }
            Algorithm::EdDSA => {
                let (jwk, pkcs8) = of(chancery_crypto::Algorithm::EdDsa);
                (jwk, EncodingKey::from_ed_der(&pkcs8), pkcs8.to_vec())
            }
            Algorithm::RS256 | Algorithm::PS256 => {
                let (jwk, pkcs8) = of(chancery_crypto::Algorithm::Rs256);
                // The library wants PKCS #1, which PKCS #8 wraps in 26 bytes for a key of 2048 bits.
                let key = EncodingKey::from_rsa_der(&pkcs8[26..]);
                (jwk, key, pkcs8.to_vec())
            }
            Algorithm::ES384 => {
                let pair = ES384KeyPair::generate();
                let public = pair.public_key();
                let point = ECDSAP384PublicKeyLike::public_key(&public).to_bytes_uncompressed();
                let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
                let jwk = json!({
                    "kty": "EC", "crv": "P-384", "kid": kid,
                    "x": encoded(&point[1..49]), "y": encoded(&point[49..]),
                });
                let pkcs8 = pair.key_pair().to_der().unwrap();
                (jwk, EncodingKey::from_ec_der(&pkcs8), pkcs8)
            }
            other => panic!("no client has a key for {other:?}"),
        };
        jwk["alg"] = serde_json::to_value(algorithm).unwrap();
        Self {
            key,
            algorithm,
            pkcs8,
            jwk,
        }
    }

    /// The key in a file, as most programs write it.
    pub(crate) fn pem(&self) -> String {
        let text = STANDARD.encode(&self.pkcs8);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    /// The key in a file that has its `kid` beside it.
    pub(crate) fn private_jwk(&self) -> String {
        // Where PKCS #8 has the numbers themselves, for those that are written like this.
        let numbers = match self.algorithm {
            Algorithm::ES256 => vec![("d", &self.pkcs8[36..68])],
            Algorithm::EdDSA => vec![("d", &self.pkcs8[16..48])],
            Algorithm::RS256 | Algorithm::PS256 => rsa_numbers(&self.pkcs8[26..]),
            other => panic!("not for {other:?}"),
        };
        let mut jwk = self.jwk.clone();
        for (name, number) in numbers {
            jwk[name] = json!(URL_SAFE_NO_PAD.encode(number));
        }
        jwk.to_string()
    }

    /// What keys assertions with a client's secret.
    pub(crate) fn of_secret(secret: &str) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.as_bytes()),
            algorithm: Algorithm::HS256,
            pkcs8: Vec::new(),
            jwk: Value::Null,
        }
    }

    /// The name of the algorithm.
    pub(crate) fn alg(&self) -> Value {
        serde_json::to_value(self.algorithm).unwrap()
    }

    /// An assertion with any header and claims, signed whatever they say.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// An assertion with these claims.
    pub(crate) fn assertion(&self, claims: &Value) -> String {
        let mut header = json!({"alg": self.alg(), "typ": "JWT"});
        if let Some(kid) = self.jwk.get("kid") {
            header["kid"] = kid.clone();
        }
        self.sign(&header, claims)
    }
}

/// What PKCS #1 has: a sequence of a version and these numbers.
fn rsa_numbers(der: &[u8]) -> Vec<(&'static str, &[u8])> {
    let mut rest = &der[4 + 3..];
    let mut numbers = Vec::new();
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let (length, header) = match rest[1] {
            0x82 => (usize::from(rest[2]) << 8 | usize::from(rest[3]), 4),
            0x81 => (usize::from(rest[2]), 3),
            short => (usize::from(short), 2),
        };
        let (number, after) = rest[header..].split_at(length);
        numbers.push((name, number.strip_prefix(&[0]).unwrap_or(number)));
        rest = after;
    }
    numbers
}

/// The claims of an assertion that is good once, by the story's clock.
pub(crate) fn assertion_claims(world: &World, slug: &str, client: &str) -> Value {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    json!({
        "iss": client, "sub": client, "aud": format!("{}/t/{slug}", world.url),
        "exp": world.now().seconds() + 60,
        "jti": format!("jti-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
    })
}
