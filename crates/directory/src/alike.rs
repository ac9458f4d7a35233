//! Values of which many are alike.

use std::{convert::Infallible, hash::Hash, sync::Arc};

use quick_cache::sync::Cache;

/// Values that are alike stand in memory once, for whoever has one: thousands of clients of a tenant are granted the
/// same. No more than so many are looked for; what is used least is forgotten, and then the next one that is like it
/// stands for itself and for those that follow.
pub struct Alike<T>(Cache<Arc<T>, Arc<T>>);

impl<T: Eq + Hash> Alike<T> {
    /// Room for so many.
    pub fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// The value, or one that is equal to it and was there before.
    pub fn one_of(&self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let make = || Ok::<_, Infallible>(value.clone());
        let Ok(one) = self.0.get_or_insert_with(&value, make);
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_others_are_not() {
        let alike = Alike::new(8);
        let (one, other) = (alike.one_of("a".to_owned()), alike.one_of("b".to_owned()));
        assert!(Arc::ptr_eq(&one, &alike.one_of("a".to_owned())));
        assert!(!Arc::ptr_eq(&one, &other));
        assert_eq!((one.as_str(), other.as_str()), ("a", "b"));
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let alike = Alike::new(8);
        let all: Vec<_> = (0..1_000).map(|number| alike.one_of(number)).collect();
        // Twice in here: as the key and as the value.
        let kept = all.iter().filter(|one| Arc::strong_count(one) > 1).count();
        assert!((1..=8).contains(&kept), "{kept}");
    }
}
