use super::{
    MAX_OVERLAP_SECONDS, NewSecret, Retirement, SecretRefusal, SecretRotationEvent, latest_end,
};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Label,
};

/// Issues a new secret and lets every older one retire after an overlap.
pub struct RotateSecret {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The new secret.
    pub secret: NewSecret,
    /// The name for people.
    pub label: Option<Label>,
    /// How long the older ones stay usable, in seconds. None: as the tenant's policy has it.
    pub overlap_seconds: Option<u32>,
}

impl Command for RotateSecret {
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
        let rotation = read.secrets(self.client);
        let scheduled = rotation.schedule.map(|schedule| schedule.overlap_seconds);
        let seconds = self
            .overlap_seconds
            .or(scheduled)
            .unwrap_or(policy.rotation_overlap_seconds);
        if seconds > MAX_OVERLAP_SECONDS {
            return Err(SecretRefusal::OverlapTooLong {
                seconds,
                max: MAX_OVERLAP_SECONDS,
            }
            .into());
        }
        let end_of_overlap = now.plus_seconds(i64::from(seconds));
        // An end that was promised earlier is not put off: a secret that retires in an hour still
        // does when the overlap is a day. One that is not accepted yet is nobody's old one: it was handed
        // over for a day to come.
        let retires: Vec<_> = rotation
            .live(now)
            .filter(|(_, old)| old.state(now).is_accepted())
            .map(|(secret, old)| Retirement {
                secret,
                retires_at: old
                    .retires_at
                    .map_or(end_of_overlap, |earlier| earlier.min(end_of_overlap)),
            })
            .collect();
        let to_come = rotation.live(now).count() - retires.len();
        let staying = retires.iter().filter(|old| old.retires_at > now).count();
        let live = to_come + staying + 1;
        if live > policy.max_live_secrets as usize {
            return Err(SecretRefusal::TooManyLiveSecrets {
                live,
                max: policy.max_live_secrets,
            }
            .into());
        }
        let issued = self.secret.issued(
            self.label.as_ref(),
            policy,
            now,
            (None, latest_end(policy, now)),
        );
        let mut change = ChangeSet::of(
            StreamId::SecretRotation(self.client),
            [SecretRotationEvent::SecretRotated { issued, retires }],
        );
        change.keep(self.secret.vault_row(self.client));
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::ClientRefusal,
        secret_rotation::{IssueSecret, SecretState},
        tenant::TenantEvent,
        testing::{
            self, ACME, BILLING, NOW, deleted, new_secret, policy, revoked_first, with_billing,
            with_keys,
        },
    };

    fn rotate(number: u8, overlap_seconds: Option<u32>) -> RotateSecret {
        RotateSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(number),
            label: None,
            overlap_seconds,
        }
    }

    fn retires(change: &ChangeSet) -> Vec<Retirement> {
        match &change.events()[0].1 {
            crate::Event::SecretRotation(SecretRotationEvent::SecretRotated {
                retires, ..
            }) => retires.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_old_secret_stays_for_the_overlap() {
        let change = testing::given(with_billing())
            .when(&rotate(2, Some(3_600)))
            .change();
        let first = new_secret(1).secret;
        assert_eq!(
            retires(&change),
            [Retirement {
                secret: first,
                retires_at: NOW.plus_seconds(3_600)
            }]
        );
        let after = testing::given(with_billing())
            .and_change(&change)
            .read()
            .secrets(BILLING);
        let state = |seconds| after.secrets[&first].state(NOW.plus_seconds(seconds));
        assert_eq!(state(3_599), SecretState::Retiring);
        assert_eq!(state(3_600), SecretState::Retired);
    }

    #[test]
    fn the_policys_overlap_holds_by_default() {
        let change = testing::given(with_billing())
            .when(&rotate(2, None))
            .change();
        assert_eq!(retires(&change)[0].retires_at, NOW.plus_seconds(86_400));
    }

    #[test]
    fn a_second_rotation_in_the_overlap_does_not_cut_a_secret_off_silently() {
        let once = testing::given(with_billing())
            .when(&rotate(2, Some(3_600)))
            .change();
        let again = || testing::given(with_billing()).and_change(&once);
        again()
            .when(&rotate(3, Some(60)))
            .refused(SecretRefusal::TooManyLiveSecrets { live: 3, max: 2 });
        let change = again().when(&rotate(3, Some(0))).change();
        assert!(retires(&change).iter().all(|old| old.retires_at == NOW));
    }

    #[test]
    fn an_overlap_is_at_most_thirty_days() {
        testing::given(with_billing())
            .when(&rotate(2, Some(2_592_001)))
            .refused(SecretRefusal::OverlapTooLong {
                seconds: 2_592_001,
                max: 2_592_000,
            });
    }

    #[test]
    fn a_deleted_clients_secret_is_not_rotated() {
        testing::given(with_billing())
            .and([deleted()])
            .when(&rotate(2, None))
            .refused(ClientRefusal::Deleted);
    }

    #[test]
    fn an_end_that_was_promised_earlier_is_not_put_off() {
        let three = policy(|policy| policy.max_live_secrets = 3);
        let once = testing::given(with_billing())
            .when(&rotate(2, Some(3_600)))
            .change();
        let change = testing::given(with_billing())
            .and_change(&once)
            .and([TenantEvent::TenantPolicyChanged { policy: three }])
            .when(&rotate(3, Some(86_400)))
            .change();
        let ends = retires(&change)
            .into_iter()
            .map(|old| (old.secret, old.retires_at));
        let expected = [
            (new_secret(1).secret, NOW.plus_seconds(3_600)),
            (new_secret(2).secret, NOW.plus_seconds(86_400)),
        ];
        assert_eq!(ends.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_secret_that_is_to_come_stays_and_counts() {
        let begins = NOW.plus_days(1);
        let to_come = IssueSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(2),
            label: None,
            not_before: Some(begins),
            expires_at: None,
        };
        let issued = testing::given(with_billing()).when(&to_come).change();
        let given = || testing::given(with_billing()).and_change(&issued);
        given()
            .when(&rotate(3, Some(60)))
            .refused(SecretRefusal::TooManyLiveSecrets { live: 3, max: 2 });
        let change = given().when(&rotate(3, Some(0))).change();
        let ended: Vec<_> = retires(&change).iter().map(|old| old.secret).collect();
        assert_eq!(ended, [new_secret(1).secret]);
        let after = given().and_change(&change).read().secrets(BILLING);
        let state = |at| after.secrets[&new_secret(2).secret].state(at);
        assert_eq!(state(NOW), SecretState::Pending);
        assert_eq!(state(begins), SecretState::Active);
    }

    #[test]
    fn secrets_that_ended_do_not_retire() {
        let change = testing::given(with_billing())
            .and([revoked_first()])
            .when(&rotate(2, None))
            .change();
        assert_eq!(retires(&change), []);
    }

    #[test]
    fn the_longest_overlap_is_within_the_rule() {
        testing::given(with_billing())
            .when(&rotate(2, Some(2_592_000)))
            .change();
    }

    #[test]
    fn a_rotated_secret_lives_as_long_as_the_policy_allows() {
        let bounded = policy(|policy| policy.secret_lifetime_days = Some(10));
        let change = testing::given(with_billing())
            .and([TenantEvent::TenantPolicyChanged { policy: bounded }])
            .when(&rotate(2, None))
            .change();
        let after = testing::given(with_billing()).and_change(&change).read();
        let issued = &after.secrets(BILLING).secrets[&new_secret(2).secret];
        assert_eq!(issued.expires_at, Some(NOW.plus_days(10)));
        assert_eq!(change.vault().len(), 1);
    }

    #[test]
    fn a_client_that_signs_with_a_key_has_nothing_to_rotate() {
        testing::given(with_keys())
            .when(&rotate(2, None))
            .refused(ClientRefusal::HasNoSecret);
    }
}
