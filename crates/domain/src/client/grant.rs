use std::collections::{BTreeMap, BTreeSet};

use super::{ClientEvent, ClientRefusal, Grant};
use crate::{
    api::Api,
    command::ReadSet,
    id::ApiId,
    refusal::Refusal,
    stream::StreamId,
    value::{ApiIdentifier, RoleName, ScopeSet},
};

/// What a client shall be able to ask for at one API.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantRequest {
    /// The API.
    pub api: ApiId,
    /// Scopes of the API.
    pub scopes: ScopeSet,
    /// Roles of the API.
    pub roles: BTreeSet<RoleName>,
}

impl GrantRequest {
    fn is(&self, grant: &Grant) -> bool {
        self.scopes == grant.scopes && self.roles == grant.roles
    }

    /// Whether the API has all of it, and something of it only since the grant was given.
    fn renews(&self, grant: &Grant, api: &Api) -> bool {
        let has_all = self
            .scopes
            .iter()
            .all(|scope| api.scopes.contains_key(scope))
            && self.roles.iter().all(|role| api.roles.contains_key(role));
        let scopes = self.scopes.iter().map(|scope| api.generations.scope(scope));
        let roles = self.roles.iter().map(|role| api.generations.role(role));
        let newest = scopes.chain(roles).max().unwrap_or_default();
        api.active().is_ok() && has_all && newest > grant.api_generation
    }
}

fn joined<'a, T: ToString + 'a>(names: impl Iterator<Item = &'a T>) -> Option<String> {
    let names: Vec<_> = names
        .map(|name| format!("`{}`", name.to_string()))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The streams of the APIs that a client is granted or serves, each once.
pub(super) fn streams(grants: &[GrantRequest], serves: &[ApiId]) -> BTreeSet<StreamId> {
    let granted = grants.iter().map(|grant| grant.api);
    let apis = granted.chain(serves.iter().copied());
    apis.map(StreamId::Api).collect()
}

/// The grants as they will be: each API once, with scopes and roles that it has. A grant that stays
/// as it is may name what the API has no longer, and an API that is retired since. One whose scopes and
/// roles are all there, some of them for the second time, is given anew by naming them again.
pub(super) fn resolve(
    requests: &[GrantRequest],
    before: &BTreeMap<ApiId, Box<Grant>>,
    read: &ReadSet,
) -> Result<BTreeMap<ApiId, Box<Grant>>, Refusal> {
    let mut grants = BTreeMap::new();
    for request in requests {
        let api = read.api(request.api)?;
        let identifier = api.identifier.clone();
        let same = before
            .get(&request.api)
            .filter(|grant| request.is(grant) && !request.renews(grant, api));
        if let Some(same) = same {
            if grants.insert(request.api, same.clone()).is_some() {
                return Err(ClientRefusal::DuplicateGrant { identifier }.into());
            }
            continue;
        }
        api.active()?;
        if let Some(scopes) = joined(
            request
                .scopes
                .iter()
                .filter(|scope| !api.scopes.contains_key(scope)),
        ) {
            if api.built_in {
                let has = joined(api.scopes.keys()).unwrap_or_default();
                return Err(ClientRefusal::NotOfAdminApi { scopes, has }.into());
            }
            return Err(ClientRefusal::UnknownScope { identifier, scopes }.into());
        }
        if let Some(roles) = joined(
            request
                .roles
                .iter()
                .filter(|role| !api.roles.contains_key(role)),
        ) {
            return Err(ClientRefusal::UnknownRole { identifier, roles }.into());
        }
        let grant = Grant {
            identifier: identifier.clone(),
            scopes: request.scopes.clone(),
            roles: request.roles.clone(),
            api_generation: api.generations.current,
        };
        if grants.insert(request.api, Box::new(grant)).is_some() {
            return Err(ClientRefusal::DuplicateGrant { identifier }.into());
        }
    }
    Ok(grants)
}

/// The events that lead from one set of grants to another.
pub(super) fn difference(
    before: &BTreeMap<ApiId, Box<Grant>>,
    after: &BTreeMap<ApiId, Box<Grant>>,
) -> Vec<ClientEvent> {
    let revoked = before
        .iter()
        .filter(|(api, _)| !after.contains_key(api))
        .map(|(api, grant)| ClientEvent::ClientGrantRevoked {
            api: *api,
            identifier: grant.identifier.clone(),
        });
    let granted = after
        .iter()
        .filter(|(api, grant)| before.get(api) != Some(grant))
        .map(|(api, grant)| ClientEvent::ClientGranted {
            api: *api,
            identifier: grant.identifier.clone(),
            scopes: grant.scopes.clone(),
            roles: grant.roles.clone(),
            api_generation: grant.api_generation,
        });
    revoked.chain(granted).collect()
}

/// The identifiers of the APIs that a client shall serve.
pub(super) fn served(apis: &[ApiId], read: &ReadSet) -> Result<BTreeSet<ApiIdentifier>, Refusal> {
    apis.iter()
        .map(|api| {
            let identifier = read.api(*api)?.identifier.clone();
            if identifier.is_admin() {
                return Err(ClientRefusal::ServesAdminApi.into());
            }
            Ok(identifier)
        })
        .collect()
}
