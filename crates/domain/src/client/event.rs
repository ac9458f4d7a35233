use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::event_kinds,
    id::{ApiId, KeyId},
    json::JsonObject,
    tenant::AuthMethod,
    time::Timestamp,
    value::{
        ApiIdentifier, ClientJwk, ClientName, CustomClaims, Description, Reason, RoleName, ScopeSet,
    },
};

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload", deny_unknown_fields)]
pub enum ClientEvent {
    /// The client exists from now on. What it may ask for follows in `ClientGranted`.
    ClientCreated {
        /// The name for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<ClientName>,
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<Description>,
        /// What the operator notes about it.
        #[serde(default, skip_serializing_if = "JsonObject::is_empty")]
        metadata: JsonObject,
        /// What it authenticates with.
        auth_method: AuthMethod,
        /// Claims that it adds to its tokens.
        #[serde(default, skip_serializing_if = "CustomClaims::is_empty")]
        custom_claims: CustomClaims,
        /// The APIs whose tokens it may introspect.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        serves: BTreeSet<ApiIdentifier>,
        /// When it ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// It has another name or description.
    ClientDescribed {
        /// The name for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<ClientName>,
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<Description>,
    },
    /// The operator's notes about it are others.
    ClientMetadataChanged {
        /// All of them.
        metadata: JsonObject,
    },
    /// It may ask for tokens for an API. A later grant of the same API replaces an earlier one.
    ClientGranted {
        /// The API.
        api: ApiId,
        /// The API's identifier.
        identifier: ApiIdentifier,
        /// The scopes.
        scopes: ScopeSet,
        /// The roles.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        roles: BTreeSet<RoleName>,
        /// How often the API's scopes and roles had been changed by then. A scope or a role that the API
        /// takes away and defines again later is not the one that was granted.
        #[serde(default, skip_serializing_if = "is_first")]
        api_generation: u32,
    },
    /// It may not ask for tokens for an API any more.
    ClientGrantRevoked {
        /// The API.
        api: ApiId,
        /// The API's identifier.
        identifier: ApiIdentifier,
    },
    /// It adds other claims to its tokens.
    ClientClaimsChanged {
        /// All of them.
        custom_claims: CustomClaims,
    },
    /// It may introspect the tokens of other APIs.
    ClientServesChanged {
        /// All of them.
        serves: BTreeSet<ApiIdentifier>,
    },
    /// It authenticates in another way. What it authenticated with before ends in the same change.
    ClientAuthMethodChanged {
        /// What it authenticates with.
        auth_method: AuthMethod,
    },
    /// Its assertions may be signed with these keys, and with no other.
    ClientKeysChanged {
        /// All of them. A key that it had before keeps its id.
        keys: Vec<RegisteredKey>,
    },
    /// A key is refused from now on, everywhere and for good.
    ClientKeyRevoked {
        /// The key.
        key: KeyId,
        /// Why.
        reason: Reason,
        /// Whether somebody else may have had it; then the tokens that it obtained are inactive too.
        compromised: bool,
    },
    /// It ends at another time.
    ClientExpiryChanged {
        /// When. Absent: it has no end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// Its end has passed. It obtained no tokens from then on, however late this is recorded.
    ClientExpired {
        /// When it ended.
        expired_at: Timestamp,
    },
    /// It obtains no tokens for now.
    ClientDisabled {
        /// Why.
        reason: Reason,
    },
    /// It obtains tokens again.
    ClientEnabled {},
    /// It obtains no tokens any more, and its id is never used again.
    ClientDeleted {
        /// Why.
        reason: Reason,
    },
}

/// A public key that a client's assertions may be signed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisteredKey {
    /// Its id: the `credential_id` of the tokens that it obtains.
    pub key: KeyId,
    /// The public key.
    pub jwk: ClientJwk,
    /// When it was registered first.
    pub registered_at: Timestamp,
}

/// Whether it is the generation that an API begins with, which is not written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(super) fn is_first(generation: &u32) -> bool {
    *generation == 0
}

event_kinds!(ClientEvent {
    ClientCreated = 1,
    ClientDescribed = 1,
    ClientMetadataChanged = 1,
    ClientGranted = 1,
    ClientGrantRevoked = 1,
    ClientClaimsChanged = 1,
    ClientServesChanged = 1,
    ClientAuthMethodChanged = 1,
    ClientKeysChanged = 1,
    ClientKeyRevoked = 1,
    ClientExpiryChanged = 1,
    ClientExpired = 1 by the_clock,
    ClientDisabled = 1,
    ClientEnabled = 1,
    ClientDeleted = 1,
});
