use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RoleDefinition, ScopeDefinition};
use crate::{
    event::event_kinds,
    tenant::SigningAlgorithm,
    value::{ApiIdentifier, ApiName, CustomClaims},
};

/// What happens to an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload", deny_unknown_fields)]
pub enum ApiEvent {
    /// The API exists from now on.
    ApiCreated {
        /// The `aud` of its tokens, for ever.
        identifier: ApiIdentifier,
        /// The name for people.
        name: ApiName,
        /// Whether Chancery made it.
        built_in: bool,
        /// Its scopes.
        scopes: Vec<ScopeDefinition>,
        /// Its roles.
        roles: Vec<RoleDefinition>,
    },
    /// It has another name for people.
    ApiRenamed {
        /// The new name.
        name: ApiName,
    },
    /// It has other scopes. What a client was granted of those that are gone counts for nothing, also
    /// after they have come back.
    ApiScopesChanged {
        /// All its scopes.
        scopes: Vec<ScopeDefinition>,
    },
    /// It has other roles.
    ApiRolesChanged {
        /// All its roles.
        roles: Vec<RoleDefinition>,
    },
    /// Its tokens differ from the tenant's, or do so no longer.
    ApiTokenSettingsChanged {
        /// How long its access tokens live, in seconds: 60 to 86,400. Absent: as the tenant's policy
        /// has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_token_seconds: Option<u32>,
        /// How its tokens are signed. Absent: as the tenant's policy has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signing_algorithm: Option<SigningAlgorithm>,
    },
    /// It adds other claims to its tokens.
    ApiClaimsChanged {
        /// All of them.
        custom_claims: CustomClaims,
    },
    /// No tokens are issued for it any more.
    ApiRetired {},
}

event_kinds!(ApiEvent {
    ApiCreated = 1,
    ApiRenamed = 1,
    ApiScopesChanged = 1,
    ApiRolesChanged = 1,
    ApiTokenSettingsChanged = 1,
    ApiClaimsChanged = 1,
    ApiRetired = 1,
});
