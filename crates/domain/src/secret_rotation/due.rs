use super::{Ended, Secret, SecretRotation, SecretRotationEvent, SecretState};
use crate::{
    agenda::{Due, What},
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, SecretId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Records what time has done to a client's secrets: which have retired or expired, and that a
/// rotation is due. What is recorded already is not recorded again, so it is harmless to give this
/// order twice.
pub struct RecordDueSecrets {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
}

impl Command for RecordDueSecrets {
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
        read.client(self.client)?;
        let rotation = read.secrets(self.client);
        let stream = StreamId::SecretRotation(self.client);
        let mut change = ChangeSet::default();
        for (id, secret) in &rotation.secrets {
            if let Some(ended) = secret.unrecorded(*id, now) {
                change.push(stream, ended);
                change.erase(*id);
            }
        }
        if let Some(next) = rotation.next_rotation()
            && next.announced_from.is_some_and(|from| from <= now)
        {
            let due_at = next.due_at;
            change.push(stream, SecretRotationEvent::RotationDue { due_at });
        }
        Ok(change)
    }
}

impl Secret {
    /// What time has done to it, where that is not recorded yet.
    pub(super) fn unrecorded(
        &self,
        secret: SecretId,
        now: Timestamp,
    ) -> Option<SecretRotationEvent> {
        if self.ended.is_some() {
            return None;
        }
        match self.state(now) {
            SecretState::Retired => Some(SecretRotationEvent::SecretRetired { secret }),
            SecretState::Expired => Some(SecretRotationEvent::SecretExpired { secret }),
            _ => None,
        }
    }

    /// How and when it ends by itself, unless that is recorded or it was revoked.
    fn unrecorded_end(&self, id: SecretId) -> Option<Due> {
        if self.revoked.is_some() || self.ended.is_some() {
            return None;
        }
        let expires = |at| Due::of(What::SecretExpires(id), self.number, at);
        let retires = |at| Due::of(What::SecretRetires(id), self.number, at);
        match (self.expires_at, self.retires_at) {
            (Some(end), Some(retirement)) if end < retirement => Some(expires(end)),
            (_, Some(retirement)) => Some(retires(retirement)),
            (end, None) => end.map(expires),
        }
    }
}

impl SecretRotation {
    /// What time will do to the client's secrets.
    pub fn agenda(&self) -> Vec<Due> {
        let secrets = self.secrets.iter();
        let ends = secrets.filter_map(|(id, secret)| secret.unrecorded_end(*id));
        let rotation = self.next_rotation().map(|next| Due {
            what: What::SecretRotates,
            number: 0,
            at: next.due_at,
            record_at: next.announced_from,
        });
        ends.chain(rotation).collect()
    }

