use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use chancery_domain::{
    CredentialId, KeyId, TenantId,
    client::{ClientKey, KeyEnd},
};

use crate::{error::Failure, last_use::Credential, scalars::DateTime, session::View};

/// A public key that a client's assertions are signed with, or were.
#[derive(SimpleObject)]
#[graphql(name = "ClientKey", complex)]
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
    #[graphql(skip)]
    credential: Credential,
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
    /// A key of a client of the tenant, as it is seen.
    pub(crate) fn new((view, tenant): (View, TenantId), id: KeyId, key: &ClientKey) -> Self {
        Self {
            credential: Credential {
                view,
                tenant,
                id: CredentialId::Key(id),
            },
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

#[ComplexObject]
impl ClientKeyNode {
    /// When an assertion that it signed last obtained a token. Null: none did. The past does not know.
    async fn last_used_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>, Failure> {
        self.credential.last_used_at(ctx).await
    }

    /// From which address such an assertion last obtained a token.
    async fn last_used_from(&self, ctx: &Context<'_>) -> Result<Option<String>, Failure> {
        self.credential.last_used_from(ctx).await
    }
}
