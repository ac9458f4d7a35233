//! What the directory keeps of a tenant, as a token decision needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chancery_crypto::{JwkSet, PublicJwk, SigningKey};
use chancery_domain::{
    ApiId, KeyId, TenantId, Timestamp,
    api::Api,
    key_ring::Algorithms,
    tenant::{SigningAlgorithm, Tenant},
    value::ApiIdentifier,
};
use chancery_event_store::Stamp;

/// A tenant, with everything that all its clients share.
///
/// Its parts were read one after the other, none before the stamp: each is at least as new as the
/// tenant's roll was at its stamp.
#[derive(Debug)]
pub struct TenantEntry {
    /// The tenant.
    pub id: TenantId,
    /// The state of the tenant's roll when it was filled, read before the rest.
    pub stamp: Stamp,
    /// When the newest of the entries that this is made of was recorded. A clock that is behind it
    /// is wrong.
    pub newest: Timestamp,
    /// Its slug, state and policy.
    pub tenant: Tenant,
    /// Its APIs.
    pub apis: Apis,
    /// Its signing keys.
    pub keys: Keys,
}

/// A tenant's APIs, found by id and by identifier.
#[derive(Debug, Default)]
pub struct Apis {
    by_id: BTreeMap<ApiId, Api>,
    by_identifier: BTreeMap<ApiIdentifier, ApiId>,
}

impl Apis {
    /// The API of this id.
    pub fn get(&self, id: ApiId) -> Option<&Api> {
        self.by_id.get(&id)
    }

    /// Every API.
    pub fn iter(&self) -> impl Iterator<Item = &Api> {
        self.by_id.values()
    }

    /// The API of this identifier, compared byte for byte.
    pub fn by_identifier(&self, identifier: &ApiIdentifier) -> Option<(ApiId, &Api)> {
        let id = *self.by_identifier.get(identifier)?;
        Some((id, self.by_id.get(&id)?))
    }
}

impl FromIterator<(ApiId, Api)> for Apis {
    fn from_iter<I: IntoIterator<Item = (ApiId, Api)>>(apis: I) -> Self {
        let by_id: BTreeMap<_, _> = apis.into_iter().collect();
        let by_identifier = by_id
            .iter()
            .map(|(id, api)| (api.identifier.clone(), *id))
            .collect();
        Self {
            by_id,
            by_identifier,
        }
    }
}

/// A tenant's signing keys: all that are published, and the one of each algorithm that signs.
#[derive(Debug, Default)]
pub struct Keys {
    /// The number of the key ring's last event: another number, another key set.
    pub version: i64,
    /// Every key of the ring that is not revoked.
    pub published: Vec<PublishedKey>,
    /// Of each algorithm the keys that sign or will, parsed, in the order in which they do.
    pub(crate) signing: BTreeMap<SigningAlgorithm, Vec<Signer>>,
    /// Who signs with what, and from when.
    pub algorithms: Algorithms,
}

/// A key that signs from a moment on.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) from: Timestamp,
    pub(crate) key: Arc<SigningKey>,
}

/// A key, and how long it is in the key set.
#[derive(Debug)]
pub struct PublishedKey {
    /// Its id.
    pub id: KeyId,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// Its public side.
    pub jwk: PublicJwk,
    /// When it leaves the key set, because whatever it signed has ended by then. `None`: it stays.
    pub until: Option<Timestamp>,
}

impl Keys {
    /// The public key set (RFC 7517) at a moment: the keys that sign, those that will, and those whose
    /// tokens may still live.
    pub fn set(&self, now: Timestamp) -> JwkSet {
        JwkSet {
            keys: self.in_set(now).map(|key| key.jwk.clone()).collect(),
        }
    }

    /// The keys of that set.
    pub fn in_set(&self, now: Timestamp) -> impl Iterator<Item = &PublishedKey> {
        let stays = move |key: &&PublishedKey| key.until.is_none_or(|until| now < until);
        self.published.iter().filter(stays)
    }

    /// The key that signs with this algorithm at a moment. It goes by the time alone: nothing has to be
    /// recorded, or filled again, for the next key to take over.
    pub fn signing(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let keys = self.signing.get(&algorithm)?;
        let begun = keys.iter().rev().find(|signer| signer.from <= now);
        // A clock that is a little behind what was recorded.
        let signer = begun.or_else(|| keys.first())?;
        Some(&signer.key)
    }

    /// The next moment at which another key begins to sign, of any algorithm.
    pub fn next_switch(&self, now: Timestamp) -> Option<Timestamp> {
        let keys = self.signing.values().flatten().map(|signer| signer.from);
        keys.filter(|from| *from > now)
            .chain(self.algorithms.next_switch(now))
            .min()
    }
}
