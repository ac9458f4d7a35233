use async_graphql::{Enum, ID, SimpleObject};
use chancery_domain::{
    KeyId, Timestamp,
    key_ring::{KeyRing, SigningKey},
};

use super::policy::SigningAlgorithmName;
use crate::scalars::{DateTime, Json};

/// A key that signs a tenant's tokens: its public side. The private one is never shown.
#[derive(SimpleObject)]
#[graphql(name = "SigningKey")]
pub(crate) struct SigningKeyNode {
    /// The key's id, like `key_01h…`: the `kid` of the tokens that it signs.
    id: ID,
    /// What it signs with.
    algorithm: SigningAlgorithmName,
    /// Where the key is in its life.
    state: KeyStateName,
    /// The public key (RFC 7517), as the tenant's key set has it.
    public_jwk: Json,
    /// When it was made.
    created_at: DateTime,
    /// From when on it signs. Where nobody signs with its algorithm yet, not before somebody does.
    activates_at: DateTime,
    /// When it leaves the key set: when the last token that it can have signed has ended; of a revoked key
    /// when it was. Null while it signs or waits to.
    retires_at: Option<DateTime>,
}

/// Where a signing key is in its life.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "KeyState", remote = "chancery_domain::key_ring::KeyState")]
pub(crate) enum KeyStateName {
    /// In the key set, so that everybody knows it before it signs: it waits for its time, or for somebody to
    /// sign with its algorithm.
    Published,
    /// Signing.
    Active,
    /// Signing no more, since another took its place or nothing is signed with its algorithm any more. In
    /// the key set until `retiresAt`, so that what it signed can be verified to its end.
    Retiring,
    /// Out of the key set. Where nothing was signed with its algorithm any more it comes back when that is
    /// chosen again.
    Retired,
    /// Out of the key set since it was revoked. What it signed is not to be trusted.
    Revoked,
}

impl SigningKeyNode {
    /// The keys of a ring at a moment, in the order in which they were made.
    pub(super) fn all(ring: &KeyRing, now: Timestamp) -> Vec<Self> {
        let node = |(id, key): (KeyId, &SigningKey)| {
            Some(Self {
                id: id.into(),
                algorithm: key.algorithm.into(),
                state: ring.state(id, now)?.into(),
                public_jwk: Json(key.public_jwk.members().clone().into()),
                created_at: key.generated_at.into(),
                activates_at: ring.signs_from(id, now)?.into(),
                retires_at: ring.retires_at(id).map(Into::into),
            })
        };
        ring.as_made().into_iter().filter_map(node).collect()
    }
}
