use super::{ClientEvent, ClientRefusal, KeyEnd};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, KeyId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Ends one of a client's keys at once, everywhere and for good.
pub struct RevokeClientKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The key.
    pub key: KeyId,
    /// Why.
    pub reason: Reason,
    /// Whether somebody else may have had it.
    pub compromised: bool,
}

impl Command for RevokeClientKey {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant), StreamId::Client(self.client)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let client = read.client(self.client)?;
        let Some(key) = client.keys.get(&self.key) else {
            return Err(Refusal::NotFound { what: "key" });
        };
        // What was removed can still be kept from coming back, and what was revoked can still be
        // found to be compromised, which reaches its tokens.
        match (key.ended, self.compromised) {
            (None | Some(KeyEnd::Removed), _) | (Some(KeyEnd::Revoked), true) => {}
            (Some(_), _) => return Err(ClientRefusal::KeyAlreadyRevoked.into()),
        }
        Ok(ChangeSet::of(
            StreamId::Client(self.client),
            [ClientEvent::ClientKeyRevoked {
                key: self.key,
                reason: self.reason.clone(),
                compromised: self.compromised,
            }],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, BILLING, deleted, new_client_key, with_billing, with_keys};

    fn revoke(key: u8, compromised: bool) -> RevokeClientKey {
        RevokeClientKey {
            tenant: ACME,
            client: BILLING,
            key: new_client_key(key).key,
            reason: Reason::parse("left").unwrap(),
            compromised,
        }
    }

    #[test]
    fn a_key_is_revoked_once_and_may_be_found_compromised_later() {
        let once = testing::given(with_keys()).when(&revoke(1, false)).change();
        let after = || testing::given(with_keys()).and_change(&once);
        let read = after().read();
        let client = read.client(BILLING).unwrap();
        assert_eq!(
            client.keys[&new_client_key(1).key].ended,
            Some(KeyEnd::Revoked)
        );
        let live: Vec<_> = client.live_keys().map(|(id, _)| id).collect();
        assert_eq!(live, [new_client_key(2).key]);

        after()
            .when(&revoke(1, false))
            .refused(ClientRefusal::KeyAlreadyRevoked);
        let compromised = after().when(&revoke(1, true)).change();
        after()
            .and_change(&compromised)
            .when(&revoke(1, true))
            .refused(ClientRefusal::KeyAlreadyRevoked);
    }

    #[test]
    fn a_key_of_nobody_is_not_found() {
        for history in [with_keys(), with_billing()] {
            testing::given(history)
                .when(&revoke(9, false))
                .refused(Refusal::NotFound { what: "key" });
        }
    }

    #[test]
    fn a_removed_key_and_a_deleted_clients_key_can_still_be_called_compromised() {
        let removed = ClientEvent::ClientKeysChanged { keys: Vec::new() };
        testing::given(with_keys())
            .and([removed])
            .when(&revoke(1, true))
            .change();
        testing::given(with_keys())
            .and([deleted()])
            .when(&revoke(1, true))
            .change();
    }
}
