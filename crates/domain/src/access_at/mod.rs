//! What a client could do at a moment, and since which entry of the roll: the auditor's question.

mod facts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    aggregate::Fold,
    api::{Api, ApiState},
    client::{Client, ClientState},
    credential::CredentialId,
    envelope::Recorded,
    event::Event,
    id::{ApiId, ClientId, EventId, KeyId, SecretId},
    secret_rotation::{Secret, SecretRotation, SecretState},
    stream::StreamId,
    tenant::{AuthMethod, Tenant, TenantState, TokenAuthMethod},
    time::Timestamp,
    value::{ApiIdentifier, RoleName, Scope},
};
use facts::{Fact, Facts};

/// What a client could do at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessAt {
    /// The moment.
    pub at: Timestamp,
    /// The tenant's state then.
    pub tenant: Held<TenantState>,
    /// The client's state then.
    pub client: Held<ClientState>,
    /// Everything that kept the client from getting a token. Empty: it could get one.
    pub obstacles: Vec<Held<Obstacle>>,
    /// What it could ask for, by API. What stands here it could use only without obstacles.
    pub apis: Vec<ApiAccess>,
    /// The secrets and keys that were accepted.
    pub credentials: Vec<CredentialAccess>,
}

/// What held, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<T> {
    /// What held.
    pub what: T,
    /// Since when.
    pub since: Since,
}

/// The entry of the roll that brought something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The entry's number in the tenant's roll.
    pub tenant_seq: i64,
    /// The entry's id.
    pub event: EventId,
    /// When the entry was recorded.
    pub recorded_at: Timestamp,
    /// From when on it held: later than the entry where the entry says so, as with an end that it sets.
    pub from: Timestamp,
}

/// What kept a client from getting a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The tenant was suspended.
    TenantSuspended,
    /// The tenant was closed.
    TenantClosed,
    /// The client was disabled.
    ClientDisabled,
    /// The client had expired.
    ClientExpired,
    /// The client was deleted.
    ClientDeleted,
    /// The tenant's policy did not allow the client's way of authenticating.
    MethodNotAllowed,
    /// No credential of the client was accepted.
    NoCredential,
    /// The client was granted no API for which there were tokens.
    NothingGranted,
}

/// What a client could ask for at one API.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiAccess {
    /// The API.
    pub api: ApiId,
    /// Its identifier: the `aud` of its tokens.
    pub identifier: ApiIdentifier,
    /// Since when it was granted at all.
    pub since: Since,
    /// The scopes that the grant came to, by name and by role, sorted.
    pub scopes: Vec<Held<Scope>>,
    /// The roles that were granted and that the API had, sorted.
    pub roles: Vec<Held<RoleName>>,
}

/// A secret or a key that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialAccess {
    /// The `credential_id` of the tokens that it obtained.
    pub credential: CredentialId,
    /// Whether it is a secret whose place another had taken, and that was accepted until it retired.
    pub retiring: bool,
    /// Since when it was accepted.
    pub since: Since,
}

/// What a client could do at this moment, told from the entries of its tenant up to then: those of the
/// tenant itself, of the client, of its secrets and of every API that it was ever granted. They come in
/// the order of the roll; others change nothing. `None`: the client was not there.
pub fn access_at(entries: &[Recorded], client: ClientId, at: Timestamp) -> Option<AccessAt> {
    let mut world = World::of(client);
    let mut facts = Facts::default();
    for entry in entries {
        // What time has done before this entry is not this entry's doing.
        facts.lapse(&world, entry.recorded_at);
        world.apply(entry);
        facts.follow(&world, entry);
    }
    facts.lapse(&world, at);
    world.tell(&facts, at)
}

/// What the question is about, as the entries so far have it.
struct World {
    id: ClientId,
    tenant: Option<Tenant>,
    client: Option<Client>,
    secrets: SecretRotation,
    apis: BTreeMap<ApiId, Api>,
}

impl World {
    fn of(id: ClientId) -> Self {
        Self {
            id,
            tenant: None,
            client: None,
            secrets: SecretRotation::default(),
            apis: BTreeMap::new(),
        }
    }

