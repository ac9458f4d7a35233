use super::ClientEvent;
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    secret_rotation,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Ends a client for good; its id is never used again. Nobody need rotate its secrets any more.
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
        vec![
            StreamId::Tenant(self.tenant),
            StreamId::Client(self.client),
            StreamId::SecretRotation(self.client),
        ]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        read.client(self.client)?.existing()?;
        let mut change = ChangeSet::of(
            StreamId::Client(self.client),
            [ClientEvent::ClientDeleted {
                reason: self.reason.clone(),
            }],
        );
        change.and(secret_rotation::unscheduled(
            self.client,
            &read.secrets(self.client),
        ));
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::ClientRefusal,
        secret_rotation::SecretRotationEvent,
        testing::{self, ACME, BILLING, NOW, deleted, disabled, with_billing},
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

    #[test]
    fn nobody_is_asked_to_rotate_a_deleted_clients_secret() {
        let delete = DeleteClient {
            tenant: ACME,
            client: BILLING,
            reason: Reason::parse("gone").unwrap(),
        };
        let scheduled = SecretRotationEvent::RotationScheduled {
            every_seconds: 3_600,
            overlap_seconds: 0,
            next_due_at: NOW,
        };
        let change = testing::given(with_billing())
            .and([scheduled.clone()])
            .when(&delete)
            .change();
        let after = testing::given(with_billing())
            .and([scheduled])
            .and_change(&change)
            .read()
            .secrets(BILLING);
        assert_eq!((after.schedule, after.agenda()), (None, Vec::new()));
    }
}
