use async_graphql::{Enum, ID, SimpleObject};
use chancery_domain::{KeyId, key_ring::SigningKey};

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
    /// From when on it may sign.
    activates_at: DateTime,
}

/// Where a signing key is in its life.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "KeyState", remote = "chancery_domain::key_ring::KeyState")]
pub(crate) enum KeyStateName {
    /// In the key set, so that everybody knows it before it signs.
    Published,
    /// Signing.
    Active,
}

impl From<(&KeyId, &SigningKey)> for SigningKeyNode {
    fn from((id, key): (&KeyId, &SigningKey)) -> Self {
        Self {
            id: id.into(),
            algorithm: key.algorithm.into(),
            state: key.state().into(),
            public_jwk: Json(key.public_jwk.members().clone().into()),
            created_at: key.generated_at.into(),
            activates_at: key.activates_at.into(),
        }
    }
}
