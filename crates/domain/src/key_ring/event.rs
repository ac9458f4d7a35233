use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::event_kinds,
    id::{ApiId, KeyId},
    tenant::SigningAlgorithm,
    time::Timestamp,
    value::{PublicJwk, Reason},
};

/// What happens to a tenant's signing keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload", deny_unknown_fields)]
pub enum KeyRingEvent {
    /// A key was made; from now on it is in the key set.
    KeyGenerated {
        /// Its id: the `kid` of its tokens.
        key: KeyId,
        /// What it signs with.
        algorithm: SigningAlgorithm,
        /// The public key (RFC 7517); the private one is in the vault, sealed.
        public_jwk: PublicJwk,
        /// When it was made.
        generated_at: Timestamp,
        /// From when on it signs.
        activates_at: Timestamp,
        /// After how many days it is to be followed by another, without anybody's doing. Absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rotation_days: Option<u32>,
    },
    /// The tenant's tokens, or those of one API, are to be signed with another algorithm.
    AlgorithmChosen {
        /// The API. Absent: the tenant's tokens, where their API has no algorithm of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api: Option<ApiId>,
        /// The algorithm. Absent: the API has none of its own any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        algorithm: Option<SigningAlgorithm>,
        /// When it was chosen; from then on its keys are in the key set.
        chosen_at: Timestamp,
        /// From when on it signs: once everybody who keeps a key set has had the time to see its keys.
        /// Absent: at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signs_from: Option<Timestamp>,
    },
    /// Keys are to be followed by others after another time than before.
    KeyRotationScheduled {
        /// After how many days. Absent: only when an operator says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rotation_days: Option<u32>,
    },
    /// The key signs since then, however late this is recorded.
    KeyActivated {
        /// The key.
        key: KeyId,
        /// When it began. Earlier than it was to: the one before it was revoked.
        activated_at: Timestamp,
    },
    /// The key is out of the key set since then, however late this is recorded: everything that it signed
    /// has ended.
    KeyRetired {
        /// The key.
        key: KeyId,
        /// When it left.
        retired_at: Timestamp,
    },
    /// The key is out of the key set from now on, and what it signed is not to be trusted.
    KeyRevoked {
        /// The key.
        key: KeyId,
        /// Why.
        reason: Reason,
        /// When.
        revoked_at: Timestamp,
    },
}

event_kinds!(KeyRingEvent {
    KeyGenerated = 1,
    AlgorithmChosen = 1,
    KeyRotationScheduled = 1,
    KeyActivated = 1 by the_clock,
    KeyRetired = 1 by the_clock,
    KeyRevoked = 1,
});
