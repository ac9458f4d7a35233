//! One instrument for each of a bounded number of label values, found without a lock.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::OnceLock,
};

/// How many different keys a table holds.
const PLACES: usize = 1_024;

/// Instruments by key. The first use of a key makes its instrument; every later one reads and compares.
/// Beyond 1,024 keys the rest shares one instrument.
#[derive(Debug)]
pub struct Table<K, V> {
    places: Box<[OnceLock<(K, V)>]>,
    rest: V,
    make: fn() -> V,
    hasher: RandomState,
}

impl<K: Eq + Hash, V> Table<K, V> {
    /// A table whose instruments are made like this.
    pub fn new(make: fn() -> V) -> Self {
        Self {
            places: (0..PLACES).map(|_| OnceLock::new()).collect(),
            rest: make(),
            make,
            hasher: RandomState::new(),
        }
    }

    /// The instrument of this key. `wanted` is what the key looks like where it is used, so that no key
    /// has to be made to find one.
    pub fn at<Q>(&self, wanted: &Q, key: impl Fn(&Q) -> K) -> &V
    where
        Q: Hash + ?Sized,
        K: PartialEq<Q>,
    {
        let hash = self.hasher.hash_one(wanted);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low bits of a hash are as good as all"
        )]
        let start = hash as usize;
        for step in 0..PLACES {
            let Some(place) = self.places.get((start.wrapping_add(step)) % PLACES) else {
                break;
            };
            let (held, instrument) = place.get_or_init(|| (key(wanted), (self.make)()));
            if *held == *wanted {
                return instrument;
            }
        }
        &self.rest
    }

    /// Every key that was used, with its instrument.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places
            .iter()
            .filter_map(OnceLock::get)
            .map(|(key, instrument)| (key, instrument))
    }

    /// What is shared by every key that found no place.
    pub fn rest(&self) -> &V {
        &self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counter;

    #[test]
    fn each_key_has_its_own_and_what_finds_no_place_shares_one() {
        let table = Table::<u32, Counter>::new(Counter::default);
        for round in 0..2 {
            for key in 0..1_068 {
                table.at(&key, |key| *key).one();
            }
            assert_eq!(table.rest().get(), 44 * (round + 1));
        }
        assert_eq!(table.iter().count(), 1_024);
        assert!(table.iter().all(|(_, counter)| counter.get() == 2));
    }

    #[test]
    fn threads_that_use_a_key_first_at_the_same_time_count_together() {
        let table = Table::<u32, Counter>::new(Counter::default);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..1_000).for_each(|key| table.at(&(key % 7), |key| *key).one()));
            }
        });
        let total: u64 = table.iter().map(|(_, counter)| counter.get()).sum();
        assert_eq!((table.iter().count(), total), (7, 4_000));
    }
}
