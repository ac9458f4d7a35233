use super::ClientEvent;
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Ends a client for good; its id is never used again.
pub struct DeleteClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// Why.
    pub reason: Reason,
}

impl Command for DeleteClient {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant), StreamId::Client(self.client)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        read.client(self.client)?.existing()?;
        Ok(ChangeSet::of(
            StreamId::Client(self.client),
            [ClientEvent::ClientDeleted {
                reason: self.reason.clone(),
            }],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::ClientRefusal,
        testing::{self, ACME, BILLING, deleted, disabled, with_billing},
    };

    #[test]
    fn a_client_is_deleted_for_good() {
        let delete = DeleteClient {
            tenant: ACME,
            client: BILLING,
            reason: Reason::parse("gone").unwrap(),
        };
        testing::given(with_billing())
            .when(&delete)
            .then([deleted()]);
        testing::given(with_billing())
            .and([disabled()])
            .when(&delete)
            .then([deleted()]);
        testing::given(with_billing())
            .and([deleted()])
            .when(&delete)
            .refused(ClientRefusal::Deleted);
    }
}
