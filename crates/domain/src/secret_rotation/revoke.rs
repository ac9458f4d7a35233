use super::{Revocation, SecretRefusal, SecretRotation, SecretRotationEvent, unscheduled};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, SecretId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    tenant::AuthMethod,
    time::Timestamp,
    value::Reason,
};

/// Ends a secret at once, everywhere.
pub struct RevokeSecret {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The secret.
    pub secret: SecretId,
    /// Why.
    pub reason: Reason,
    /// Whether somebody else may have had it.
    pub compromised: bool,
}

impl Command for RevokeSecret {
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
        read.client(self.client)?;
        let rotation = read.secrets(self.client);
        let Some(secret) = rotation.secrets.get(&self.secret) else {
            return Err(Refusal::NotFound { what: "secret" });
        };
        // What was revoked can still be found to be compromised, which reaches its tokens.
        match (secret.revoked, self.compromised) {
            (None, _) | (Some(Revocation::Withdrawn), true) => {}
            (Some(_), _) => return Err(SecretRefusal::AlreadyRevoked.into()),
        }
        let mut change = ChangeSet::of(
            StreamId::SecretRotation(self.client),
            [SecretRotationEvent::SecretRevoked {
                secret: self.secret,
                reason: self.reason.clone(),
                compromised: self.compromised,
            }],
        );
        change.erase(self.secret);
        Ok(change)
    }
}

/// Ends all of a client's secrets, since it authenticates in another way from now on; where that way
/// has no secrets, nobody need rotate them any more either. What has ended by itself is recorded as that: the
/// vault has what a secret is compared with for as long as no end of it is recorded, and not a moment longer.
pub(crate) fn all(
    client: ClientId,
    secrets: &SecretRotation,
    after: AuthMethod,
    now: Timestamp,
) -> ChangeSet {
    let open = secrets
        .secrets
        .iter()
        .filter(|(_, secret)| secret.is_open());
    let ended = open.map(|(id, secret)| {
        let by_itself = secret.unrecorded(*id, now);
        by_itself.unwrap_or_else(|| SecretRotationEvent::SecretRevoked {
            secret: *id,
            reason: Reason::other_auth_method(),
            compromised: false,
        })
    });
    let mut change = ChangeSet::of(StreamId::SecretRotation(client), ended);
    if !after.has_secrets() {
        change.and(unscheduled(client, secrets));
    }
    // Of those that ended earlier nothing is needed any more either.
    for secret in secrets.secrets.keys() {
        change.erase(*secret);
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, ACME, BILLING, deleted, new_secret, revoked_first, with_billing};

    fn revoke(secret: u8, compromised: bool) -> RevokeSecret {
        RevokeSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(secret).secret,
            reason: Reason::parse("left").unwrap(),
            compromised,
        }
    }

    #[test]
    fn a_secret_is_revoked_once_and_may_be_found_compromised_later() {
        testing::given(with_billing())
            .when(&revoke(1, false))
            .then([revoked_first()]);
        let change = testing::given(with_billing())
            .when(&revoke(1, false))
            .change();
        assert_eq!(change.erased(), [new_secret(1).secret]);
        let after = || testing::given(with_billing()).and([revoked_first()]);
        after()
            .when(&revoke(1, false))
            .refused(SecretRefusal::AlreadyRevoked);
        let compromised = after().when(&revoke(1, true)).change();
        after()
            .and_change(&compromised)
            .when(&revoke(1, true))
            .refused(SecretRefusal::AlreadyRevoked);
    }

    #[test]
    fn a_secret_of_nobody_is_not_found() {
        testing::given(with_billing())
            .when(&revoke(9, false))
            .refused(Refusal::NotFound { what: "secret" });
    }

    #[test]
    fn a_deleted_clients_secret_can_still_be_called_compromised() {
        testing::given(with_billing())
            .and([deleted()])
            .when(&revoke(1, true))
            .change();
    }
}
