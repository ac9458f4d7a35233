//! A client: who it is, what it may ask for, and whether it may.

mod authentication;
mod create;
mod delete;
mod disable;
mod enable;
mod event;
mod expire;
mod expiry;
mod grant;
mod keys;
mod revoke_key;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use create::CreateClient;
pub use delete::DeleteClient;
pub use disable::DisableClient;
pub use enable::EnableClient;
pub use event::{ClientEvent, RegisteredKey};
pub use expire::ExpireClient;
pub use expiry::Expiry;
pub use grant::GrantRequest;
pub use keys::{ClientKey, KeyEnd, NewClientKey};
pub use revoke_key::RevokeClientKey;
pub use update::UpdateClient;

use crate::{
    aggregate::Fold,
    command::State,
    event::Event,
    id::{ApiId, KeyId},
    json::JsonObject,
    refusal::refusals,
    stream::AggregateType,
    tenant::AuthMethod,
    time::Timestamp,
    value::{ApiIdentifier, ClientName, CustomClaims, Description, RoleName, ScopeSet, Slug},
};

/// What a client may ask for at one API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The API's identifier.
    pub identifier: ApiIdentifier,
    /// The scopes that are granted by name.
    pub scopes: ScopeSet,
    /// The roles, each of which grants its scopes.
    pub roles: BTreeSet<RoleName>,
    /// How often the API's scopes and roles had been changed when it was given.
    #[serde(default, skip_serializing_if = "event::is_first")]
    pub api_generation: u32,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// The name for people.
    pub name: Option<ClientName>,
    /// What it is for.
    pub description: Option<Description>,
    /// What the operator notes about it.
    pub metadata: JsonObject,
    /// What it authenticates with.
    pub auth_method: AuthMethod,
    /// The keys that its assertions are signed with, by id, and those that were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<KeyId, ClientKey>,
    /// Claims that it adds to its tokens.
    pub custom_claims: CustomClaims,
    /// The APIs whose tokens it may introspect.
    pub serves: BTreeSet<ApiIdentifier>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it is recorded that this has passed. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expiry_recorded: bool,
    /// What it may ask for, by API. Each in a box: a B-tree has room for eleven, and most clients have one.
    pub grants: BTreeMap<ApiId, Box<Grant>>,
    /// What an operator decided about it.
    pub standing: Standing,
}

/// What an operator decided about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may obtain tokens until it ends.
    Enabled,
    /// It may not for now.
    Disabled,
    /// It may not any more.
    Deleted,
}

impl Standing {
    /// Whether a client of this standing, which ends then, may obtain tokens at this moment.
    pub fn at(self, expires_at: Option<Timestamp>, now: Timestamp) -> ClientState {
        match self {
            Self::Deleted => ClientState::Deleted,
            Self::Disabled => ClientState::Disabled,
            Self::Enabled if expires_at.is_some_and(|end| end <= now) => ClientState::Expired,
            Self::Enabled => ClientState::Active,
        }
    }
}

/// Whether a client may obtain tokens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientState {
    /// It may.
    Active,
    /// An operator disabled it.
    Disabled,
    /// Its end has passed.
    Expired,
    /// An operator deleted it.
    Deleted,
}

refusals! {
    /// The rules of a client.
    ClientRefusal {
        #[error("the client exists already")]
        AlreadyExists = "CLIENT_EXISTS",
        #[error("the tenant's policy requires a name for every client")]
        NameRequired = "NAME_REQUIRED",
        #[error("the tenant's policy allows no metadata on clients")]
        MetadataNotAllowed = "METADATA_NOT_ALLOWED",
        #[error("the policy of the tenant {tenant} does not allow clients that authenticate with {method}; its allowedAuthMethods must have {needs}")]
        AuthMethodNotAllowed { tenant: Slug, method: &'static str, needs: &'static str } = "AUTH_METHOD_NOT_ALLOWED",
        #[error("the way in which the client authenticates was changed at the same moment; send it again")]
        AuthMethodChanged = "AUTH_METHOD_CHANGED",
        #[error("a client that authenticates with PRIVATE_KEY_JWT needs its public keys; give them as jwks")]
        KeysRequired = "KEYS_REQUIRED",
        #[error("only a client that authenticates with PRIVATE_KEY_JWT has keys; leave jwks out, or set authMethod")]
        KeysNotAllowed = "KEYS_NOT_ALLOWED",
        #[error("the key `{kid}` was revoked and cannot be registered again; make another one")]
        KeyCannotReturn { kid: String } = "KEY_CANNOT_RETURN",
        #[error("the key is revoked already")]
        KeyAlreadyRevoked = "KEY_REVOKED",
        #[error("the tenant's policy demands an end within {max_days} days; give expiresInDays or expiresAt")]
        ExpiryRequired { max_days: u32 } = "EXPIRY_REQUIRED",
        #[error("the client would live less than the {min_days} day(s) that the tenant's policy demands")]
        LifetimeTooShort { min_days: u32 } = "LIFETIME_TOO_SHORT",
        #[error("the client would live longer than the {max_days} day(s) that the tenant's policy allows")]
        LifetimeTooLong { max_days: u32 } = "LIFETIME_TOO_LONG",
        #[error("the API {identifier} stands in the grants twice; give each API once")]
        DuplicateGrant { identifier: ApiIdentifier } = "DUPLICATE_GRANT",
        #[error("the API {identifier} has no scope {scopes}; add it with updateApi first")]
        UnknownScope { identifier: ApiIdentifier, scopes: String } = "UNKNOWN_SCOPE",
        #[error("the built-in admin API has no scope {scopes} in this tenant: it has {has}. `platform:admin` and `platform:read` exist in the tenant `system` alone; make the client there (leave --tenant out for an operator), or use one that is here")]
        NotOfAdminApi { scopes: String, has: String } = "UNKNOWN_SCOPE",
        #[error("the API {identifier} has no role {roles}; add it with updateApi first")]
        UnknownRole { identifier: ApiIdentifier, roles: String } = "UNKNOWN_ROLE",
        #[error("a client cannot serve the built-in admin API")]
        ServesAdminApi = "SERVES_ADMIN_API",
        #[error("the client is disabled already")]
        AlreadyDisabled = "CLIENT_DISABLED",
        #[error("the client is not disabled, so there is nothing to enable")]
        NotDisabled = "CLIENT_NOT_DISABLED",
        #[error("the client has expired; give it a later end with updateClient first")]
        Expired = "CLIENT_EXPIRED",
        #[error("the client is deleted, which is final; create another")]
        Deleted = "CLIENT_DELETED",
        #[error("the client does not authenticate with a secret")]
        HasNoSecret = "CLIENT_HAS_NO_SECRET",
    }
}