    /// Marks how a secret ended.
    pub(super) fn end(&mut self, secret: SecretId, ended: Ended) {
        if let Some(secret) = self.secrets.get_mut(&secret) {
            secret.ended = Some(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agenda,
        secret_rotation::{IssuedSecret, RotateSecret, ScheduleRotation},
        testing::{self, ACME, BILLING, Given, NOW, new_secret, revoked_first, with_billing},
        value::Hint,
    };

    const RECORD: RecordDueSecrets = RecordDueSecrets {
        tenant: ACME,
        client: BILLING,
    };

    fn issued(number: u8, expires_at: Timestamp) -> SecretRotationEvent {
        SecretRotationEvent::SecretIssued {
            issued: IssuedSecret {
                secret: new_secret(number).secret,
                label: None,
                hint: Hint::of("wxyz"),
                issued_at: NOW.plus_days(-9),
                not_before: None,
                expires_at: Some(expires_at),
                rotate_by: None,
            },
        }
    }

    /// The first secret has retired, another has expired.
    fn both() -> Given {
        let rotate = RotateSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(2),
            label: None,
            overlap_seconds: Some(0),
        };
        let change = testing::given(with_billing()).when(&rotate).change();
        testing::given(with_billing())
            .and_change(&change)
            .and([issued(3, NOW)])
    }

    #[test]
    fn what_ended_is_recorded_once() {
        let due_at = |given: Given| agenda::next(&given.read().secrets(BILLING).agenda());
        assert_eq!(due_at(both()), Some(NOW));
        let change = both().when(&RECORD).change();
        let events: Vec<_> = change
            .events()
            .iter()
            .map(|(_, event)| event.clone())
            .collect();
        assert_eq!(
            events,
            [
                SecretRotationEvent::SecretRetired {
                    secret: new_secret(1).secret
                }
                .into(),
                SecretRotationEvent::SecretExpired {
                    secret: new_secret(3).secret
                }
                .into(),
            ]
        );
        let after = both().and_change(&change);
        assert_eq!(due_at(after), None);
        both().and_change(&change).when(&RECORD).then_nothing();
    }

    #[test]
    fn what_has_not_ended_or_was_revoked_is_left_alone() {
        testing::given(with_billing())
            .and([issued(2, NOW.plus_seconds(1))])
            .when(&RECORD)
            .then_nothing();
        let revoked = both().and([revoked_first()]);
        let change = revoked.when(&RECORD).change();
        assert_eq!(change.events().len(), 1, "the expired one alone");
    }

    #[test]
    fn the_end_that_comes_first_is_the_one_that_is_due() {
        let given = testing::given(with_billing()).and([issued(2, NOW.plus_days(2))]);
        let rotation = given.read().secrets(BILLING);
        let due = Due::of(
            What::SecretExpires(new_secret(2).secret),
            2,
            NOW.plus_days(2),
        );
        assert_eq!(rotation.agenda(), [due]);
    }

    /// The policy's interval counts from the newest secret, and the client's own schedule comes first.
    #[test]
    fn a_rotation_that_the_policy_asks_for_is_announced_once() {
        let by_policy = |days: i64| SecretRotationEvent::SecretIssued {
            issued: IssuedSecret {
                secret: new_secret(2).secret,
                label: None,
                hint: Hint::of("wxyz"),
                issued_at: NOW.plus_days(-90),
                not_before: None,
                expires_at: None,
                rotate_by: Some(NOW.plus_days(days)),
            },
        };
        let given = |days| testing::given(with_billing()).and([by_policy(days)]);
        let due_at = NOW.plus_days(7);
        let due = SecretRotationEvent::RotationDue { due_at };
        given(8).when(&RECORD).then_nothing();
        given(7).when(&RECORD).then([due.clone()]);
        given(7).and([due]).when(&RECORD).then_nothing();
        let own = SecretRotationEvent::RotationScheduled {
            every_seconds: 86_400,
            overlap_seconds: 0,
            next_due_at: NOW.plus_days(30),
        };
        given(7).and([own]).when(&RECORD).then_nothing();
        // Nobody is asked to rotate what was revoked.
        let both = ["0", "1"].map(|_| revoked_first());
        let revoked = SecretRotationEvent::SecretRevoked {
            secret: new_secret(2).secret,
            reason: crate::value::Reason::parse("left").unwrap(),
            compromised: false,
        };
        given(7)
            .and(both)
            .and([revoked])
            .when(&RECORD)
            .then_nothing();
    }

    /// Whoever issues another secret each week, or one for later, puts nothing off; the one that it is about may go.
    #[test]
    fn the_policy_asks_by_the_oldest_secret_that_stays() {
        let issued = |number: u8, days: i64| SecretRotationEvent::SecretIssued {
            issued: IssuedSecret {
                secret: new_secret(number).secret,
                label: None,
                hint: Hint::of("wxyz"),
                issued_at: NOW.plus_days(days - 30),
                not_before: None,
                expires_at: None,
                rotate_by: Some(NOW.plus_days(days)),
            },
        };
        let given = || {
            let both = [issued(2, 7), issued(3, 20)];
            testing::given(with_billing()).and(both)
        };
        let due = SecretRotationEvent::RotationDue {
            due_at: NOW.plus_days(7),
        };
        given().when(&RECORD).then([due.clone()]);
        let announced = || given().and([due.clone(), issued(4, 25)]);
        announced().when(&RECORD).then_nothing();
        let gone = SecretRotationEvent::SecretRevoked {
            secret: new_secret(2).secret,
            reason: crate::value::Reason::parse("old").unwrap(),
            compromised: false,
        };
        let after = announced().and([gone]).read().secrets(BILLING);
        let next = after.next_rotation().unwrap();
        assert_eq!(next.due_at, NOW.plus_days(20));
        assert!(
            next.announced_from.is_some(),
            "of this one nothing was said yet"
        );
    }

    #[test]
    fn a_due_rotation_is_announced_once() {
        let schedule = ScheduleRotation {
            tenant: ACME,
            client: BILLING,
            every_seconds: Some(3_600),
            overlap_seconds: Some(0),
        };
        // The secret is as old as the interval, so the rotation is due.
        let old = SecretRotationEvent::RotationScheduled {
            every_seconds: 3_600,
            overlap_seconds: 0,
            next_due_at: NOW,
        };
        let due = SecretRotationEvent::RotationDue { due_at: NOW };
        testing::given(with_billing())
            .and([old.clone()])
            .when(&RECORD)
            .then([due.clone()]);
        testing::given(with_billing())
            .and([old, due])
            .when(&RECORD)
            .then_nothing();
        let change = testing::given(with_billing()).when(&schedule).change();
        testing::given(with_billing())
            .and_change(&change)
            .when(&RECORD)
            .then_nothing();
    }
}
