//! A tenant's signing keys.

mod algorithms;
mod event;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use algorithms::Algorithms;
pub use event::KeyRingEvent;

use crate::{
    aggregate::Fold,
    change::{ChangeSet, VaultRow},
    command::State,
    event::Event,
    id::{ApiId, KeyId, TenantId},
    refusal::refusals,
    stream::{AggregateType, StreamId},
    tenant::SigningAlgorithm,
    time::Timestamp,
    value::PublicJwk,
};

/// A tenant's signing keys, by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyRing {
    /// Every key that was ever on the ring.
    pub keys: BTreeMap<KeyId, SigningKey>,
    /// Which algorithms are in use, and which were.
    #[serde(default)]
    pub algorithms: Algorithms,
}

/// A signing key's public side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The public key (RFC 7517).
    pub public_jwk: PublicJwk,
    /// When it was made.
    pub generated_at: Timestamp,
    /// From when on it may sign.
    pub activates_at: Timestamp,
    /// When it began to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// In the key set, but not signing yet.
    Published,
    /// Signing.
    Active,
    /// Signing no more, since nothing is signed with its algorithm any more; in the key set for as long
    /// as a token that it signed may live.
    Retiring,
    /// Neither signing nor in the key set. It comes back when its algorithm is chosen again.
    Retired,
}

impl SigningKey {
    /// Whether it has begun to sign, and not been followed by another.
    fn is_active(&self) -> bool {
        self.activated_at.is_some()
    }
}

/// A key that was made and sealed before the command that adds it.
#[derive(Clone)]
pub struct NewKey {
    /// Its id: the `kid` of the tokens that it will sign.
    pub key: KeyId,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// Its public side (RFC 7517).
    pub public_jwk: PublicJwk,
    /// Which master key sealed its private side.
    pub master_key_id: String,
    /// Its private side, sealed.
    pub sealed: Vec<u8>,
}

refusals! {
    /// The rules of the signing keys.
    KeyRingRefusal {
        #[error("the tenant has no active {algorithm} key, since others changed its keys at the same moment; send the request again", algorithm = .algorithm.as_str())]
        NoActiveKey { algorithm: SigningAlgorithm } = "NO_ACTIVE_KEY",
    }
}

/// What it takes for the tenant's tokens, or those of one of its APIs, to be signed with an algorithm, or
/// with none of their own: an active key, and that the ring knows it.
///
/// # Errors
/// [`KeyRingRefusal::NoActiveKey`].
pub(crate) fn chosen(
    ring: &KeyRing,
    tenant: TenantId,
    (api, algorithm): (Option<ApiId>, Option<SigningAlgorithm>),
    new: Option<&NewKey>,
    now: Timestamp,
) -> Result<ChangeSet, KeyRingRefusal> {
    let mut change = match algorithm {
        Some(algorithm) => activated(ring, tenant, algorithm, new, now)?,
        None => ChangeSet::default(),
    };
    change.push(
        StreamId::KeyRing(tenant),
        KeyRingEvent::AlgorithmChosen {
            api,
            algorithm,
            chosen_at: now,
        },
    );
    Ok(change)
}

/// What it takes for an algorithm to have an active key: nothing when it has one, else the one that
/// was made in case.
///
/// An algorithm's first key signs at once. A verifier that has cached the key set meets an unknown
/// `kid` and has to fetch the set again before it can verify; the lead with which a key is published
/// before it signs comes with rotation. A key whose
/// algorithm went out of use signs again.
///
/// # Errors
/// [`KeyRingRefusal::NoActiveKey`].
fn activated(
    ring: &KeyRing,
    tenant: TenantId,
    algorithm: SigningAlgorithm,
    new: Option<&NewKey>,
    now: Timestamp,
) -> Result<ChangeSet, KeyRingRefusal> {
    if ring.active(algorithm).is_some() {
        return Ok(ChangeSet::default());
    }
    match new {
        Some(key) if key.algorithm == algorithm => Ok(KeyRing::begin(tenant, key, now)),
        _ => Err(KeyRingRefusal::NoActiveKey { algorithm }),
    }
}

