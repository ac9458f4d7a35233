//! An API: a resource server with its scopes and roles.

mod create;
mod event;
mod generations;
mod retire;
mod token_settings;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use create::CreateApi;
pub(crate) use create::built_in_admin_api;
pub use event::ApiEvent;
pub use generations::Generations;
pub use retire::RetireApi;
pub use token_settings::TokenSettings;
pub use update::UpdateApi;

use crate::{
    aggregate::Fold,
    command::State,
    event::Event,
    refusal::refusals,
    stream::AggregateType,
    value::{
        ApiIdentifier, ApiName, CustomClaims, Description, Faults, Invalid, RoleName, Scope,
        ScopeSet,
    },
};

/// The most scopes, and the most roles, that an API may have.
pub const MAX_SCOPES: usize = 500;

/// A scope of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeDefinition {
    /// The scope.
    pub name: Scope,
    /// What it allows, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
}

/// A role of an API: a named set of its scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleDefinition {
    /// The role.
    pub name: RoleName,
    /// The scopes that it grants.
    pub scopes: ScopeSet,
}

/// An API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// The `aud` of its tokens.
    pub identifier: ApiIdentifier,
    /// The name for people.
    pub name: ApiName,
    /// Whether Chancery made it; then nobody can change it.
    pub built_in: bool,
    /// Its scopes and what they allow.
    pub scopes: BTreeMap<Scope, Option<Description>>,
    /// Its roles and what they grant.
    pub roles: BTreeMap<RoleName, ScopeSet>,
    /// In what its tokens differ from the tenant's.
    #[serde(default)]
    pub tokens: TokenSettings,
    /// Claims that it adds to its tokens.
    #[serde(default, skip_serializing_if = "CustomClaims::is_empty")]
    pub custom_claims: CustomClaims,
    /// How often its scopes and roles were changed, and what is there since when.
    #[serde(default, skip_serializing_if = "Generations::are_first")]
    pub generations: Generations,
    /// Whether tokens are issued for it.
    pub state: ApiState,
}

/// Whether tokens are issued for an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiState {
    /// They are.
    Active,
    /// They are not any more. Its identifier is never given again.
    Retired,
}

refusals! {
    /// The rules of an API.
    ApiRefusal {
        #[error("an API with this identifier exists or existed in this tenant; choose another")]
        IdentifierTaken = "IDENTIFIER_TAKEN",
        #[error("identifiers that begin with `urn:chancery:` are reserved; choose another")]
        IdentifierReserved = "IDENTIFIER_RESERVED",
        #[error("the API exists already")]
        AlreadyExists = "API_EXISTS",
        #[error("the built-in admin API can be neither changed nor retired")]
        BuiltIn = "API_BUILT_IN",
        #[error("the API {identifier} is retired, which is final; create another under another identifier")]
        Retired { identifier: ApiIdentifier } = "API_RETIRED",
    }
}

impl Api {
    /// The API, unless it is retired: nothing of a retired one can be changed or granted.
    ///
    /// # Errors
    /// [`ApiRefusal::Retired`].
    pub fn active(&self) -> Result<&Self, ApiRefusal> {
        match self.state {
            ApiState::Active => Ok(self),
            ApiState::Retired => Err(ApiRefusal::Retired {
                identifier: self.identifier.clone(),
            }),
        }
    }

    /// The API, if it can be changed: it is neither the built-in one nor retired.
    ///
    /// # Errors
    /// [`ApiRefusal::BuiltIn`], [`ApiRefusal::Retired`].
    pub fn changeable(&self) -> Result<&Self, ApiRefusal> {
        if self.built_in {
            return Err(ApiRefusal::BuiltIn);
        }
        self.active()
    }

    /// Which of these roles count, that were granted in some generation of the API: those that it has
    /// had ever since; none when it is retired.
    pub fn effective_roles(
        &self,
        roles: &BTreeSet<RoleName>,
        generation: u32,
    ) -> BTreeSet<RoleName> {
        match self.state {
            ApiState::Active => {}
            ApiState::Retired => return BTreeSet::new(),
        }
        let counts = |role: &&RoleName| {
            self.roles.contains_key(*role) && self.generations.role(role) <= generation
        };
        roles.iter().filter(counts).cloned().collect()
    }

