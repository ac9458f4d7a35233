use super::{TenantEvent, TenantRefusal, TenantState};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Stops a tenant from obtaining tokens, until it is resumed.
pub struct SuspendTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Why.
    pub reason: Reason,
}

impl Command for SuspendTenant {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        let tenant = read.tenant(self.tenant)?.open()?;
        if tenant.slug.is_system() {
            return Err(TenantRefusal::IsSystem.into());
        }
        if tenant.state == TenantState::Suspended {
            return Err(TenantRefusal::AlreadySuspended.into());
        }
        Ok(ChangeSet::of(
            StreamId::Tenant(self.tenant),
            [TenantEvent::TenantSuspended {
                reason: self.reason.clone(),
            }],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, SYSTEM, acme, closed, suspended, system};

    fn suspend(tenant: TenantId) -> SuspendTenant {
        SuspendTenant {
            tenant,
            reason: Reason::parse("unpaid").unwrap(),
        }
    }

    #[test]
    fn an_active_tenant_is_suspended() {
        testing::given(acme())
            .when(&suspend(ACME))
            .then([suspended()]);
    }

    #[test]
    fn not_twice_not_when_closed_and_never_the_operators_own() {
        testing::given(acme())
            .and([suspended()])
            .when(&suspend(ACME))
            .refused(TenantRefusal::AlreadySuspended);
        testing::given(acme())
            .and([closed()])
            .when(&suspend(ACME))
            .refused(TenantRefusal::Closed);
        testing::given(system())
            .when(&suspend(SYSTEM))
            .refused(TenantRefusal::IsSystem);
    }

    #[test]
    fn an_unknown_tenant_is_not_found() {
        testing::given([])
            .when(&suspend(ACME))
            .refused(Refusal::NotFound { what: "tenant" });
    }
}
