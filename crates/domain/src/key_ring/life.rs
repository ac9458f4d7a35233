//! Where a key is in its life, by its times alone: nothing waits for an event to say so.

use super::{KeyRing, LEAD_SECONDS, SigningKey, TOKENS_HAVE_ENDED_AFTER};
use crate::{id::KeyId, tenant::SigningAlgorithm, time::Timestamp};

/// A day, in seconds.
const DAY: i64 = 86_400;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// In the key set, but not signing yet: its time has not come, or nobody signs with its algorithm yet.
    Published,
    /// Signing.
    Active,
    /// Signing no more, since another took its place or nothing is signed with its algorithm any more; in
    /// the key set for as long as a token that it signed may live.
    Retiring,
    /// Neither signing nor in the key set. Where its algorithm went out of use it comes back when that is
    /// chosen again.
    Retired,
    /// Revoked: out of the key set, and nothing that it signed is to be trusted.
    Revoked,
}

impl SigningKey {
    /// From when on it signs: when it was to, or earlier where the one before it was revoked.
    pub fn begins_at(&self) -> Timestamp {
        self.activated_at
            .map_or(self.activates_at, |at| at.min(self.activates_at))
    }

    /// Its place among those that sign one after another: of two that begin at one moment the newer one follows.
    fn turn(&self) -> (Timestamp, u32) {
        (self.begins_at(), self.number)
    }

    /// Whether what it signed is not to be trusted.
    pub fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }

    /// Whether it has signed, or could have.
    fn has_begun(&self) -> bool {
        self.revoked_at
            .is_none_or(|revoked| self.begins_at() < revoked)
    }
}

impl KeyRing {
    /// All of them in the order in which they were made.
    pub fn as_made(&self) -> Vec<(KeyId, &SigningKey)> {
        let mut keys: Vec<_> = self.keys.iter().map(|(id, key)| (*id, key)).collect();
        keys.sort_by_key(|(_, key)| key.number);
        keys
    }

    /// The keys of an algorithm that are not revoked, in the order in which they sign.
    pub fn in_order(&self, algorithm: SigningAlgorithm) -> Vec<(KeyId, &SigningKey)> {
        let usable = |key: &SigningKey| key.algorithm == algorithm && !key.is_revoked();
        let mut keys: Vec<_> = self
            .keys
            .iter()
            .filter(|(_, key)| usable(key))
            .map(|(id, key)| (*id, key))
            .collect();
        keys.sort_by_key(|(_, key)| key.turn());
        keys
    }

