//! Signing keys: generated, parsed once, signing many tokens.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::jwk::{JwkError, PublicJwk};

/// A private signing key, parsed and ready. It is shared between threads, and neither printed nor
/// serialised; the bytes that [`SigningKey::generate`] hands out beside it are for sealing only.
pub struct SigningKey {
    pair: Pair,
    public: PublicJwk,
    /// The encoded header and its dot: how every token of this key begins.
    prefix: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// A signing key could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The cryptographic library made no key.
    #[error("no {algorithm} key could be generated")]
    Generation {
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// The bytes are not a private key of this algorithm.
    #[error("the stored key is not a PKCS #8 private key for {algorithm}")]
    Rejected {
        /// What was expected.
        algorithm: Algorithm,
    },
}

/// The cryptographic library refused to sign, which it does only without memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SignError;

#[derive(Serialize)]
struct Header<'a> {
    alg: Algorithm,
    kid: &'a str,
    typ: &'a str,
}

impl SigningKey {
    /// A new key of this id, and its PKCS #8 document for sealing.
    ///
    /// The key's randomness is the cryptographic library's own. RS256 takes some hundred
    /// milliseconds: call it from a thread that may block.
    pub fn generate(
        algorithm: Algorithm,
        kid: &str,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), SigningKeyError> {
        let pkcs8 =
            generate_pkcs8(algorithm).map_err(|_| SigningKeyError::Generation { algorithm })?;
        Ok((Self::from_pkcs8(algorithm, kid, &pkcs8)?, pkcs8))
    }

    /// The key of this id, parsed from PKCS #8. RSA keys have 2048 to 8192 bits.
    pub fn from_pkcs8(
        algorithm: Algorithm,
        kid: &str,
        pkcs8: &[u8],
    ) -> Result<Self, SigningKeyError> {
        let rejected = SigningKeyError::Rejected { algorithm };
        let pair = Pair::from_pkcs8(algorithm, pkcs8).ok_or(rejected)?;
        let public = pair.public(kid).map_err(|_| rejected)?;
        let header = Header {
            alg: algorithm,
            kid,
            typ: "at+jwt",
        };
        // Strings always serialise; the error is passed on all the same.
        let header = serde_json::to_vec(&header).map_err(|_| rejected)?;
        let mut prefix = URL_SAFE_NO_PAD.encode(header);
        prefix.push('.');
        Ok(Self {
            pair,
            public,
            prefix,
        })
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// What the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The public half.
    pub fn public_jwk(&self) -> &PublicJwk {
        &self.public
    }

    /// An access token (RFC 9068) in compact serialisation (RFC 7515, section 7.1). `claims` is the
    /// JSON of its claims set, signed byte for byte as it is given.
    pub fn sign_jwt(&self, claims: &[u8]) -> Result<String, SignError> {
        let mut token = String::with_capacity(
            self.prefix.len()
                + base64_len(claims.len())
                + 1
                + base64_len(self.pair.signature_len()),
        );
        token.push_str(&self.prefix);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        self.pair.sign_onto(&mut token)?;
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm(), self.kid())
    }
}

impl Pair {
    fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                .map(Self::Es256)
                .ok(),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::EdDsa).ok(),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Self::Rs256).ok(),
        }
    }

    fn public(&self, kid: &str) -> Result<PublicJwk, JwkError> {
        match self {
            Self::Es256(pair) => PublicJwk::es256(kid, pair.public_key().as_ref()),
            Self::EdDsa(pair) => PublicJwk::ed_dsa(kid, pair.public_key().as_ref()),
            Self::Rs256(pair) => {
                let key = pair.public_key();
                PublicJwk::rs256(
                    kid,
                    key.modulus().big_endian_without_leading_zero(),
                    key.exponent().big_endian_without_leading_zero(),
                )
            }
        }
    }

    fn signature_len(&self) -> usize {
        match self {
            Self::Es256(_) | Self::EdDsa(_) => 64,
            Self::Rs256(pair) => pair.public_modulus_len(),
        }
    }

    /// Signs what the token holds and appends the dot and the signature.
    fn sign_onto(&self, token: &mut String) -> Result<(), SignError> {
        let message = token.as_bytes();
        match self {
            // The library draws the nonce itself and ignores the generator that its signature asks
            // for.
            Self::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                append(token, signature.map_err(|_| SignError)?.as_ref());
            }
            Self::EdDsa(pair) => {
                append(
                    token,
                    pair.try_sign(message).map_err(|_| SignError)?.as_ref(),
                );
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(|_| SignError)?;
                append(token, &signature);
            }
        }
        Ok(())
    }
}

fn append(token: &mut String, signature: &[u8]) {
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, token);
}

/// Characters of base64url without padding.
const fn base64_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

fn generate_pkcs8(
    algorithm: Algorithm,
) -> Result<Zeroizing<Vec<u8>>, aws_lc_rs::error::Unspecified> {
    let pkcs8 = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?
            .to_pkcs8v1()?
            .as_ref()
            .to_vec(),
        Algorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref().to_vec(),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let document: Pkcs8V1Der<'_> = pair.as_der()?;
            document.as_ref().to_vec()
        }
    };
    Ok(Zeroizing::new(pkcs8))
}

#[cfg(test)]
mod tests;
