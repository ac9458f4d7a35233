use super::{ClientEvent, ClientRefusal, Standing};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Stops a client from obtaining tokens, until it is enabled.
pub struct DisableClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// Why.
    pub reason: Reason,
}

impl Command for DisableClient {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant), StreamId::Client(self.client)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let client = read.client(self.client)?.existing()?;
        if client.standing == Standing::Disabled {
            return Err(ClientRefusal::AlreadyDisabled.into());
        }
        Ok(ChangeSet::of(
            StreamId::Client(self.client),
            [ClientEvent::ClientDisabled {
                reason: self.reason.clone(),
            }],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, BILLING, deleted, disabled, with_billing};

    #[test]
    fn a_client_is_disabled_once() {
        let disable = DisableClient {
            tenant: ACME,
            client: BILLING,
            reason: Reason::parse("leak").unwrap(),
        };
        testing::given(with_billing())
            .when(&disable)
            .then([disabled()]);
        testing::given(with_billing())
            .and([disabled()])
            .when(&disable)
            .refused(ClientRefusal::AlreadyDisabled);
        testing::given(with_billing())
            .and([deleted()])
            .when(&disable)
            .refused(ClientRefusal::Deleted);
    }
}