    /// The scopes that these direct scopes and roles come to, which were granted in some generation of
    /// the API: what it has had of them ever since, which is nothing when it is retired. A role stands
    /// for the scopes that it has now.
    pub fn effective(
        &self,
        scopes: &ScopeSet,
        roles: &BTreeSet<RoleName>,
        generation: u32,
    ) -> ScopeSet {
        match self.state {
            ApiState::Active => {}
            ApiState::Retired => return ScopeSet::default(),
        }
        let direct = scopes
            .iter()
            .filter(|scope| self.generations.scope(scope) <= generation);
        let roles = self.effective_roles(roles, generation);
        let by_role = roles
            .iter()
            .filter_map(|role| self.roles.get(role))
            .flat_map(ScopeSet::iter);
        direct
            .chain(by_role)
            .filter(|scope| self.scopes.contains_key(scope))
            .cloned()
            .collect()
    }
}

/// Checks all that is said of an API together. Paths are those of the GraphQL input.
fn check(
    scopes: &[ScopeDefinition],
    roles: &[RoleDefinition],
    tokens: &TokenSettings,
) -> Result<(), Faults> {
    let mut faults = Faults::default();
    for (path, count) in [("scopes", scopes.len()), ("roles", roles.len())] {
        if count > MAX_SCOPES {
            faults.add(
                path,
                Invalid::new(
                    "too_many",
                    format!("must be at most {MAX_SCOPES}, and are {count}"),
                ),
            );
        }
    }
    let mut known = BTreeSet::new();
    for (index, scope) in scopes.iter().enumerate() {
        if !known.insert(&scope.name) {
            faults.add(
                format!("scopes[{index}].name"),
                Invalid::new(
                    "duplicate",
                    format!("`{}` stands here a second time", scope.name),
                ),
            );
        }
    }
    let mut names = BTreeSet::new();
    for (index, role) in roles.iter().enumerate() {
        if !names.insert(&role.name) {
            faults.add(
                format!("roles[{index}].name"),
                Invalid::new(
                    "duplicate",
                    format!("`{}` stands here a second time", role.name),
                ),
            );
        }
        for scope in role.scopes.iter().filter(|scope| !known.contains(scope)) {
            faults.add(
                format!("roles[{index}].scopes"),
                Invalid::new(
                    "unknown_scope",
                    format!("`{scope}` is not one of this API's scopes"),
                ),
            );
        }
    }
    tokens.check(&mut faults);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn by_name(scopes: &[ScopeDefinition]) -> BTreeMap<Scope, Option<Description>> {
    scopes
        .iter()
        .map(|scope| (scope.name.clone(), scope.description.clone()))
        .collect()
}

fn by_role(roles: &[RoleDefinition]) -> BTreeMap<RoleName, ScopeSet> {
    roles
        .iter()
        .map(|role| (role.name.clone(), role.scopes.clone()))
        .collect()
}

impl Fold for Api {
    const TYPE: AggregateType = AggregateType::Api;
    type Event = ApiEvent;

    fn fold(before: Option<Self>, event: &ApiEvent) -> Option<Self> {
        match event {
            ApiEvent::ApiCreated {
                identifier,
                name,
                built_in,
                scopes,
                roles,
            } => Some(Self {
                identifier: identifier.clone(),
                name: name.clone(),
                built_in: *built_in,
                scopes: by_name(scopes),
                roles: by_role(roles),
                tokens: TokenSettings::default(),
                custom_claims: CustomClaims::default(),
                generations: Generations::default(),
                state: ApiState::Active,
            }),
            ApiEvent::ApiRenamed { name } => before.map(|api| Self {
                name: name.clone(),
                ..api
            }),
            ApiEvent::ApiScopesChanged { scopes } => before.map(|api| {
                let scopes = by_name(scopes);
                Self {
                    generations: api.generations.after_scopes(&api.scopes, &scopes),
                    scopes,
                    ..api
                }
            }),
            ApiEvent::ApiRolesChanged { roles } => before.map(|api| {
                let roles = by_role(roles);
                Self {
                    generations: api.generations.after_roles(&api.roles, &roles),
                    roles,
                    ..api
                }
            }),
            ApiEvent::ApiClaimsChanged { custom_claims } => before.map(|api| Self {
                custom_claims: custom_claims.clone(),
                ..api
            }),
            ApiEvent::ApiTokenSettingsChanged {
                access_token_seconds,
                signing_algorithm,
            } => before.map(|api| Self {
                tokens: TokenSettings {
                    access_token_seconds: *access_token_seconds,
                    signing_algorithm: *signing_algorithm,
                },
                ..api
            }),
            ApiEvent::ApiRetired {} => before.map(|api| Self {
                state: ApiState::Retired,
                ..api
            }),
        }
    }

    fn event(event: &Event) -> Option<&ApiEvent> {
        match event {
            Event::Api(event) => Some(event),
            _ => None,
        }
    }

    fn into_state(state: Option<Self>) -> State {
        State::Api(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::orders_created;

    #[test]
    fn scopes_and_roles_come_to_what_the_api_still_has() {
        let api = Api::fold(None, &orders_created()).unwrap();
        let effective = |scopes: &str, roles: &[&str]| {
            let roles = roles.iter().map(|role| RoleName::parse(role).unwrap());
            api.effective(&ScopeSet::parse(scopes).unwrap(), &roles.collect(), 0)
                .to_string()
        };
        assert_eq!(effective("orders:write", &[]), "orders:write");
        assert_eq!(
            effective("orders:write", &["clerk"]),
            "orders:read orders:write"
        );
        assert_eq!(effective("orders:burn", &["emperor"]), "");
    }

    #[test]
    fn what_was_taken_away_and_put_back_counts_for_later_grants_alone() {
        let changed = |names: &[&str], api: Api| {
            let scopes = names.iter().map(|name| ScopeDefinition {
                name: name.parse().unwrap(),
                description: None,
            });
            let event = ApiEvent::ApiScopesChanged {
                scopes: scopes.collect(),
            };
            Api::fold(Some(api), &event).unwrap()
        };
        let api = Api::fold(None, &orders_created()).unwrap();
        let api = changed(&["orders:read"], api);
        let api = changed(&["orders:read", "orders:write"], api);
        let scopes = ScopeSet::parse("orders:read orders:write").unwrap();
        let of = |generation| {
            api.effective(&scopes, &BTreeSet::new(), generation)
                .to_string()
        };
        assert_eq!(
            (of(0), of(1), of(2)),
            (
                "orders:read".into(),
                "orders:read".into(),
                scopes.to_string()
            )
        );
        let none = ApiEvent::ApiRolesChanged { roles: Vec::new() };
        let back = ApiEvent::ApiRolesChanged {
            roles: vec![RoleDefinition {
                name: "clerk".parse().unwrap(),
                scopes: ScopeSet::parse("orders:write").unwrap(),
            }],
        };
        let api = [none, back].iter().fold(Some(api), Api::fold).unwrap();
        let clerk = BTreeSet::from(["clerk".parse().unwrap()]);
        assert!(api.effective_roles(&clerk, 3).is_empty());
        assert!(api.effective(&ScopeSet::default(), &clerk, 3).is_empty());
        assert_eq!(
            api.effective(&ScopeSet::default(), &clerk, 4).to_string(),
            "orders:write"
        );
    }

    #[test]
    fn a_retired_api_grants_nothing() {
        let api = Api::fold(None, &orders_created()).unwrap();
        let api = Api::fold(Some(api), &ApiEvent::ApiRetired {}).unwrap();
        let scopes = ScopeSet::parse("orders:read").unwrap();
        assert!(api.effective(&scopes, &BTreeSet::new(), 0).is_empty());
    }

    #[test]
    fn a_row_from_before_there_were_token_settings_has_none() {
        let api = Api::fold(None, &orders_created()).unwrap();
        let mut stored = serde_json::to_value(&api).unwrap();
        stored.as_object_mut().unwrap().remove("tokens");
        assert_eq!(serde_json::from_value::<Api>(stored).unwrap(), api);
    }
}
