use super::{KeyRingEvent, KeyRingRefusal, LEAD_SECONDS, NewKey};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{KeyId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::Reason,
};

/// Takes a key out of the key set at once. Where it signs, the next one does from now on: the one that
/// waited, or one that is made for it. Whoever does not sign with its algorithm yet goes on with the one before
/// until everybody has had the time to see the key that takes its place.
pub struct RevokeSigningKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The key.
    pub key: KeyId,
    /// Why.
    pub reason: Reason,
    /// A key of its algorithm, in case that none waits to take its place.
    pub successor: Option<NewKey>,
}

impl Command for RevokeSigningKey {
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
        let Some(key) = ring.keys.get(&self.key) else {
            return Err(Refusal::NotFound {
                what: "signing key",
            });
        };
        if key.is_revoked() {
            return Err(KeyRingRefusal::KeyAlreadyRevoked.into());
        }
        let algorithm = key.algorithm;
        let stream = StreamId::KeyRing(self.tenant);
        let mut change = ChangeSet::of(
            stream,
            [KeyRingEvent::KeyRevoked {
                key: self.key,
                reason: self.reason.clone(),
                revoked_at: now,
            }],
        );
        change.erase_key(self.key);
        let signs = ring
            .active(algorithm, now)
            .is_some_and(|(id, _)| id == self.key);
        if !signs || !ring.algorithms.is_in_use(algorithm, now) {
            return Ok(change);
        }
        let published = if let Some((waited, next)) = ring.pending(algorithm, now) {
            // The one that waited is in the key set already, so most verifiers know it.
            if ring.algorithms.signs(algorithm, now) {
                change.push(
                    stream,
                    KeyRingEvent::KeyActivated {
                        key: waited,
                        activated_at: now,
                    },
                );
            }
            next.generated_at
        } else {
            match &self.successor {
                Some(next) if next.algorithm == algorithm => {
                    change.and(next.added(self.tenant, (now, now), ring.rotation_days));
                }
                _ => return Err(KeyRingRefusal::NoActiveKey { algorithm }.into()),
            }
            now
        };
        let known = published.plus_seconds(LEAD_SECONDS);
        let waiting = ring.algorithms.waiting(algorithm, now);
        for (api, algorithm, _) in waiting.into_iter().filter(|(.., from)| *from < known) {
            change.push(
                stream,
                KeyRingEvent::AlgorithmChosen {
                    api,
                    algorithm,
                    chosen_at: now,
                    signs_from: Some(known),
                },
            );
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key_ring::RotateSigningKey,
        tenant::SigningAlgorithm,
        testing::{self, ACME, NOW, new_key, with_key},
    };

    fn key(number: u8) -> NewKey {
        NewKey {
            key: KeyId::new(NOW, [number; 10]),
            ..new_key()
        }
    }

    fn revoke(key: KeyId, successor: Option<NewKey>) -> RevokeSigningKey {
        RevokeSigningKey {
            tenant: ACME,
            key,
            reason: Reason::parse("leaked").unwrap(),
            successor,
        }
    }

    fn signs(given: testing::Given) -> Option<KeyId> {
        let read = given.read();
        let ring = read.key_ring(ACME).unwrap();
        ring.active(SigningAlgorithm::Es256, NOW).map(|(id, _)| id)
    }

    #[test]
    fn the_only_key_is_followed_in_the_same_change() {
        let only = new_key().key;
        let change = testing::given(with_key())
            .when(&revoke(only, Some(key(6))))
            .change();
        assert_eq!(
            (change.vault().len(), change.erased_keys()),
            (1, &[only][..])
        );
        let after = || testing::given(with_key()).and_change(&change);
        assert_eq!(signs(after()), Some(key(6).key));
        // It leaves the key set at that moment, whatever lives of what it signed.
        let ring = after().read();
        assert_eq!(ring.key_ring(ACME).unwrap().retires_at(only), Some(NOW));
        after()
            .when(&revoke(only, Some(key(7))))
            .refused(KeyRingRefusal::KeyAlreadyRevoked);
        testing::given(with_key())
            .when(&revoke(only, None))
            .refused(KeyRingRefusal::NoActiveKey {
                algorithm: SigningAlgorithm::Es256,
            });
    }

