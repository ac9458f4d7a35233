//! A tenant's signing keys.

mod algorithms;
mod choose;
mod due;
mod event;
mod life;
mod revoke;
mod rotate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use algorithms::Algorithms;
pub(crate) use choose::{Switch, chosen, scheduled};
pub use due::RecordDueKeys;
pub use event::KeyRingEvent;
pub use life::KeyState;
pub use revoke::RevokeSigningKey;
pub use rotate::RotateSigningKey;

use crate::{
    aggregate::Fold,
    change::{ChangeSet, VaultRow},
    command::State,
    event::Event,
    id::{KeyId, TenantId},
    refusal::refusals,
    stream::{AggregateType, StreamId},
    tenant::SigningAlgorithm,
    time::Timestamp,
    value::PublicJwk,
};

/// How long a key is in the key set before it signs, in seconds: an hour. Whoever keeps a key set for no
/// longer than this always has the key of the token in its hands.
pub const LEAD_SECONDS: i64 = 3_600;

/// After so many seconds every token has ended that was signed before: the longest life that a policy
/// allows, and five minutes for clocks that differ.
pub const TOKENS_HAVE_ENDED_AFTER: i64 = 86_400 + 300;

/// A tenant's signing keys, by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyRing {
    /// Every key that was ever on the ring.
    pub keys: BTreeMap<KeyId, SigningKey>,
    /// How many there ever were.
    #[serde(default)]
    pub made: u32,
    /// Which algorithms are in use, and which were.
    #[serde(default)]
    pub algorithms: Algorithms,
    /// After how many days a key is to be followed by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_days: Option<u32>,
}

/// A signing key's public side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The ring's first has 1, and each that is made the next: which of two is newer, whatever clocks say.
    #[serde(default)]
    pub number: u32,
    /// The public key (RFC 7517).
    pub public_jwk: PublicJwk,
    /// When it was made.
    pub generated_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// Since when it signs, once that is recorded. Nothing is decided by whether it is: see
    /// [`SigningKey::begins_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// Since when it is out of the key set, once that is recorded. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl SigningKey {
    /// Whether nothing of its end is recorded yet. As long as that is so, the vault has its private side.
    pub fn is_open(&self) -> bool {
        self.revoked_at.is_none() && self.retired_at.is_none()
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
        #[error("the next {algorithm} key is made already and signs from {activates_at}; wait until then, or revoke one of the two", algorithm = .algorithm.as_str())]
        RotationPending { algorithm: SigningAlgorithm, activates_at: Timestamp } = "KEY_ROTATION_PENDING",
        #[error("the key is revoked already")]
        KeyAlreadyRevoked = "SIGNING_KEY_REVOKED",
    }
}

impl NewKey {
    /// What it takes for the ring to have the key.
    fn added(
        &self,
        tenant: TenantId,
        (now, activates_at): (Timestamp, Timestamp),
        rotation_days: Option<u32>,
    ) -> ChangeSet {
        let stream = StreamId::KeyRing(tenant);
        let mut change = ChangeSet::of(
            stream,
            [KeyRingEvent::KeyGenerated {
                key: self.key,
                algorithm: self.algorithm,
                public_jwk: self.public_jwk.clone(),
                generated_at: now,
                activates_at,
                rotation_days,
            }],
        );
        if activates_at <= now {
            change.push(
                stream,
                KeyRingEvent::KeyActivated {
                    key: self.key,
                    activated_at: now,
                },
            );
        }
        change.keep(VaultRow::SealedKey {
            key: self.key,
            master_key_id: self.master_key_id.clone(),
            sealed: self.sealed.clone(),
        });
        change
    }

    /// The first key of a ring. There is nobody yet who could have an older key set, so it signs at once.
    pub(crate) fn first(
        &self,
        tenant: TenantId,
        now: Timestamp,
        rotation_days: Option<u32>,
    ) -> ChangeSet {
        self.added(tenant, (now, now), rotation_days)
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
                rotation_days,
            } => {
                let mut ring = before.unwrap_or_default();
                ring.algorithms.key_made(*algorithm, *generated_at);
                ring.rotation_days = *rotation_days;
                ring.made = ring.made.saturating_add(1);
                ring.keys.insert(
                    *key,
                    SigningKey {
                        algorithm: *algorithm,
                        number: ring.made,
                        public_jwk: public_jwk.clone(),
                        generated_at: *generated_at,
                        activates_at: *activates_at,
                        activated_at: None,
                        retired_at: None,
                        revoked_at: None,
                    },
                );
                Some(ring)
            }
            KeyRingEvent::AlgorithmChosen {
                api,
                algorithm,
                chosen_at,
                signs_from,
            } => before.map(|mut ring| {
                let from = signs_from.unwrap_or(*chosen_at);
                ring.algorithms.choose(*api, *algorithm, (*chosen_at, from));
                if let Some(algorithm) = algorithm {
                    ring.comes_back(*algorithm);
                }
                ring
            }),
            KeyRingEvent::KeyRotationScheduled { rotation_days } => before.map(|ring| Self {
                rotation_days: *rotation_days,
                ..ring
            }),
            KeyRingEvent::KeyActivated { key, activated_at } => before.map(|mut ring| {
                if let Some(key) = ring.keys.get_mut(key) {
                    key.activated_at = Some(*activated_at);
                }
                ring
            }),
            KeyRingEvent::KeyRetired { key, retired_at } => before.map(|mut ring| {
                if let Some(key) = ring.keys.get_mut(key) {
                    key.retired_at = Some(*retired_at);
                }
                ring
            }),
            KeyRingEvent::KeyRevoked {
                key,
                reason: _,
                revoked_at,
            } => before.map(|mut ring| {
                if let Some(key) = ring.keys.get_mut(key) {
                    key.revoked_at = Some(*revoked_at);
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
