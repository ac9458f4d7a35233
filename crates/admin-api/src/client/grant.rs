use async_graphql::{InputObject, SimpleObject};
use chancery_application::GrantInput as Granted;
use chancery_domain::{
    ApiId, Faults,
    client::Grant,
    value::{ApiIdentifier, RoleName, Scope},
};

use crate::{api::ApiNode, input::each, session::View};

/// What a client may ask for at one API.
#[derive(SimpleObject)]
#[graphql(name = "Grant")]
pub(crate) struct GrantNode {
    /// The API.
    api: ApiNode,
    /// The scopes that are granted by name, sorted.
    scopes: Vec<String>,
    /// The roles that are granted, sorted. Each grants its scopes.
    roles: Vec<String>,
}

impl GrantNode {
    pub(super) fn new(view: View, api: ApiId, grant: &Grant) -> Self {
        Self {
            api: ApiNode::named(view, api, grant.identifier.clone()),
            scopes: grant.scopes.iter().map(ToString::to_string).collect(),
            roles: grant.roles.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a client may ask for at one API.
#[derive(InputObject)]
pub(crate) struct GrantInput {
    /// The API's identifier.
    api: String,
    /// Scopes of the API.
    scopes: Option<Vec<String>>,
    /// Roles of the API. Each grants its scopes.
    roles: Option<Vec<String>>,
}

/// The grants, as far as they have no fault.
pub(super) fn grants(faults: &mut Faults, given: Vec<GrantInput>) -> Vec<Granted> {
    let given = given.into_iter().enumerate();
    given
        .filter_map(|(index, grant)| grant.parse(faults, &format!("grants[{index}]")))
        .collect()
}

impl GrantInput {
    fn parse(self, faults: &mut Faults, path: &str) -> Option<Granted> {
        let api = faults.take(format!("{path}.api"), ApiIdentifier::parse(&self.api));
        let scopes = each(
            faults,
            &format!("{path}.scopes"),
            &self.scopes.unwrap_or_default(),
            Scope::parse,
        );
        let roles = each(
            faults,
            &format!("{path}.roles"),
            &self.roles.unwrap_or_default(),
            RoleName::parse,
        );
        Some(Granted {
            api: api?,
            scopes: scopes.into_iter().collect(),
            roles: roles.into_iter().collect(),
        })
    }
}