    #[test]
    fn the_key_that_waited_takes_the_place_at_once() {
        let next = RotateSigningKey {
            tenant: ACME,
            key: key(6),
        };
        let rotated = testing::given(with_key()).when(&next).change();
        let waiting = || testing::given(with_key()).and_change(&rotated);
        let change = waiting()
            .when(&revoke(new_key().key, Some(key(7))))
            .change();
        assert!(change.vault().is_empty());
        assert_eq!(signs(waiting().and_change(&change)), Some(key(6).key));
        // Without it, nothing is to be done: the one that signs goes on.
        let change = waiting().when(&revoke(key(6).key, None)).change();
        assert_eq!(signs(waiting().and_change(&change)), Some(new_key().key));
    }

    const OTHER: SigningAlgorithm = SigningAlgorithm::EdDsa;

    fn of_other(number: u8) -> NewKey {
        NewKey {
            algorithm: OTHER,
            ..key(number)
        }
    }

    /// Another algorithm was chosen at first, with a key of its own, and signs an hour later.
    fn switching() -> testing::Given {
        let made = of_other(6).added(ACME, (NOW, NOW), Some(90));
        let chosen = KeyRingEvent::AlgorithmChosen {
            api: None,
            algorithm: Some(OTHER),
            chosen_at: NOW,
            signs_from: Some(NOW.plus_seconds(3_600)),
        };
        testing::given(with_key()).and_change(&made).and([chosen])
    }

    #[test]
    fn whoever_waits_for_an_algorithm_waits_for_its_new_key() {
        let late = NOW.plus_seconds(3_540);
        let revoke = revoke(of_other(6).key, Some(of_other(7)));
        let change = revoke.decide(&switching().read(), late).unwrap();
        let read = switching().and_change(&change).read();
        let ring = read.key_ring(ACME).unwrap();
        let switch = late.plus_seconds(3_600);
        assert_eq!(
            ring.algorithms.of_tenant(switch.plus_seconds(-1)),
            Some(SigningAlgorithm::Es256)
        );
        assert_eq!(ring.algorithms.of_tenant(switch), Some(OTHER));
        assert_eq!(ring.active(OTHER, switch).unwrap().0, of_other(7).key);
        let left = ring.algorithms.left_at(SigningAlgorithm::Es256);
        assert_eq!(left, Some(switch));
    }

    #[test]
    fn whoever_waits_for_an_algorithm_waits_for_the_key_that_waits() {
        let rotated = RotateSigningKey {
            tenant: ACME,
            key: of_other(7),
        };
        let at = |seconds| NOW.plus_seconds(seconds);
        let rotated = rotated.decide(&switching().read(), at(1_000)).unwrap();
        let given = || switching().and_change(&rotated);
        let revoke = revoke(of_other(6).key, None);
        let change = revoke.decide(&given().read(), at(2_000)).unwrap();
        assert_eq!(change.events().len(), 2, "nothing signs at once");
        let read = given().and_change(&change).read();
        let ring = read.key_ring(ACME).unwrap();
        assert_eq!(ring.algorithms.next_switch(at(2_000)), Some(at(4_600)));
        assert_eq!(ring.active(OTHER, at(4_600)).unwrap().0, of_other(7).key);
    }

    #[test]
    fn what_takes_the_place_of_a_key_that_is_on_its_way_out_leaves_with_its_algorithm() {
        let at = |seconds| NOW.plus_seconds(seconds);
        let revoke = revoke(new_key().key, Some(key(8)));
        let change = revoke.decide(&switching().read(), at(1_800)).unwrap();
        let read = switching().and_change(&change).read();
        let ring = read.key_ring(ACME).unwrap();
        assert_eq!(ring.retires_at(key(8).key), Some(at(3_600 + 86_700)));
    }

    #[test]
    fn a_key_of_nobody_is_not_found() {
        testing::given(with_key())
            .when(&revoke(key(9).key, None))
            .refused(Refusal::NotFound {
                what: "signing key",
            });
    }
}