impl Client {
    /// Whether it may obtain tokens at this moment.
    pub fn state(&self, now: Timestamp) -> ClientState {
        self.standing.at(self.expires_at, now)
    }

    /// The client, unless it is deleted: nothing of a deleted client can be changed.
    ///
    /// # Errors
    /// [`ClientRefusal::Deleted`].
    pub fn existing(&self) -> Result<&Self, ClientRefusal> {
        match self.standing {
            Standing::Enabled | Standing::Disabled => Ok(self),
            Standing::Deleted => Err(ClientRefusal::Deleted),
        }
    }
}

impl Fold for Client {
    const TYPE: AggregateType = AggregateType::Client;
    type Event = ClientEvent;

    fn fold(before: Option<Self>, event: &ClientEvent) -> Option<Self> {
        match event.clone() {
            ClientEvent::ClientCreated {
                name,
                description,
                metadata,
                auth_method,
                custom_claims,
                serves,
                expires_at,
            } => Some(Self {
                name,
                description,
                metadata,
                auth_method,
                keys: BTreeMap::new(),
                custom_claims,
                serves,
                expires_at,
                expiry_recorded: false,
                grants: BTreeMap::new(),
                standing: Standing::Enabled,
            }),
            ClientEvent::ClientDescribed { name, description } => before.map(|client| Self {
                name,
                description,
                ..client
            }),
            ClientEvent::ClientMetadataChanged { metadata } => {
                before.map(|client| Self { metadata, ..client })
            }
            ClientEvent::ClientGranted {
                api,
                identifier,
                scopes,
                roles,
                api_generation,
            } => before.map(|mut client| {
                let grant = Grant {
                    identifier,
                    scopes,
                    roles,
                    api_generation,
                };
                client.grants.insert(api, Box::new(grant));
                client
            }),
            ClientEvent::ClientGrantRevoked { api, identifier: _ } => before.map(|mut client| {
                client.grants.remove(&api);
                client
            }),
            ClientEvent::ClientClaimsChanged { custom_claims } => before.map(|client| Self {
                custom_claims,
                ..client
            }),
            ClientEvent::ClientServesChanged { serves } => {
                before.map(|client| Self { serves, ..client })
            }
            ClientEvent::ClientAuthMethodChanged { auth_method } => before.map(|client| Self {
                auth_method,
                ..client
            }),
            ClientEvent::ClientKeysChanged { keys } => before.map(|client| Self {
                keys: keys::replaced(client.keys, keys),
                ..client
            }),
            ClientEvent::ClientKeyRevoked {
                key,
                reason: _,
                compromised,
            } => before.map(|client| Self {
                keys: keys::revoked(client.keys, key, compromised),
                ..client
            }),
            ClientEvent::ClientExpiryChanged { expires_at } => before.map(|client| Self {
                expires_at,
                expiry_recorded: false,
                ..client
            }),
            ClientEvent::ClientExpired { expired_at: _ } => before.map(|client| Self {
                expiry_recorded: true,
                ..client
            }),
            ClientEvent::ClientDisabled { reason: _ } => before.map(|client| Self {
                standing: Standing::Disabled,
                ..client
            }),
            ClientEvent::ClientEnabled {} => before.map(|client| Self {
                standing: Standing::Enabled,
                ..client
            }),
            ClientEvent::ClientDeleted { reason: _ } => before.map(|client| Self {
                standing: Standing::Deleted,
                ..client
            }),
        }
    }

    fn event(event: &Event) -> Option<&ClientEvent> {
        match event {
            Event::Client(event) => Some(event),
            _ => None,
        }
    }

    fn into_state(state: Option<Self>) -> State {
        State::Client(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, deleted, disabled, with_billing};

    #[test]
    fn a_client_lives_by_the_clock_and_its_standing() {
        let events = with_billing();
        let billing = events.iter().filter_map(|(_, event)| Client::event(event));
        let client = billing.fold(None, Client::fold).unwrap();
        let ending = Client {
            expires_at: Some(NOW.plus_seconds(10)),
            ..client.clone()
        };
        let at = |client: &Client, seconds| client.state(NOW.plus_seconds(seconds));
        assert_eq!(at(&client, 10), ClientState::Active);
        assert_eq!(at(&ending, 9), ClientState::Active);
        assert_eq!(at(&ending, 10), ClientState::Expired);
        let disabled = Client::fold(Some(ending), &disabled()).unwrap();
        assert_eq!(at(&disabled, 10), ClientState::Disabled);
        let deleted = Client::fold(Some(disabled), &deleted()).unwrap();
        assert_eq!(at(&deleted, 10), ClientState::Deleted);
    }
}
