use async_graphql::{Enum, ID, SimpleObject};
use chancery_domain::{
    KeyId,
    client::{ClientKey, KeyEnd},
};

use crate::scalars::DateTime;

/// A public key that a client's assertions are signed with, or were.
#[derive(SimpleObject)]
#[graphql(name = "ClientKey")]
pub(crate) struct ClientKeyNode {
    /// The key's id, like `key_01h…`: the `credential_id` of the tokens that it obtains.
    id: ID,
    /// The name that the key set gives it.
    kid: String,
    /// The one algorithm that it is for: `ES256`, `ES384`, `EdDSA`, `RS256` or `PS256`.
    algorithm: String,
    /// Whether it is accepted.
    state: ClientKeyStateName,
    /// When it was registered first.
    created_at: DateTime,
}

/// Whether a client's key is accepted.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ClientKeyState")]
pub(crate) enum ClientKeyStateName {
    /// Accepted.
    Active,
    /// Not accepted any more, because it was left out of a later `jwks`, or the client authenticates
    /// in another way. It may come back.
    Removed,
    /// Not accepted any more, because it was revoked. It cannot come back.
    Revoked,
}

impl ClientKeyNode {
    pub(crate) fn new(id: KeyId, key: &ClientKey) -> Self {
        Self {
            id: id.into(),
            kid: key.jwk.kid().to_owned(),
            algorithm: key.jwk.algorithm().as_str().to_owned(),
            state: match key.ended {
                None => ClientKeyStateName::Active,
                Some(KeyEnd::Removed) => ClientKeyStateName::Removed,
                Some(KeyEnd::Revoked | KeyEnd::Compromised) => ClientKeyStateName::Revoked,
            },
            created_at: key.registered_at.into(),
        }
    }
}
