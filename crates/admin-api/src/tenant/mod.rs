//! Tenants.

pub(crate) mod close;
pub(crate) mod create;
mod filter;
mod node;
mod policy;
mod policy_input;
pub(crate) mod preview;
pub(crate) mod query;
pub(crate) mod resume;
pub(crate) mod revoke_key;
pub(crate) mod rotate_key;
mod signing_key;
pub(crate) mod suspend;
pub(crate) mod update;

use async_graphql::{InputObject, SimpleObject};
use chancery_domain::{Faults, TenantId, value::Reason};

pub(crate) use node::TenantNode;
pub(crate) use policy::{AuthMethodName, SigningAlgorithmName};

use crate::{error::Failure, input::Input, session::Session};

/// What a change of a tenant came to.
#[derive(SimpleObject)]
pub(crate) struct TenantPayload {
    /// The tenant as it is now.
    tenant: TenantNode,
    /// Whether the same `commandId` came before with the same input: then nothing was changed now.
    replayed: bool,
}

impl TenantPayload {
    async fn of(session: &Session, (tenant, replayed): (TenantId, bool)) -> Result<Self, Failure> {
        Ok(Self {
            tenant: TenantNode::read(session, tenant).await?,
            replayed,
        })
    }
}

/// A tenant.
#[derive(InputObject)]
pub(crate) struct TenantInput {
    /// The tenant's slug.
    tenant: String,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for TenantInput {
    type Parsed = String;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, _: &mut Faults) -> Option<String> {
        Some(self.tenant)
    }
}

/// A tenant, and why it is changed.
#[derive(InputObject)]
pub(crate) struct TenantReasonInput {
    /// The tenant's slug.
    tenant: String,
    /// Why: 1 to 500 characters. It is written to the roll.
    reason: String,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for TenantReasonInput {
    type Parsed = (String, Reason);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let reason = faults.take("reason", Reason::parse(&self.reason))?;
        Some((self.tenant, reason))
    }
}
