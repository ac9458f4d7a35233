use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::event_kinds,
    id::{ApiId, KeyId},
    tenant::SigningAlgorithm,
    time::Timestamp,
    value::PublicJwk,
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
    /// The tenant's tokens, or those of one API, are signed with another algorithm from now on.
    AlgorithmChosen {
        /// The API. Absent: the tenant's tokens, where their API has no algorithm of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api: Option<ApiId>,
        /// The algorithm. Absent: the API has none of its own any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        algorithm: Option<SigningAlgorithm>,
        /// Since when.
        chosen_at: Timestamp,
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
    AlgorithmChosen = 1,
    KeyActivated = 1,
});