impl KeyRing {
    /// The first key of an algorithm, which signs at once. For a new ring there is nobody yet who
    /// could have cached a key set without it.
    pub(crate) fn begin(tenant: TenantId, new: &NewKey, now: Timestamp) -> ChangeSet {
        let mut change = ChangeSet::of(
            StreamId::KeyRing(tenant),
            [
                KeyRingEvent::KeyGenerated {
                    key: new.key,
                    algorithm: new.algorithm,
                    public_jwk: new.public_jwk.clone(),
                    generated_at: now,
                    activates_at: now,
                },
                KeyRingEvent::KeyActivated {
                    key: new.key,
                    activated_at: now,
                },
            ],
        );
        change.keep(VaultRow::SealedKey {
            key: new.key,
            master_key_id: new.master_key_id.clone(),
            sealed: new.sealed.clone(),
        });
        change
    }

    /// Where a key of the ring is in its life.
    pub fn state(&self, key: &SigningKey, now: Timestamp) -> KeyState {
        if !key.is_active() {
            return KeyState::Published;
        }
        match self.retires_at(key) {
            None => KeyState::Active,
            Some(end) if now < end => KeyState::Retiring,
            Some(_) => KeyState::Retired,
        }
    }

    /// When a key leaves the key set: when the last token that it can have signed has ended. `None`: it
    /// stays, because its algorithm is in use, or because it waits to sign.
    pub fn retires_at(&self, key: &SigningKey) -> Option<Timestamp> {
        let left = self.algorithms.left_at(key.algorithm)?;
        key.is_active()
            .then(|| left.plus_seconds(Algorithms::TOKENS_HAVE_ENDED_AFTER))
    }

    /// The key that signs with this algorithm now.
    pub fn active(&self, algorithm: SigningAlgorithm) -> Option<(KeyId, &SigningKey)> {
        self.keys
            .iter()
            .filter(|(_, key)| key.algorithm == algorithm && key.is_active())
            .max_by_key(|(_, key)| key.activated_at)
            .map(|(id, key)| (*id, key))
    }
}

impl Fold for KeyRing {
    const TYPE: AggregateType = AggregateType::KeyRing;
    type Event = KeyRingEvent;

    fn fold(before: Option<Self>, event: &KeyRingEvent) -> Option<Self> {
        match event {
            KeyRingEvent::KeyGenerated {
                key,
                algorithm,
                public_jwk,
                generated_at,
                activates_at,
            } => {
                let mut ring = before.unwrap_or_default();
                ring.algorithms.begin(*algorithm);
                ring.keys.insert(
                    *key,
                    SigningKey {
                        algorithm: *algorithm,
                        public_jwk: public_jwk.clone(),
                        generated_at: *generated_at,
                        activates_at: *activates_at,
                        activated_at: None,
                    },
                );
                Some(ring)
            }
            KeyRingEvent::AlgorithmChosen {
                api,
                algorithm,
                chosen_at,
            } => before.map(|mut ring| {
                ring.algorithms.choose(*api, *algorithm, *chosen_at);
                ring
            }),
            KeyRingEvent::KeyActivated { key, activated_at } => before.map(|mut ring| {
                if let Some(key) = ring.keys.get_mut(key) {
                    key.activated_at = Some(*activated_at);
                }
                ring
            }),
        }
    }

    fn event(event: &Event) -> Option<&KeyRingEvent> {
        match event {
            Event::KeyRing(event) => Some(event),
            _ => None,
        }
    }

    fn into_state(state: Option<Self>) -> State {
        State::KeyRing(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, new_key};

    #[test]
    fn the_key_that_began_last_signs() {
        let published = SigningKey {
            algorithm: SigningAlgorithm::Es256,
            public_jwk: new_key().public_jwk,
            generated_at: NOW,
            activates_at: NOW,
            activated_at: None,
        };
        let active = |seconds| SigningKey {
            activated_at: Some(NOW.plus_seconds(seconds)),
            ..published.clone()
        };
        let id = |number| KeyId::new(NOW, [number; 10]);
        let ring = KeyRing {
            keys: [
                (id(1), active(2)),
                (id(2), active(1)),
                (id(3), published.clone()),
            ]
            .into(),
            algorithms: Algorithms::default(),
        };
        let (key, _) = ring.active(SigningAlgorithm::Es256).unwrap();
        assert_eq!(key, id(1));
        assert!(ring.active(SigningAlgorithm::EdDsa).is_none());
        let waiting = KeyRing {
            keys: [(id(3), published)].into(),
            algorithms: Algorithms::default(),
        };
        assert!(waiting.active(SigningAlgorithm::Es256).is_none());
    }
}