    /// The key that signs with this algorithm at a moment: the one that began last, unless it was revoked.
    /// A key that another has followed never signs again.
    pub fn active(
        &self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Option<(KeyId, &SigningKey)> {
        let signs = |(_, key): &(KeyId, &SigningKey)| {
            let followed = self.follower(key).is_some_and(|at| at <= now);
            key.begins_at() <= now && !followed
        };
        self.in_order(algorithm).into_iter().rev().find(signs)
    }

    /// Whether the algorithm has a key that signs, or will.
    pub fn known(&self, algorithm: SigningAlgorithm, now: Timestamp) -> bool {
        self.active(algorithm, now).is_some() || self.pending(algorithm, now).is_some()
    }

    /// The next key of this algorithm, which does not sign yet.
    pub(super) fn pending(
        &self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Option<(KeyId, &SigningKey)> {
        let keys = self.in_order(algorithm).into_iter();
        keys.rev().find(|(_, key)| key.begins_at() > now)
    }

    /// What a key signs with, where it signs at this moment and none waits to take its place.
    pub fn only_signer(&self, id: KeyId, now: Timestamp) -> Option<SigningAlgorithm> {
        let algorithm = self.keys.get(&id)?.algorithm;
        let signs = self.active(algorithm, now)?.0 == id;
        (signs && self.pending(algorithm, now).is_none()).then_some(algorithm)
    }

    /// Whether a newer key of its algorithm has taken its place, or will.
    pub fn is_followed(&self, id: KeyId) -> bool {
        self.keys
            .get(&id)
            .is_some_and(|key| self.follower(key).is_some())
    }

    /// When another took its place, or will. A key that was revoked once it signed took it all the same.
    fn follower(&self, key: &SigningKey) -> Option<Timestamp> {
        self.keys
            .values()
            .filter(|other| other.algorithm == key.algorithm && other.has_begun())
            .filter(|other| other.turn() > key.turn())
            .map(SigningKey::begins_at)
            .min()
    }

    /// From when on a key of the ring signs, or signed: where nobody signs with its algorithm yet, not before
    /// somebody does. `None` for one that is not on the ring.
    pub fn signs_from(&self, id: KeyId, now: Timestamp) -> Option<Timestamp> {
        let key = self.keys.get(&id)?;
        let begins = key.begins_at();
        let algorithm = self.algorithms.begins(key.algorithm, now);
        Some(algorithm.map_or(begins, |from| from.max(begins)))
    }

    /// From when on it signs no more.
    fn stops_at(&self, key: &SigningKey) -> Option<Timestamp> {
        let left = self.algorithms.left_at(key.algorithm);
        self.follower(key).into_iter().chain(left).min()
    }

    /// When a key leaves the key set: when the last token that it can have signed has ended. `None`: it
    /// stays, because it signs, or waits to sign.
    pub fn retires_at(&self, id: KeyId) -> Option<Timestamp> {
        let key = self.keys.get(&id)?;
        key.revoked_at.or_else(|| {
            self.stops_at(key)
                .map(|stop| stop.plus_seconds(TOKENS_HAVE_ENDED_AFTER))
        })
    }

    /// Where a key of the ring is in its life; `None` for one that is not on it.
    pub fn state(&self, id: KeyId, now: Timestamp) -> Option<KeyState> {
        let key = self.keys.get(&id)?;
        let passed = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment <= now);
        Some(if key.is_revoked() {
            KeyState::Revoked
        } else if passed(self.retires_at(id)) {
            KeyState::Retired
        } else if passed(self.stops_at(key)) {
            KeyState::Retiring
        } else if key.begins_at() > now || !self.algorithms.signs(key.algorithm, now) {
            KeyState::Published
        } else {
            KeyState::Active
        })
    }

    /// From when on an algorithm may sign: now, where everybody who keeps a key set for no longer than the
    /// lead knows its keys by now. `None`: it has no key.
    pub(super) fn known_to_all(
        &self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (_, key) = self
            .active(algorithm, now)
            .or_else(|| self.pending(algorithm, now))?;
        let out = self
            .algorithms
            .left_at(algorithm)
            .is_some_and(|left| left.plus_seconds(TOKENS_HAVE_ENDED_AFTER) <= now);
        let published = self
            .algorithms
            .published_since(algorithm)
            .filter(|_| !out)
            .unwrap_or(now);
        let known = key.generated_at.max(published).plus_seconds(LEAD_SECONDS);
        Some(known.max(key.begins_at()).max(now))
    }

    /// The newest key of an algorithm, and when it is to be followed by another, without anybody's doing: after the
    /// days that the policy says, and up to a day later, so that the tenants do not all do so at once.
    pub fn next_rotation(&self, algorithm: SigningAlgorithm) -> Option<(KeyId, Timestamp)> {
        let days = self.rotation_days?;
        if !self.algorithms.chosen().any(|other| other == algorithm) {
            return None;
        }
        let (id, key) = self.in_order(algorithm).pop()?;
        let due = key.begins_at().plus_days(i64::from(days));
        Some((id, due.plus_seconds(spread(id))))
    }

    /// The algorithm is chosen again: a key that had left with it is to be told of when it leaves again.
    pub(super) fn comes_back(&mut self, algorithm: SigningAlgorithm) {
        if let Some((id, _)) = self.in_order(algorithm).pop()
            && let Some(key) = self.keys.get_mut(&id)
        {
            key.retired_at = None;
        }
    }
}

/// So many seconds within a day, by chance but the same on every node: from the random part of the id.
fn spread(id: KeyId) -> i64 {
    let bytes = id.to_bytes();
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[12..]);
    i64::from(u32::from_be_bytes(number)) % DAY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aggregate::Fold,
        key_ring::KeyRingEvent,
        testing::{NOW, new_key},
        value::Reason,
    };

    const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

    fn id(number: u8) -> KeyId {
        KeyId::new(NOW, [number; 10])
    }

    fn at(seconds: i64) -> Timestamp {
        NOW.plus_seconds(seconds)
    }

    fn made(number: u8, generated: i64, activates: i64) -> KeyRingEvent {
        KeyRingEvent::KeyGenerated {
            key: id(number),
            algorithm: ES256,
            public_jwk: new_key().public_jwk,
            generated_at: at(generated),
            activates_at: at(activates),
            rotation_days: Some(90),
        }
    }

    fn revoked(number: u8, seconds: i64) -> KeyRingEvent {
        KeyRingEvent::KeyRevoked {
            key: id(number),
            reason: Reason::parse("leaked").unwrap(),
            revoked_at: at(seconds),
        }
    }

    fn ring(events: &[KeyRingEvent]) -> KeyRing {
        events.iter().fold(None, KeyRing::fold).unwrap()
    }

    #[test]
    fn the_key_that_began_last_signs_and_the_one_before_stays_for_its_tokens() {
        use KeyState::{Active, Published, Retired, Retiring};
        let ring = ring(&[made(1, 0, 0), made(2, 1_000, 4_600)]);
        let signs = |seconds| ring.active(ES256, at(seconds)).map(|(id, _)| id);
        assert_eq!(signs(-1), None);
        assert_eq!((signs(4_599), signs(4_600)), (Some(id(1)), Some(id(2))));
        let states = |seconds| [1, 2].map(|number| ring.state(id(number), at(seconds)).unwrap());
        assert_eq!(states(4_599), [Active, Published]);
        assert_eq!(states(4_600), [Retiring, Active]);
        assert_eq!(states(4_600 + 86_699), [Retiring, Active]);
        assert_eq!(states(4_600 + 86_700), [Retired, Active]);
        assert_eq!(ring.retires_at(id(2)), None);
    }

    /// Ids of one millisecond are in an order by chance: what was made later is the newer one all the same.
    #[test]
    fn of_keys_of_one_moment_the_one_that_was_made_last_signs() {
        use KeyState::{Active, Retiring};
        for numbers in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let ring = ring(&numbers.map(|number| made(number, 0, 0)));
            let [first, second, last] = numbers.map(id);
            let order = |keys: Vec<(KeyId, &SigningKey)>| -> Vec<_> {
                keys.into_iter().map(|(id, _)| id).collect()
            };
            assert_eq!(order(ring.as_made()), [first, second, last]);
            assert_eq!(order(ring.in_order(ES256)), [first, second, last]);
            assert_eq!(ring.active(ES256, at(0)).map(|(id, _)| id), Some(last));
            let states = [first, second, last].map(|id| ring.state(id, at(0)).unwrap());
            assert_eq!(states, [Retiring, Retiring, Active]);
            assert_eq!(ring.next_rotation(ES256).map(|(id, _)| id), Some(last));
            assert!(ring.is_followed(first) && ring.is_followed(second));
            assert!(!ring.is_followed(last) && ring.only_signer(last, at(0)).is_some());
        }
    }

    #[test]
    fn a_revoked_key_leaves_and_brings_none_back() {
        let events = [
            made(1, 0, 0),
            made(2, 0, 10),
            revoked(2, 500_000),
            made(3, 500_000, 500_000),
        ];
        let later = ring(&events);
        assert_eq!(later.state(id(2), at(500_000)), Some(KeyState::Revoked));
        assert_eq!(later.state(id(1), at(500_000)), Some(KeyState::Retired));
        assert_eq!(
            later.active(ES256, at(500_000)).map(|(id, _)| id),
            Some(id(3))
        );
        // One that was revoked before it signed has followed nobody.
        let earlier = ring(&[made(1, 0, 0), made(2, 0, 3_600), revoked(2, 10)]);
        assert_eq!(earlier.state(id(1), at(4_000)), Some(KeyState::Active));
        assert_eq!(earlier.retires_at(id(1)), None);
    }

    #[test]
    fn what_is_recorded_late_changes_nothing() {
        let events = [made(1, 0, 0), made(2, 0, 3_600)];
        let mut recorded = events.to_vec();
        recorded.push(KeyRingEvent::KeyActivated {
            key: id(2),
            activated_at: at(3_600),
        });
        recorded.push(KeyRingEvent::KeyRetired {
            key: id(1),
            retired_at: at(90_300),
        });
        let (silent, told) = (ring(&events), ring(&recorded));
        for seconds in [0, 3_599, 3_600, 90_299, 90_300, 1_000_000] {
            for key in [id(1), id(2)] {
                assert_eq!(silent.state(key, at(seconds)), told.state(key, at(seconds)));
            }
        }
    }

    #[test]
    fn a_key_of_another_algorithm_is_published_until_that_signs() {
        use KeyState::{Active, Published, Retiring};
        let other = SigningAlgorithm::EdDsa;
        let KeyRingEvent::KeyGenerated { public_jwk, .. } = made(2, 10, 10) else {
            panic!("a key is generated");
        };
        let second = KeyRingEvent::KeyGenerated {
            key: id(2),
            algorithm: other,
            public_jwk,
            generated_at: at(10),
            activates_at: at(10),
            rotation_days: None,
        };
        let choose = KeyRingEvent::AlgorithmChosen {
            api: None,
            algorithm: Some(other),
            chosen_at: at(10),
            signs_from: Some(at(3_610)),
        };
        let made_only = ring(&[made(1, 0, 0), second.clone()]);
        assert_eq!(made_only.state(id(2), at(9_000)), Some(Published));
        let ring = ring(&[made(1, 0, 0), second, choose]);
        let states = |seconds| [1, 2].map(|number| ring.state(id(number), at(seconds)).unwrap());
        assert_eq!(states(3_609), [Active, Published]);
        assert_eq!(states(3_610), [Retiring, Active]);
        let from = |number, seconds| ring.signs_from(id(number), at(seconds)).unwrap();
        assert_eq!((from(1, 20), from(2, 20)), (at(0), at(3_610)));
    }

    #[test]
    fn a_rotation_is_due_after_its_days_within_a_day() {
        let ring = ring(&[made(1, 0, 0)]);
        let (_, due) = ring.next_rotation(ES256).unwrap();
        assert!(due >= NOW.plus_days(90) && due < NOW.plus_days(91));
        assert_eq!(ring.next_rotation(SigningAlgorithm::Rs256), None);
        let off = KeyRing {
            rotation_days: None,
            ..ring
        };
        assert_eq!(off.next_rotation(ES256), None);
    }
}
