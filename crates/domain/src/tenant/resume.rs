use super::{TenantEvent, TenantRefusal, TenantState};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Lets a suspended tenant obtain tokens again.
pub struct ResumeTenant {
    /// The tenant.
    pub tenant: TenantId,
}

impl Command for ResumeTenant {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        if read.tenant(self.tenant)?.open()?.state != TenantState::Suspended {
            return Err(TenantRefusal::NotSuspended.into());
        }
        Ok(ChangeSet::of(
            StreamId::Tenant(self.tenant),
            [TenantEvent::TenantResumed {}],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, acme, closed, suspended};

    #[test]
    fn only_a_suspended_tenant_is_resumed() {
        let resume = ResumeTenant { tenant: ACME };
        testing::given(acme())
            .and([suspended()])
            .when(&resume)
            .then([TenantEvent::TenantResumed {}]);
        testing::given(acme())
            .when(&resume)
            .refused(TenantRefusal::NotSuspended);
        testing::given(acme())
            .and([suspended(), closed()])
            .when(&resume)
            .refused(TenantRefusal::Closed);
    }
}
