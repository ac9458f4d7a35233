//! A map that is made once and read ever after.

use std::{collections::BTreeMap, slice};

/// Entries one after the other, in the order of their keys. A B-tree keeps room for eleven, and nearly every client
/// has one grant and one secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sorted<K, V>(Box<[(K, V)]>);

impl<K: Ord, V> Sorted<K, V> {
    /// The value of this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let place = self.0.binary_search_by(|(found, _)| found.cmp(key));
        self.0.get(place.ok()?).map(|(_, value)| value)
    }
}

impl<K, V> Sorted<K, V> {
    /// Every entry, in the order of the keys.
    pub fn iter(&self) -> slice::Iter<'_, (K, V)> {
        self.0.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = &'a (K, V);
    type IntoIter = slice::Iter<'a, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    /// Of several values of one key the last.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries: BTreeMap<K, V> = entries.into_iter().collect();
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_b_tree_would(entries in prop::collection::vec((0..12_u8, any::<u8>()), 0..20)) {
            let tree: BTreeMap<_, _> = entries.iter().copied().collect();
            let sorted: Sorted<_, _> = entries.into_iter().collect();
            prop_assert!(sorted.iter().map(|(key, value)| (key, value)).eq(&tree));
            for key in 0..=12 {
                prop_assert_eq!(sorted.get(&key), tree.get(&key));
            }
        }
    }
}
