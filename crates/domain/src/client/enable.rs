use super::{ClientEvent, ClientRefusal, Standing};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Lets a disabled client obtain tokens again.
pub struct EnableClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
}

impl Command for EnableClient {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant), StreamId::Client(self.client)]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let client = read.client(self.client)?.existing()?;
        if client.standing != Standing::Disabled {
            return Err(ClientRefusal::NotDisabled.into());
        }
        if client.expires_at.is_some_and(|end| end <= now) {
            return Err(ClientRefusal::Expired.into());
        }
        Ok(ChangeSet::of(
            StreamId::Client(self.client),
            [ClientEvent::ClientEnabled {}],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, BILLING, NOW, deleted, disabled, with_billing};

    #[test]
    fn only_a_disabled_client_is_enabled() {
        let enable = EnableClient {
            tenant: ACME,
            client: BILLING,
        };
        testing::given(with_billing())
            .and([disabled()])
            .when(&enable)
            .then([ClientEvent::ClientEnabled {}]);
        testing::given(with_billing())
            .when(&enable)
            .refused(ClientRefusal::NotDisabled);
        testing::given(with_billing())
            .and([deleted()])
            .when(&enable)
            .refused(ClientRefusal::Deleted);
    }

    #[test]
    fn an_expired_client_needs_a_later_end_first() {
        let enable = EnableClient {
            tenant: ACME,
            client: BILLING,
        };
        let ended = ClientEvent::ClientExpiryChanged {
            expires_at: Some(NOW),
        };
        testing::given(with_billing())
            .and([ended, disabled()])
            .when(&enable)
            .refused(ClientRefusal::Expired);
    }

    #[test]
    fn a_client_that_ends_later_is_enabled() {
        let enable = EnableClient {
            tenant: ACME,
            client: BILLING,
        };
        let ends = ClientEvent::ClientExpiryChanged {
            expires_at: Some(NOW.plus_seconds(1)),
        };
        testing::given(with_billing())
            .and([ends, disabled()])
            .when(&enable)
            .then([ClientEvent::ClientEnabled {}]);
    }
}
