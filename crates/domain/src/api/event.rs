use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RoleDefinition, ScopeDefinition};
use crate::{
    event::event_kinds,
    value::{ApiIdentifier, ApiName},
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
}

event_kinds!(ApiEvent {
    ApiCreated = 1,
});
