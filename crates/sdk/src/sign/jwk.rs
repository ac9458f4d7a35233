//! Private keys as JSON Web Keys (RFC 7517; RFC 7518, section 6; RFC 8037).

use aws_lc_rs::{
    rsa::{self, KeyPairComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RsaPublicKeyComponents,
    },
};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::SigningKey;
use crate::base64url;

/// A private key with its name.
#[derive(Deserialize)]
pub(super) struct PrivateJwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    pub(super) kid: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
}

impl PrivateJwk {
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The key, if it is one that can sign, by the algorithm that it names.
    pub(super) fn key(&self) -> Option<SigningKey> {
        let curve = self.crv.as_deref();
        let key = match (self.kty.as_str(), curve) {
            ("EC", Some("P-256")) => SigningKey::P256(
                EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    &bytes(self.d.as_ref())?,
                    &self.point()?,
                )
                .ok()?,
            ),
            ("EC", Some("P-384")) => SigningKey::P384(
                EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P384_SHA384_FIXED_SIGNING,
                    &bytes(self.d.as_ref())?,
                    &self.point()?,
                )
                .ok()?,
            ),
            ("OKP", Some("Ed25519")) => {
                let (seed, public) = (bytes(self.d.as_ref())?, bytes(self.x.as_ref())?);
                let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public);
                SigningKey::Ed25519(pair.ok()?)
            }
            ("RSA", _) if self.alg.as_deref() == Some("PS256") => {
                SigningKey::RsaPss(Box::new(self.rsa()?))
            }
            ("RSA", _) => SigningKey::Rsa(Box::new(self.rsa()?)),
            _ => return None,
        };
        let is_for_it = |name: &String| {
            // RFC 9864 calls EdDSA with Ed25519 by a name of its own.
            name == key.algorithm() || (name == "Ed25519" && key.algorithm() == "EdDSA")
        };
        self.alg.as_ref().is_none_or(is_for_it).then_some(key)
    }

    /// Uncompressed (SEC 1, section 2.3.3).
    fn point(&self) -> Option<Vec<u8>> {
        let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
        Some([&[4][..], &x, &y].concat())
    }

    fn rsa(&self) -> Option<rsa::KeyPair> {
        let components = KeyPairComponents {
            public_key: RsaPublicKeyComponents {
                n: bytes(self.n.as_ref())?.to_vec(),
                e: bytes(self.e.as_ref())?.to_vec(),
            },
            d: bytes(self.d.as_ref())?,
            p: bytes(self.p.as_ref())?,
            q: bytes(self.q.as_ref())?,
            dP: bytes(self.dp.as_ref())?,
            dQ: bytes(self.dq.as_ref())?,
            qInv: bytes(self.qi.as_ref())?,
        };
        rsa::KeyPair::from_components(&components).ok()
    }
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        for part in [
            &mut self.d,
            &mut self.p,
            &mut self.q,
            &mut self.dp,
            &mut self.dq,
            &mut self.qi,
        ] {
            part.zeroize();
        }
    }
}

fn bytes(text: Option<&String>) -> Option<Zeroizing<Vec<u8>>> {
    base64url::decode(text?).map(Zeroizing::new)
}
