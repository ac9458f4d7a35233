use super::{MAX_OVERLAP_SECONDS, SecretRefusal, SecretRotationEvent, SecretState};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, SecretId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Gives a retiring secret more time, since somebody still uses it. What has ended stays ended.
pub struct DeferRetirement {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The secret.
    pub secret: SecretId,
    /// When it retires instead: at most 30 days from now.
    pub until: Timestamp,
}

impl Command for DeferRetirement {
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

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        read.client(self.client)?.existing()?;
        let rotation = read.secrets(self.client);
        let Some(secret) = rotation.secrets.get(&self.secret) else {
            return Err(Refusal::NotFound { what: "secret" });
        };
        let (SecretState::Pending | SecretState::Retiring, Some(retires_at)) =
            (secret.state(now), secret.retires_at)
        else {
            return Err(SecretRefusal::NotRetiring.into());
        };
        if self.until == retires_at {
            return Ok(ChangeSet::default());
        }
        if self.until < retires_at {
            return Err(SecretRefusal::NotDeferred { retires_at }.into());
        }
        let latest = now.plus_seconds(i64::from(MAX_OVERLAP_SECONDS));
        let latest = secret.expires_at.map_or(latest, |end| end.min(latest));
        if self.until > latest {
            return Err(SecretRefusal::DeferredTooLong { latest }.into());
        }
        Ok(ChangeSet::of(
            StreamId::SecretRotation(self.client),
            [SecretRotationEvent::RetirementDeferred {
                secret: self.secret,
                retires_at: self.until,
            }],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        secret_rotation::{Retirement, RotateSecret},
        testing::{self, ACME, BILLING, Given, NOW, new_secret, revoked_first, with_billing},
    };

    fn until(seconds: i64) -> DeferRetirement {
        DeferRetirement {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(1).secret,
            until: NOW.plus_seconds(seconds),
        }
    }

    /// The first secret retires an hour after a rotation.
    fn rotated(overlap_seconds: u32) -> Given {
        let rotate = RotateSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(2),
            label: None,
            overlap_seconds: Some(overlap_seconds),
        };
        let change = testing::given(with_billing()).when(&rotate).change();
        testing::given(with_billing()).and_change(&change)
    }

    #[test]
    fn a_retiring_secret_gets_more_time() {
        let change = rotated(3_600).when(&until(7_200)).change();
        let after = rotated(3_600).and_change(&change).read().secrets(BILLING);
        let secret = &after.secrets[&new_secret(1).secret];
        assert_eq!(secret.state(NOW.plus_seconds(7_199)), SecretState::Retiring);
        assert_eq!(secret.state(NOW.plus_seconds(7_200)), SecretState::Retired);
        rotated(3_600).when(&until(3_600)).then_nothing();
    }

    #[test]
    fn it_is_never_given_less_and_at_most_thirty_days() {
        rotated(3_600)
            .when(&until(3_599))
            .refused(SecretRefusal::NotDeferred {
                retires_at: NOW.plus_seconds(3_600),
            });
        rotated(3_600)
            .when(&until(2_592_001))
            .refused(SecretRefusal::DeferredTooLong {
                latest: NOW.plus_days(30),
            });
        rotated(3_600).when(&until(2_592_000)).change();
    }

    #[test]
    fn what_does_not_retire_or_has_ended_is_not_deferred() {
        testing::given(with_billing())
            .when(&until(7_200))
            .refused(SecretRefusal::NotRetiring);
        rotated(0)
            .when(&until(7_200))
            .refused(SecretRefusal::NotRetiring);
        rotated(3_600)
            .and([revoked_first()])
            .when(&until(7_200))
            .refused(SecretRefusal::NotRetiring);
    }

    #[test]
    fn it_does_not_outlive_its_own_end() {
        let expires_at = NOW.plus_seconds(5_000);
        let ending = SecretRotationEvent::SecretRotated {
            issued: crate::secret_rotation::IssuedSecret {
                secret: new_secret(3).secret,
                label: None,
                hint: crate::value::Hint::of("wxyz"),
                issued_at: NOW,
                not_before: None,
                expires_at: Some(expires_at),
                rotate_by: None,
            },
            retires: vec![],
        };
        let retiring = SecretRotationEvent::SecretRotated {
            issued: crate::secret_rotation::IssuedSecret {
                secret: new_secret(4).secret,
                label: None,
                hint: crate::value::Hint::of("wxyz"),
                issued_at: NOW,
                not_before: None,
                expires_at: None,
                rotate_by: None,
            },
            retires: vec![Retirement {
                secret: new_secret(3).secret,
                retires_at: NOW.plus_seconds(10),
            }],
        };
        let third = |seconds| DeferRetirement {
            secret: new_secret(3).secret,
            ..until(seconds)
        };
        let given = || testing::given(with_billing()).and([ending.clone(), retiring.clone()]);
        given().when(&third(5_000)).change();
        given()
            .when(&third(5_001))
            .refused(SecretRefusal::DeferredTooLong { latest: expires_at });
    }
}
