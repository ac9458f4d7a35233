use super::{Ended, Secret, SecretRotation, SecretRotationEvent, SecretState};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
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
            if secret.ended.is_some() {
                continue;
            }
            let secret = *id;
            match rotation.secrets[id].state(now) {
                SecretState::Retired => {
                    change.push(stream, SecretRotationEvent::SecretRetired { secret });
                    change.erase(secret);
                }
                SecretState::Expired => {
                    change.push(stream, SecretRotationEvent::SecretExpired { secret });
                    change.erase(secret);
                }
                _ => {}
            }
        }
        if let Some(schedule) = rotation.schedule
            && !schedule.announced
            && schedule.announced_from() <= now
        {
            let due_at = schedule.next_due_at;
            change.push(stream, SecretRotationEvent::RotationDue { due_at });
        }
        Ok(change)
    }
}

impl Secret {
    /// When it ends by itself, unless that is recorded or it was revoked.
    fn unrecorded_end(&self) -> Option<Timestamp> {
        if self.revoked.is_some() || self.ended.is_some() {
            return None;
        }
        match (self.expires_at, self.retires_at) {
            (Some(expires), Some(retires)) => Some(expires.min(retires)),
            (one, other) => one.or(other),
        }
    }
}

impl SecretRotation {
    /// When [`RecordDueSecrets`] will next have something to record.
    pub fn due_at(&self) -> Option<Timestamp> {
        let ends = self.secrets.values().filter_map(Secret::unrecorded_end);
        let announcement = self
            .schedule
            .filter(|schedule| !schedule.announced)
            .map(|schedule| schedule.announced_from());
        ends.chain(announcement).min()
    }

    /// Marks how a secret ended.
    pub(super) fn end(&mut self, secret: crate::id::SecretId, ended: Ended) {
        if let Some(secret) = self.secrets.get_mut(&secret) {
            secret.ended = Some(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
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
        assert_eq!(both().read().secrets(BILLING).due_at(), Some(NOW));
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
        assert_eq!(after.read().secrets(BILLING).due_at(), None);
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
        assert_eq!(rotation.due_at(), Some(NOW.plus_days(2)));
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
