use super::{KeyRingRefusal, LEAD_SECONDS, NewKey};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Adds the next key of an algorithm. It is in the key set from now on and signs once the lead has passed;
/// the first of its algorithm signs at once, where something is signed with that.
pub struct RotateSigningKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The next key.
    pub key: NewKey,
}

impl Command for RotateSigningKey {
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
        let algorithm = self.key.algorithm;
        if let Some((_, pending)) = ring.pending(algorithm, now) {
            return Err(KeyRingRefusal::RotationPending {
                algorithm,
                activates_at: pending.begins_at(),
            }
            .into());
        }
        let activates_at = match ring.active(algorithm, now) {
            Some(_) => now.plus_seconds(LEAD_SECONDS),
            None => now,
        };
        Ok(self
            .key
            .added(self.tenant, (now, activates_at), ring.rotation_days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::KeyId,
        key_ring::{KeyRingEvent, KeyState},
        tenant::SigningAlgorithm,
        testing::{self, ACME, NOW, new_key, with_key},
    };

    fn rotate(number: u8, algorithm: SigningAlgorithm) -> RotateSigningKey {
        RotateSigningKey {
            tenant: ACME,
            key: NewKey {
                key: KeyId::new(NOW, [number; 10]),
                algorithm,
                ..new_key()
            },
        }
    }

    #[test]
    fn the_next_key_is_published_an_hour_before_it_signs() {
        let next = rotate(6, SigningAlgorithm::Es256);
        let change = testing::given(with_key()).when(&next).change();
        assert_eq!((change.events().len(), change.vault().len()), (1, 1));
        let after = testing::given(with_key()).and_change(&change).read();
        let ring = after.key_ring(ACME).unwrap();
        let state = |key, seconds| ring.state(key, NOW.plus_seconds(seconds)).unwrap();
        assert_eq!(state(next.key.key, 3_599), KeyState::Published);
        assert_eq!(state(next.key.key, 3_600), KeyState::Active);
        assert_eq!(state(new_key().key, 3_599), KeyState::Active);
        assert_eq!(state(new_key().key, 3_600), KeyState::Retiring);
        assert_eq!(ring.rotation_days, Some(90), "as before");
    }

    #[test]
    fn no_second_key_waits() {
        let next = rotate(6, SigningAlgorithm::Es256);
        let change = testing::given(with_key()).when(&next).change();
        testing::given(with_key())
            .and_change(&change)
            .when(&rotate(7, SigningAlgorithm::Es256))
            .refused(KeyRingRefusal::RotationPending {
                algorithm: SigningAlgorithm::Es256,
                activates_at: NOW.plus_seconds(3_600),
            });
    }

    #[test]
    fn the_first_key_of_an_algorithm_is_ready_at_once() {
        let first = rotate(6, SigningAlgorithm::Rs256);
        let change = testing::given(with_key()).when(&first).change();
        assert!(matches!(
            &change.events()[1].1,
            crate::Event::KeyRing(KeyRingEvent::KeyActivated {
                activated_at: NOW,
                ..
            })
        ));
    }
}
