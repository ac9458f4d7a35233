use super::{Client, ClientEvent, Standing};
use crate::{
    agenda::{Due, What},
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Records that a client's end has passed. What is recorded already is not recorded again, so it is
/// harmless to give this order twice.
pub struct ExpireClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
}

impl Command for ExpireClient {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant), StreamId::Client(self.client)]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let client = read.client(self.client)?;
        let ended = client.unrecorded_end().filter(|end| *end <= now);
        let event = ended.map(|expired_at| ClientEvent::ClientExpired { expired_at });
        Ok(ChangeSet::of(StreamId::Client(self.client), event))
    }
}

impl Client {
    /// When it ends, unless that is recorded or it is deleted.
    fn unrecorded_end(&self) -> Option<Timestamp> {
        let may_end = self.standing != Standing::Deleted && !self.expiry_recorded;
        self.expires_at.filter(|_| may_end)
    }

    /// What time will do to the client.
    pub fn agenda(&self) -> Vec<Due> {
        let ends = self.unrecorded_end();
        ends.map(|at| Due::when(What::ClientExpires, at))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, BILLING, Given, NOW, deleted, disabled, with_billing};

    const EXPIRE: ExpireClient = ExpireClient {
        tenant: ACME,
        client: BILLING,
    };

    fn ending(at: Timestamp) -> Given {
        let end = ClientEvent::ClientExpiryChanged {
            expires_at: Some(at),
        };
        testing::given(with_billing()).and([end])
    }

    const EXPIRED: ClientEvent = ClientEvent::ClientExpired { expired_at: NOW };

    #[test]
    fn an_end_that_has_passed_is_recorded_once() {
        ending(NOW).when(&EXPIRE).then([EXPIRED]);
        ending(NOW).and([disabled()]).when(&EXPIRE).then([EXPIRED]);
        ending(NOW).and([EXPIRED]).when(&EXPIRE).then_nothing();
        ending(NOW.plus_seconds(1)).when(&EXPIRE).then_nothing();
        ending(NOW).and([deleted()]).when(&EXPIRE).then_nothing();
        testing::given(with_billing()).when(&EXPIRE).then_nothing();
    }

    #[test]
    fn another_end_is_another_matter() {
        let later = ClientEvent::ClientExpiryChanged {
            expires_at: Some(NOW.plus_days(1)),
        };
        let read = ending(NOW).and([EXPIRED, later]).read();
        let due = Due::when(What::ClientExpires, NOW.plus_days(1));
        assert_eq!(read.client(BILLING).unwrap().agenda(), [due]);
    }
}
