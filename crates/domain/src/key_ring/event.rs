use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::event_kinds, id::KeyId, tenant::SigningAlgorithm, time::Timestamp, value::PublicJwk,
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
        /// From when on it may sign.
        activates_at: Timestamp,
    },
    /// The key signs from now on.
    KeyActivated {
        /// The key.
        key: KeyId,
        /// When it began.
        activated_at: Timestamp,
    },
}

event_kinds!(KeyRingEvent {
    KeyGenerated = 1,
    KeyActivated = 1,
});
