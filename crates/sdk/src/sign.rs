//! Signing of JWTs: client assertions, and the tokens of the test issuer.

mod jwk;

use std::fmt;

#[cfg(feature = "testing")]
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    },
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::Serialize;

use self::jwk::PrivateJwk;
use crate::base64url;

/// The shortest RSA key that is used, in bytes of its modulus.
const SHORTEST_RSA: usize = 2048 / 8;

/// A key that signs, parsed.
pub(crate) enum SigningKey {
    Shared(Box<hmac::Key>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<rsa::KeyPair>),
    /// An RSA key whose JWK says PS256.
    RsaPss(Box<rsa::KeyPair>),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl SigningKey {
    /// A shared secret, for HS256.
    pub(crate) fn shared(secret: &[u8]) -> Self {
        Self::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The private key in a JWK, with its `kid`, or the first one in a PEM text; if it is one that can sign.
    pub(crate) fn read(text: &str) -> Option<(Self, Option<String>)> {
        let (key, id) = if text.trim_start().starts_with('{') {
            let mut jwk = PrivateJwk::read(text)?;
            (jwk.key()?, jwk.kid.take())
        } else {
            (Self::from_pem(text)?, None)
        };
        match &key {
            Self::Rsa(pair) | Self::RsaPss(pair) if pair.public_modulus_len() < SHORTEST_RSA => {
                None
            }
            _ => Some((key, id)),
        }
    }

    fn from_pem(text: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
        Some(match &der {
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map(Self::P256)
                    .or_else(|_| {
                        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der)
                            .map(Self::P384)
                    })
                    .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::Ed25519))
                    .or_else(|_| rsa::KeyPair::from_pkcs8(der).map(|key| Self::Rsa(Box::new(key))))
                    .ok()?
            }
            PrivateKeyDer::Sec1(der) => {
                let der = der.secret_sec1_der();
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map(Self::P256)
                    .or_else(|_| {
                        EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der)
                            .map(Self::P384)
                    })
                    .ok()?
            }
            PrivateKeyDer::Pkcs1(der) => rsa::KeyPair::from_der(der.secret_pkcs1_der())
                .map(|key| Self::Rsa(Box::new(key)))
                .ok()?,
            _ => return None,
        })
    }

    /// The name of its algorithm (RFC 7518, RFC 8037).
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Shared(_) => "HS256",
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
            Self::RsaPss(_) => "PS256",
        }
    }

    /// A signed JWT with these claims.
    pub(crate) fn jwt(
        &self,
        typ: &str,
        kid: Option<&str>,
        claims: &impl Serialize,
    ) -> Option<String> {
        let alg = self.algorithm();
        let header = serde_json::to_vec(&Header { alg, typ, kid }).ok()?;
        let claims = serde_json::to_vec(claims).ok()?;
        self.jws(&header, &claims)
    }

    /// A signed JWS in its compact form (RFC 7515, section 7.1).
    pub(crate) fn jws(&self, header: &[u8], payload: &[u8]) -> Option<String> {
        let mut text = base64url::encode(header);
        text.push('.');
        base64url::append(payload, &mut text);
        let signature = self.sign(text.as_bytes())?;
        text.push('.');
        base64url::append(&signature, &mut text);
        Some(text)
    }

    /// Whether this key made the signature.
    #[cfg(feature = "testing")]
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let public: (&dyn VerificationAlgorithm, &[u8]) = match self {
            Self::Shared(key) => return hmac::verify(key, message, signature).is_ok(),
            Self::P256(pair) => (&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::P384(pair) => (&ECDSA_P384_SHA384_FIXED, pair.public_key().as_ref()),
            Self::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
            Self::Rsa(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Self::RsaPss(pair) => (&RSA_PSS_2048_8192_SHA256, pair.public_key().as_ref()),
        };
        let (way, key) = public;
        way.verify_sig(key, message, signature).is_ok()
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        Some(match self {
            Self::Shared(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, message).ok()?.as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.try_sign(message).ok()?.as_ref().to_vec(),
            Self::Rsa(pair) => rsa(pair, &RSA_PKCS1_SHA256, message)?,
            Self::RsaPss(pair) => rsa(pair, &RSA_PSS_SHA256, message)?,
        })
    }
}

fn rsa(pair: &rsa::KeyPair, padding: &'static dyn RsaEncoding, message: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public_modulus_len()];
    let signed = pair.sign(padding, &SystemRandom::new(), message, &mut signature);
    signed.ok().map(|()| signature)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}
