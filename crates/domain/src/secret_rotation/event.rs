use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::event_kinds,
    id::SecretId,
    time::Timestamp,
    value::{Hint, Label, Reason},
};

/// What happens to a client's secrets. The secret itself and its hash are never here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload", deny_unknown_fields)]
pub enum SecretRotationEvent {
    /// A secret was issued; those before it stay as they are.
    SecretIssued {
        /// The new secret.
        issued: IssuedSecret,
    },
    /// A secret was issued, and those before it retire.
    SecretRotated {
        /// The new secret.
        issued: IssuedSecret,
        /// When each older one retires.
        retires: Vec<Retirement>,
    },
    /// A retiring secret gets more time.
    RetirementDeferred {
        /// The secret.
        secret: SecretId,
        /// From when on it is not accepted any more.
        retires_at: Timestamp,
    },
    /// A secret has retired, since another took its place. It was not accepted from its time on,
    /// however late this is recorded.
    SecretRetired {
        /// The secret.
        secret: SecretId,
    },
    /// A secret's end has passed. It was not accepted from its time on, however late this is
    /// recorded.
    SecretExpired {
        /// The secret.
        secret: SecretId,
    },
    /// The client's secret is to be rotated regularly.
    RotationScheduled {
        /// The time between two rotations, in seconds.
        every_seconds: u32,
        /// How long the old secret stays accepted, in seconds.
        overlap_seconds: u32,
        /// When the next rotation is due.
        next_due_at: Timestamp,
    },
    /// The client's secret need not be rotated regularly any more.
    RotationScheduleCancelled {},
    /// A rotation is due soon: it is said once, ahead of time.
    RotationDue {
        /// When it is due.
        due_at: Timestamp,
    },
    /// A secret is refused from now on, everywhere.
    SecretRevoked {
        /// The secret.
        secret: SecretId,
        /// Why.
        reason: Reason,
        /// Whether somebody else may have had it; then the tokens that it obtained are inactive too.
        compromised: bool,
    },
}

/// What is known of a secret when it is issued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuedSecret {
    /// Its id.
    pub secret: SecretId,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Its last four characters.
    pub hint: Hint,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is accepted. Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// From when on it is not accepted any more. Absent: it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it is to be rotated, where its client has no schedule of its own. Absent: nobody is reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_by: Option<Timestamp>,
}

/// When a secret retires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// The secret.
    pub secret: SecretId,
    /// From when on it is not accepted any more.
    pub retires_at: Timestamp,
}

event_kinds!(SecretRotationEvent {
    SecretIssued = 1,
    SecretRotated = 1,
    RetirementDeferred = 1,
    SecretRetired = 1 by the_clock,
    SecretExpired = 1 by the_clock,
    RotationScheduled = 1,
    RotationScheduleCancelled = 1,
    RotationDue = 1,
    SecretRevoked = 1,
});
