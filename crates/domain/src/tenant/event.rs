use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::TenantPolicy;
use crate::{
    event::event_kinds,
    value::{DisplayName, Reason, Slug},
};

/// What happens to a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload", deny_unknown_fields)]
pub enum TenantEvent {
    /// The tenant exists from now on: number 1 of its own roll.
    TenantCreated {
        /// The name in URLs, for ever.
        slug: Slug,
        /// The name for people.
        display_name: DisplayName,
        /// The whole policy.
        policy: TenantPolicy,
    },
    /// It has another name for people.
    TenantRenamed {
        /// The new name.
        display_name: DisplayName,
    },
    /// It has another policy.
    TenantPolicyChanged {
        /// The whole new policy.
        policy: TenantPolicy,
    },
    /// It obtains no tokens for now.
    TenantSuspended {
        /// Why.
        reason: Reason,
    },
    /// It obtains tokens again.
    TenantResumed {},
    /// It obtains no tokens any more.
    TenantClosed {
        /// Why.
        reason: Reason,
    },
}

event_kinds!(TenantEvent {
    TenantCreated = 1,
    TenantRenamed = 1,
    TenantPolicyChanged = 1,
    TenantSuspended = 1,
    TenantResumed = 1,
    TenantClosed = 1,
});
