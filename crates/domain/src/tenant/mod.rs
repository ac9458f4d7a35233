//! A tenant and its policy.

mod close;
mod create;
mod event;
mod install;
mod methods;
mod policy;
mod policy_change;
mod preview;
mod resume;
mod suspend;
mod update;

use serde::{Deserialize, Serialize};

pub use close::CloseTenant;
pub use create::CreateTenant;
pub use event::TenantEvent;
pub use install::Install;
pub use methods::{AuthMethod, SigningAlgorithm, TokenAuthMethod};
pub(crate) use policy::MAX_OVERLAP_SECONDS;
pub use policy::{ClientLifetime, RateLimit, RateLimits, TenantPolicy};
pub use policy_change::PolicyChange;
pub use preview::{PolicyEffect, PolicyRule, Reach, Tightened};
pub use resume::ResumeTenant;
pub use suspend::SuspendTenant;
pub use update::UpdateTenant;

use crate::{
    aggregate::Fold,
    command::State,
    event::Event,
    refusal::refusals,
    stream::AggregateType,
    value::{DisplayName, Slug},
};

/// A tenant: its name, its state and its policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// The name in URLs.
    pub slug: Slug,
    /// The name for people.
    pub display_name: DisplayName,
    /// What holds for its clients, secrets and tokens.
    pub policy: TenantPolicy,
    /// Whether it may obtain tokens.
    pub state: TenantState,
}

/// Whether a tenant may obtain tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// It may.
    Active,
    /// It may not for now; its configuration stays readable and can be changed by operators.
    Suspended,
    /// It may not any more; the roll stays.
    Closed,
}

refusals! {
    /// The rules of a tenant.
    TenantRefusal {
        #[error("a tenant with this slug exists or existed; slugs are never given twice, choose another")]
        SlugTaken = "SLUG_TAKEN",
        #[error("the slug `system` is reserved for the operators' own tenant; choose another")]
        SlugReserved = "SLUG_RESERVED",
        #[error("the tenant exists already")]
        AlreadyExists = "TENANT_EXISTS",
        #[error("the tenant is suspended already")]
        AlreadySuspended = "TENANT_SUSPENDED",
        #[error("the tenant is not suspended, so there is nothing to resume")]
        NotSuspended = "TENANT_NOT_SUSPENDED",
        #[error("the tenant is closed, which is final; only its roll can still be read")]
        Closed = "TENANT_CLOSED",
        #[error("the system tenant cannot be suspended or closed")]
        IsSystem = "SYSTEM_TENANT",
        #[error("a limit that is enforced on the system tenant must leave its operators a way in: give each client at least 10 requests in a window of at most 60 seconds, and do not enforce the limit of the tenant, which one client can use up for all")]
        SystemRateLimit = "SYSTEM_RATE_LIMIT",
    }
}

impl Tenant {
    /// The tenant, unless it is closed: nothing of a closed tenant can be changed.
    ///
    /// # Errors
    /// [`TenantRefusal::Closed`].
    pub fn open(&self) -> Result<&Self, TenantRefusal> {
        match self.state {
            TenantState::Active | TenantState::Suspended => Ok(self),
            TenantState::Closed => Err(TenantRefusal::Closed),
        }
    }

    /// Whether the tenant may have this policy, which is valid by itself.
    ///
    /// # Errors
    /// [`TenantRefusal::SystemRateLimit`].
    pub fn may_have(&self, policy: &TenantPolicy) -> Result<(), TenantRefusal> {
        let limits = &policy.rate_limit;
        let stays = *limits == self.policy.rate_limit;
        if self.slug.is_system() && !stays && !limits.leave_a_way_in() {
            return Err(TenantRefusal::SystemRateLimit);
        }
        Ok(())
    }
}

impl Fold for Tenant {
    const TYPE: AggregateType = AggregateType::Tenant;
    type Event = TenantEvent;

    fn fold(before: Option<Self>, event: &TenantEvent) -> Option<Self> {
        match event {
            TenantEvent::TenantCreated {
                slug,
                display_name,
                policy,
            } => Some(Self {
                slug: slug.clone(),
                display_name: display_name.clone(),
                policy: policy.clone(),
                state: TenantState::Active,
            }),
            TenantEvent::TenantRenamed { display_name } => before.map(|tenant| Self {
                display_name: display_name.clone(),
                ..tenant
            }),
            TenantEvent::TenantPolicyChanged { policy } => before.map(|tenant| Self {
                policy: policy.clone(),
                ..tenant
            }),
            TenantEvent::TenantSuspended { reason: _ } => before.map(|tenant| Self {
                state: TenantState::Suspended,
                ..tenant
            }),
            TenantEvent::TenantResumed {} => before.map(|tenant| Self {
                state: TenantState::Active,
                ..tenant
            }),
            TenantEvent::TenantClosed { reason: _ } => before.map(|tenant| Self {
                state: TenantState::Closed,
                ..tenant
            }),
        }
    }

    fn event(event: &Event) -> Option<&TenantEvent> {
        match event {
            Event::Tenant(event) => Some(event),
            _ => None,
        }
    }

    fn into_state(state: Option<Self>) -> State {
        State::Tenant(state)
    }
}
