use super::{NewSecret, SecretRefusal, SecretRotationEvent, latest_end};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    tenant::TenantPolicy,
    time::Timestamp,
    value::Label,
};

/// Issues another secret beside those that the client has.
pub struct IssueSecret {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The new secret.
    pub secret: NewSecret,
    /// The name for people.
    pub label: Option<Label>,
    /// From when on it is accepted. None: at once.
    pub not_before: Option<Timestamp>,
    /// When it ends. None: as the tenant's policy has it.
    pub expires_at: Option<Timestamp>,
}

impl Command for IssueSecret {
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
        let policy = &read.tenant(self.tenant)?.open()?.policy;
        self.secret
            .fits(read.client(self.client)?.existing()?.auth_method)?;
        let live = read.secrets(self.client).live(now).count() + 1;
        if live > policy.max_live_secrets as usize {
            return Err(SecretRefusal::TooManyLiveSecrets {
                live,
                max: policy.max_live_secrets,
            }
            .into());
        }
        let not_before = self.not_before.filter(|begin| *begin > now);
        let begin = not_before.unwrap_or(now);
        let latest = latest_end(policy, begin);
        let expires_at = self.expires_at.or(latest);
        if expires_at.is_some_and(|end| end <= begin) {
            return Err(SecretRefusal::EndsTooEarly.into());
        }
        if let (Some(end), Some(latest), Some(max_days)) =
            (expires_at, latest, policy.secret_lifetime_days)
            && end > latest
        {
            return Err(SecretRefusal::LivesTooLong { max_days }.into());
        }
        let issued = self
            .secret
            .issued(self.label.as_ref(), policy, now, (not_before, expires_at));
        let mut change = ChangeSet::of(
            StreamId::SecretRotation(self.client),
            [SecretRotationEvent::SecretIssued { issued }],
        );
        change.keep(self.secret.vault_row(self.client));
        Ok(change)
    }
}

/// A new client's first secret.
pub(crate) fn first(
    client: ClientId,
    secret: &NewSecret,
    policy: &TenantPolicy,
    now: Timestamp,
) -> ChangeSet {
    let issued = secret.issued(None, policy, now, (None, latest_end(policy, now)));
    let mut change = ChangeSet::of(
        StreamId::SecretRotation(client),
        [SecretRotationEvent::SecretIssued { issued }],
    );
    change.keep(secret.vault_row(client));
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::ClientRefusal,
        secret_rotation::IssuedSecret,
        tenant::TenantEvent,
        testing::{
            self, ACME, BILLING, NOW, deleted, new_secret, policy, revoked_first, with_billing,
            with_keys,
        },
        value::Hint,
    };

    fn issue() -> IssueSecret {
        IssueSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(2),
            label: Some(Label::parse("blue").unwrap()),
            not_before: None,
            expires_at: None,
        }
    }

    fn issued(change: &ChangeSet) -> IssuedSecret {
        match &change.events()[0].1 {
            crate::Event::SecretRotation(SecretRotationEvent::SecretIssued { issued }) => {
                issued.clone()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_secret_stands_beside_the_first() {
        let change = testing::given(with_billing()).when(&issue()).change();
        assert_eq!(issued(&change).secret, new_secret(2).secret);
        assert_eq!(change.vault().len(), 1);
    }

    #[test]
    fn the_policy_bounds_how_many_are_live() {
        let second = testing::given(with_billing()).when(&issue()).change();
        let third = IssueSecret {
            secret: new_secret(3),
            ..issue()
        };
        testing::given(with_billing())
            .and_change(&second)
            .when(&third)
            .refused(SecretRefusal::TooManyLiveSecrets { live: 3, max: 2 });
        testing::given(with_billing())
            .and_change(&second)
            .and([revoked_first()])
            .when(&third)
            .change();
    }

    #[test]
    fn a_secret_ends_after_it_begins_and_within_the_policy() {
        let bounded = || {
            testing::given(with_billing()).and([TenantEvent::TenantPolicyChanged {
                policy: policy(|p| p.secret_lifetime_days = Some(10)),
            }])
        };
        let with = |not_before, expires_at| IssueSecret {
            not_before,
            expires_at,
            ..issue()
        };
        testing::given(with_billing())
            .when(&with(None, Some(NOW)))
            .refused(SecretRefusal::EndsTooEarly);
        let later = Some(NOW.plus_days(5));
        testing::given(with_billing())
            .when(&with(later, later))
            .refused(SecretRefusal::EndsTooEarly);
        bounded()
            .when(&with(None, Some(NOW.plus_days(11))))
            .refused(SecretRefusal::LivesTooLong { max_days: 10 });
        assert_eq!(
            issued(&bounded().when(&with(None, None)).change()).expires_at,
            Some(NOW.plus_days(10))
        );
        assert_eq!(
            issued(&bounded().when(&with(later, None)).change()).expires_at,
            Some(NOW.plus_days(15))
        );
    }

    #[test]
    fn a_beginning_in_the_past_is_now() {
        let begins = |seconds| {
            let command = IssueSecret {
                not_before: Some(NOW.plus_seconds(seconds)),
                ..issue()
            };
            issued(&testing::given(with_billing()).when(&command).change()).not_before
        };
        assert_eq!(begins(-60), None);
        assert_eq!(begins(0), None);
        assert_eq!(begins(1), Some(NOW.plus_seconds(1)));
    }

    #[test]
    fn a_deleted_client_gets_no_secret() {
        testing::given(with_billing())
            .and([deleted()])
            .when(&issue())
            .refused(ClientRefusal::Deleted);
    }

    #[test]
    fn a_secret_may_live_exactly_as_long_as_the_policy_allows() {
        let bounded = policy(|policy| policy.secret_lifetime_days = Some(10));
        let command = IssueSecret {
            expires_at: Some(NOW.plus_days(10)),
            ..issue()
        };
        testing::given(with_billing())
            .and([TenantEvent::TenantPolicyChanged { policy: bounded }])
            .when(&command)
            .change();
    }

    #[test]
    fn secrets_to_come_count_and_those_that_ended_do_not() {
        let second = |not_before, expires_at| {
            let secret = IssuedSecret {
                secret: new_secret(2).secret,
                label: None,
                hint: Hint::of("wxyz"),
                issued_at: NOW.plus_days(-2),
                not_before,
                expires_at,
                rotate_by: None,
            };
            testing::given(with_billing())
                .and([SecretRotationEvent::SecretIssued { issued: secret }])
        };
        let third = IssueSecret {
            secret: new_secret(3),
            ..issue()
        };
        second(Some(NOW.plus_days(1)), None)
            .when(&third)
            .refused(SecretRefusal::TooManyLiveSecrets { live: 3, max: 2 });
        second(None, Some(NOW.plus_seconds(1)))
            .when(&third)
            .refused(SecretRefusal::TooManyLiveSecrets { live: 3, max: 2 });
        second(None, Some(NOW)).when(&third).change();
    }

    #[test]
    fn a_client_that_signs_with_a_key_gets_no_secret() {
        testing::given(with_keys())
            .when(&issue())
            .refused(ClientRefusal::HasNoSecret);
    }
}