    fn apply(&mut self, entry: &Recorded) {
        match (entry.stream, &entry.event) {
            (StreamId::Tenant(_), Event::Tenant(event)) => {
                self.tenant = Tenant::fold(self.tenant.take(), event);
            }
            (StreamId::Client(id), Event::Client(event)) if id == self.id => {
                self.client = Client::fold(self.client.take(), event);
            }
            (StreamId::SecretRotation(id), Event::SecretRotation(event)) if id == self.id => {
                let before = std::mem::take(&mut self.secrets);
                self.secrets = SecretRotation::fold(Some(before), event).unwrap_or_default();
            }
            (StreamId::Api(id), Event::Api(event)) => {
                if let Some(api) = Api::fold(self.apis.remove(&id), event) {
                    self.apis.insert(id, api);
                }
            }
            _ => {}
        }
    }

    /// Whether the policy lets the client authenticate in its way.
    fn method_is_allowed(&self) -> bool {
        let (Some(tenant), Some(client)) = (&self.tenant, &self.client) else {
            return false;
        };
        let ways: &[TokenAuthMethod] = match client.auth_method {
            AuthMethod::ClientSecret => &[
                TokenAuthMethod::ClientSecretBasic,
                TokenAuthMethod::ClientSecretPost,
            ],
            AuthMethod::ClientSecretJwt => &[TokenAuthMethod::ClientSecretJwt],
            AuthMethod::PrivateKeyJwt => &[TokenAuthMethod::PrivateKeyJwt],
        };
        ways.iter()
            .any(|way| tenant.policy.allowed_auth_methods.contains(way))
    }

    /// The secrets, where the client authenticates with secrets.
    fn usable_secrets(&self) -> impl Iterator<Item = (SecretId, &Secret)> {
        let client = self.client.as_ref();
        let uses = client.is_some_and(|client| client.auth_method.has_secrets());
        let secrets = self.secrets.secrets.iter();
        secrets
            .filter(move |_| uses)
            .map(|(id, secret)| (*id, &**secret))
    }

    /// The keys that are registered, where the client authenticates with keys.
    fn usable_keys(&self) -> impl Iterator<Item = KeyId> {
        let client = self.client.iter();
        let signing = client.filter(|client| !client.auth_method.has_secrets());
        signing.flat_map(Client::live_keys).map(|(id, _)| id)
    }

    /// The credentials that are accepted at a moment, and whether each is retiring.
    fn accepted(&self, at: Timestamp) -> impl Iterator<Item = (CredentialId, bool)> {
        let secrets = self.usable_secrets().filter_map(move |(id, secret)| {
            let state = secret.state(at);
            let retiring = state == SecretState::Retiring;
            state.is_accepted().then_some((id.into(), retiring))
        });
        secrets.chain(self.usable_keys().map(|id| (id.into(), false)))
    }

    /// The APIs for which the client could get tokens.
    fn granted(&self) -> impl Iterator<Item = (ApiId, &Api)> {
        let grants = self.client.iter().flat_map(|client| client.grants.keys());
        grants
            .filter_map(|id| Some((*id, self.apis.get(id)?)))
            .filter(|(_, api)| match api.state {
                ApiState::Active => true,
                ApiState::Retired => false,
            })
    }

    fn tell(&self, facts: &Facts, at: Timestamp) -> Option<AccessAt> {
        let (tenant, client) = (self.tenant.as_ref()?, self.client.as_ref()?);
        let held = |what, since| Held { what, since };
        let (tenant, client_state) = (tenant.state, client.state(at));
        let obstacles = facts.obstacles().map(|(what, since)| held(what, since));
        let apis = self.granted().filter_map(|(id, api)| {
            let scopes = facts.scopes(id).map(|(what, since)| Held { what, since });
            let roles = facts.roles(id).map(|(what, since)| Held { what, since });
            Some(ApiAccess {
                api: id,
                identifier: api.identifier.clone(),
                since: facts.since(&Fact::Granted(id))?,
                scopes: scopes.collect(),
                roles: roles.collect(),
            })
        });
        let credentials = self.accepted(at).filter_map(|(credential, retiring)| {
            let mut since = facts.since(&Fact::Live(credential))?;
            if let CredentialId::Secret(id) = credential {
                let begin = self.secrets.secrets.get(&id)?.not_before;
                since.from = since.from.max(begin.unwrap_or(since.from));
            }
            Some(CredentialAccess {
                credential,
                retiring,
                since,
            })
        });
        Some(AccessAt {
            at,
            tenant: Held {
                what: tenant,
                since: facts.since(&Fact::Tenant(tenant))?,
            },
            client: Held {
                what: client_state,
                since: facts.since(&Fact::Client(client_state))?,
            },
            obstacles: obstacles.collect(),
            apis: apis.collect(),
            credentials: credentials.collect(),
        })
    }
}
