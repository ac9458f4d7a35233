use super::{KeyRing, KeyRingEvent, LEAD_SECONDS, NewKey};
use crate::{
    agenda::{Due, What},
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    tenant::SigningAlgorithm,
    time::Timestamp,
};

/// Records what time has done to a tenant's keys, and adds the next key of each algorithm whose newest one
/// is old enough. What is recorded already is not recorded again, and no second key waits, so it is
/// harmless to give this order twice.
pub struct RecordDueKeys {
    /// The tenant.
    pub tenant: TenantId,
    /// Keys for the algorithms that may need one.
    pub next: Vec<NewKey>,
}

impl Command for RecordDueKeys {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![
            StreamId::Tenant(self.tenant),
            StreamId::KeyRing(self.tenant),
        ]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let ring = read.key_ring(self.tenant)?;
        let stream = StreamId::KeyRing(self.tenant);
        let mut change = ChangeSet::default();
        for (id, key) in ring.as_made() {
            if key.is_revoked() {
                continue;
            }
            if key.activated_at.is_none() && key.activates_at <= now {
                change.push(
                    stream,
                    KeyRingEvent::KeyActivated {
                        key: id,
                        activated_at: key.activates_at,
                    },
                );
            }
            if key.retired_at.is_none()
                && let Some(retired_at) = ring.retires_at(id).filter(|end| *end <= now)
            {
                change.push(
                    stream,
                    KeyRingEvent::KeyRetired {
                        key: id,
                        retired_at,
                    },
                );
                // One whose algorithm went out of use signs again when that is chosen again.
                if ring.is_followed(id) {
                    change.erase_key(id);
                }
            }
        }
        for next in &self.next {
            if ring.due_for_another(next.algorithm, now) {
                let activates_at = now.plus_seconds(LEAD_SECONDS);
                change.and(next.added(self.tenant, (now, activates_at), ring.rotation_days));
            }
        }
        Ok(change)
    }
}

impl KeyRing {
    /// Whether it is time for the next key of an algorithm.
    pub fn due_for_another(&self, algorithm: SigningAlgorithm, now: Timestamp) -> bool {
        self.next_rotation(algorithm)
            .is_some_and(|(_, due)| due <= now)
            && self.active(algorithm, now).is_some()
            && self.pending(algorithm, now).is_none()
    }

    /// What time will do to the ring.
    pub fn agenda(&self) -> Vec<Due> {
        let usable = self.keys.iter().filter(|(_, key)| !key.is_revoked());
        let of_each = usable.flat_map(|(id, key)| {
            let begins = (key.activated_at.is_none()).then_some(key.activates_at);
            let ends = self.retires_at(*id).filter(|_| key.retired_at.is_none());
            let begins = begins.map(|at| Due::of(What::KeyActivates(*id), key.number, at));
            let ends = ends.map(|at| Due::of(What::KeyRetires(*id), key.number, at));
            begins.into_iter().chain(ends)
        });
        let rotations = SigningAlgorithm::ALL.into_iter().filter_map(|algorithm| {
            let (id, at) = self.next_rotation(algorithm)?;
            let number = self.keys.get(&id)?.number;
            Some(Due::of(What::KeyRotates(id), number, at))
        });
        of_each.chain(rotations).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agenda,
        id::KeyId,
        key_ring::{KeyState, RotateSigningKey},
        testing::{self, ACME, NOW, new_key, with_key},
    };

    fn key(number: u8) -> NewKey {
        NewKey {
            key: KeyId::new(NOW, [number; 10]),
            ..new_key()
        }
    }

    fn at(days: i64, given: testing::Given, next: &[NewKey]) -> ChangeSet {
        let record = RecordDueKeys {
            tenant: ACME,
            next: next.to_vec(),
        };
        record.decide(&given.read(), NOW.plus_days(days)).unwrap()
    }

    #[test]
    fn a_key_that_is_old_enough_is_followed_once() {
        let given = || testing::given(with_key());
        assert!(at(89, given(), &[key(6)]).is_empty());
        let change = at(91, given(), &[key(6)]);
        assert_eq!((change.events().len(), change.vault().len()), (1, 1));
        assert!(at(91, given().and_change(&change), &[key(7)]).is_empty());
        // A week later: that it signs, and that the one before has left.
        let later = at(98, given().and_change(&change), &[key(7)]);
        let kinds = later.events().iter().map(|(_, event)| event.kind().0);
        assert_eq!(kinds.collect::<Vec<_>>(), ["KeyRetired", "KeyActivated"]);
        assert_eq!(later.erased_keys(), [new_key().key]);
        let after = given().and_change(&change).and_change(&later);
        let read = after.read();
        let ring = read.key_ring(ACME).unwrap();
        assert_eq!(
            ring.state(new_key().key, NOW.plus_days(98)),
            Some(KeyState::Retired)
        );
        let (next, due) = ring.next_rotation(SigningAlgorithm::Es256).unwrap();
        assert_eq!(ring.agenda(), [Due::of(What::KeyRotates(next), 2, due)]);
    }

    #[test]
    fn what_is_due_is_known_ahead() {
        let next = RotateSigningKey {
            tenant: ACME,
            key: key(6),
        };
        let change = testing::given(with_key()).when(&next).change();
        let read = testing::given(with_key()).and_change(&change).read();
        let ring = read.key_ring(ACME).unwrap();
        assert_eq!(agenda::next(&ring.agenda()), Some(NOW.plus_seconds(3_600)));
    }
}
