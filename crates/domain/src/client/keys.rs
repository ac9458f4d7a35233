//! The keys that a client's assertions are signed with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Client, ClientEvent, ClientRefusal, RegisteredKey};
use crate::{
    id::KeyId,
    time::Timestamp,
    value::{ClientJwk, ClientJwks},
};

/// A public key with the id that it gets if it is new to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClientKey {
    /// The id.
    pub key: KeyId,
    /// The key.
    pub jwk: ClientJwk,
}

impl NewClientKey {
    /// The keys of a set, each with an id of its own.
    pub fn of(jwks: &ClientJwks, mut id: impl FnMut() -> KeyId) -> Vec<Self> {
        let keys = jwks.keys().iter().cloned();
        keys.map(|jwk| Self { key: id(), jwk }).collect()
    }
}

/// A key that a client has or had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientKey {
    /// The public key. It is kept after its end, so that one that was revoked cannot come back.
    pub jwk: ClientJwk,
    /// When it was registered first.
    pub registered_at: Timestamp,
    /// How it ended. Absent: it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<KeyEnd>,
}

/// How a client's key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyEnd {
    /// It was left out of a later key set; it may come back.
    Removed,
    /// An operator revoked it; the tokens that it obtained stay as they are.
    Revoked,
    /// Somebody else may have had it; the tokens that it obtained are inactive.
    Compromised,
}

impl KeyEnd {
    /// Whether the key can never be registered again.
    pub fn is_final(self) -> bool {
        match self {
            Self::Removed => false,
            Self::Revoked | Self::Compromised => true,
        }
    }

    /// Whether the tokens that the key obtained are inactive.
    pub fn reaches_tokens(self) -> bool {
        match self {
            Self::Removed | Self::Revoked => false,
            Self::Compromised => true,
        }
    }
}

impl Client {
    /// The keys that are accepted.
    pub fn live_keys(&self) -> impl Iterator<Item = (KeyId, &ClientKey)> {
        self.keys
            .iter()
            .filter(|(_, key)| key.ended.is_none())
            .map(|(id, key)| (*id, key))
    }
}

/// The event by which exactly these keys are the live ones. A key that the client has or had keeps
/// its id, so that what is said of the id later reaches every token that the key obtained.
pub(super) fn registered(
    keys: &[NewClientKey],
    before: &BTreeMap<KeyId, ClientKey>,
    now: Timestamp,
) -> Result<Option<ClientEvent>, ClientRefusal> {
    let mut registered = Vec::with_capacity(keys.len());
    for new in keys {
        let known = before
            .iter()
            .find(|(_, known)| known.jwk.is_same_key(&new.jwk));
        if known.is_some_and(|(_, known)| known.ended.is_some_and(KeyEnd::is_final)) {
            let kid = new.jwk.kid().to_owned();
            return Err(ClientRefusal::KeyCannotReturn { kid });
        }
        registered.push(RegisteredKey {
            key: known.map_or(new.key, |(id, _)| *id),
            jwk: new.jwk.clone(),
            registered_at: known.map_or(now, |(_, known)| known.registered_at),
        });
    }
    registered.sort_by_key(|registered| registered.key);
    let live = before.iter().filter(|(_, key)| key.ended.is_none());
    let same = live.map(|(id, key)| (*id, &key.jwk)).eq(registered
        .iter()
        .map(|registered| (registered.key, &registered.jwk)));
    Ok((!same).then_some(ClientEvent::ClientKeysChanged { keys: registered }))
}

/// What `ClientKeysChanged` makes of the keys.
pub(super) fn replaced(
    mut before: BTreeMap<KeyId, ClientKey>,
    keys: Vec<RegisteredKey>,
) -> BTreeMap<KeyId, ClientKey> {
    for key in before.values_mut() {
        key.ended.get_or_insert(KeyEnd::Removed);
    }
    for registered in keys {
        let key = ClientKey {
            jwk: registered.jwk,
            registered_at: registered.registered_at,
            ended: None,
        };
        before.insert(registered.key, key);
    }
    before
}

/// What `ClientKeyRevoked` makes of the keys.
pub(super) fn revoked(
    mut before: BTreeMap<KeyId, ClientKey>,
    key: KeyId,
    compromised: bool,
) -> BTreeMap<KeyId, ClientKey> {
    if let Some(key) = before.get_mut(&key) {
        key.ended = Some(if compromised {
            KeyEnd::Compromised
        } else {
            KeyEnd::Revoked
        });
    }
    before
}
