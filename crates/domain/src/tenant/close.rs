use super::{TenantEvent, TenantRefusal};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Ends a tenant for good. Its roll stays, and its slug is never given again.
pub struct CloseTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Why.
    pub reason: Reason,
}

impl Command for CloseTenant {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        if read.tenant(self.tenant)?.open()?.slug.is_system() {
            return Err(TenantRefusal::IsSystem.into());
        }
        Ok(ChangeSet::of(
            StreamId::Tenant(self.tenant),
            [TenantEvent::TenantClosed {
                reason: self.reason.clone(),
            }],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, SYSTEM, acme, closed, suspended, system};

    fn close(tenant: TenantId) -> CloseTenant {
        CloseTenant {
            tenant,
            reason: Reason::parse("gone").unwrap(),
        }
    }

    #[test]
    fn active_and_suspended_tenants_can_be_closed_once() {
        testing::given(acme()).when(&close(ACME)).then([closed()]);
        testing::given(acme())
            .and([suspended()])
            .when(&close(ACME))
            .then([closed()]);
        testing::given(acme())
            .and([closed()])
            .when(&close(ACME))
            .refused(TenantRefusal::Closed);
    }

    #[test]
    fn the_operators_own_tenant_stays() {
        testing::given(system())
            .when(&close(SYSTEM))
            .refused(TenantRefusal::IsSystem);
    }
}
