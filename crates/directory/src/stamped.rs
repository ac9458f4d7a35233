//! A bounded cache whose entries say which state of the tenant's roll they were filled at.

use std::{
    hash::{Hash, RandomState},
    sync::Arc,
};

use chancery_telemetry::Counter;
use quick_cache::{
    Lifecycle, UnitWeighter,
    sync::{Cache, EntryAction, EntryResult},
};

use crate::line::Place;

/// Entries by key, each with the place on the tenant's line that was known before it was filled. Whether
/// it still holds is for whoever asks to say, and until where. Absence is an entry too.
pub(crate) struct Stamped<K, V> {
    entries: Cache<K, Filled<V>, UnitWeighter, RandomState, Evictions>,
    /// Look-ups that an entry answered.
    pub(crate) hits: Counter,
    /// Entries that were read.
    pub(crate) fills: Counter,
    /// Entries that made room for others.
    pub(crate) evictions: Arc<Counter>,
}

/// Counts the entries that make room.
#[derive(Clone)]
struct Evictions(Arc<Counter>);

impl<K, V> Lifecycle<K, V> for Evictions {
    /// The entry, to be dropped after the cache has let go of its lock.
    type RequestState = Option<(K, V)>;

    fn on_evict(&self, evicted: &mut Self::RequestState, key: K, value: V) {
        self.0.one();
        *evicted = Some((key, value));
    }
}

struct Filled<V> {
    place: Place,
    value: Option<Arc<V>>,
}

/// An entry that holds until this place.
pub(crate) type Holds<V> = (Place, Option<Arc<V>>);

impl<V> Clone for Filled<V> {
    fn clone(&self) -> Self {
        Self {
            place: self.place,
            value: self.value.clone(),
        }
    }
}

impl<K: Clone + Eq + Hash, V> Stamped<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        let evictions = Arc::new(Counter::default());
        Self {
            entries: Cache::with(
                capacity,
                capacity as u64,
                UnitWeighter,
                RandomState::default(),
                Evictions(evictions.clone()),
            ),
            hits: Counter::default(),
            fills: Counter::default(),
            evictions,
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What was filled, if it holds.
    pub(crate) fn get(&self, key: &K, holds: impl Fn(Place) -> Option<Place>) -> Option<Holds<V>> {
        let filled = self.entries.get(key)?;
        let until = holds(filled.place)?;
        self.hits.one();
        Some((until, filled.value))
    }

    /// What was filled, if it holds; otherwise what `fill` makes of the entry that it replaces, which is
    /// kept where `fill` says so. Requests that come meanwhile wait for it; if it fails or is not kept, one
    /// of them takes its place.
    pub(crate) async fn fill<E, Fut>(
        &self,
        key: &K,
        holds: impl Fn(Place) -> Option<Place>,
        place: Place,
        fill: impl FnOnce(Option<Arc<V>>) -> Fut,
    ) -> Result<Holds<V>, E>
    where
        Fut: Future<Output = Result<(Option<Arc<V>>, bool), E>>,
    {
        let entry =
            self.entries
                .entry_async(key, |_, filled: &mut Filled<V>| match holds(filled.place) {
                    Some(until) => EntryAction::Retain((until, filled.value.clone())),
                    None => EntryAction::ReplaceWithGuard,
                });
        let (guard, before) = match entry.await {
            EntryResult::Retained(held) => return Ok(held),
            EntryResult::Replaced(guard, before) => (Some(guard), before.value),
            EntryResult::Vacant(guard) => (Some(guard), None),
            // Neither asked for above; without a place the value is simply not kept.
            EntryResult::Removed(..) | EntryResult::Timeout => (None, None),
        };
        let (value, keep) = fill(before).await?;
        self.fills.one();
        if let Some(guard) = guard.filter(|_| keep) {
            // Refused where the place was given to another meanwhile: then the next request fills.
            let _ = guard.insert(Filled {
                place,
                value: value.clone(),
            });
        }
        Ok((place, value))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn at(head: i64) -> Place {
        Place::for_tests(head)
    }

    /// Holds until five, as if the sixth entry had named it.
    fn until_five(place: Place) -> Option<Place> {
        (place == at(5)).then_some(place)
    }

    fn never(_: Place) -> Option<Place> {
        None
    }

    async fn filled(
        cache: &Stamped<u8, u8>,
        holds: fn(Place) -> Option<Place>,
        place: Place,
        value: u8,
        keep: bool,
    ) -> Option<u8> {
        let fill = |_| async move { Ok::<_, ()>((Some(Arc::new(value)), keep)) };
        let (_, value) = cache.fill(&1, holds, place, fill).await.unwrap();
        value.map(|value| *value)
    }

    #[tokio::test]
    async fn an_entry_that_does_not_hold_is_refilled() {
        let cache = Stamped::new(8);
        assert_eq!(filled(&cache, until_five, at(5), 50, true).await, Some(50));
        assert_eq!(filled(&cache, until_five, at(6), 51, true).await, Some(50));
        assert_eq!(filled(&cache, never, at(6), 60, true).await, Some(60));
        assert_eq!(cache.get(&1, until_five), None);
        assert_eq!((cache.hits.get(), cache.fills.get()), (0, 2));
    }

    #[tokio::test]
    async fn what_is_not_to_be_kept_is_not() {
        let cache = Stamped::new(8);
        assert_eq!(filled(&cache, until_five, at(5), 50, false).await, Some(50));
        assert_eq!(filled(&cache, until_five, at(5), 51, true).await, Some(51));
    }

    #[tokio::test]
    async fn absence_is_kept_like_presence() {
        let cache = Stamped::<u8, u8>::new(8);
        assert_eq!(cache.get(&1, until_five), None);
        let absent = |_| async { Ok::<_, ()>((None, true)) };
        let (_, value) = cache.fill(&1, until_five, at(5), absent).await.unwrap();
        assert_eq!(value, None);
        assert_eq!(cache.get(&1, until_five), Some((at(5), None)));
        assert_eq!(filled(&cache, until_five, at(5), 50, true).await, None);
    }

    #[tokio::test]
    async fn a_fill_gets_the_entry_that_it_replaces() {
        let cache = Stamped::new(8);
        filled(&cache, never, at(5), 50, true).await;
        let successor = |before: Option<Arc<u8>>| async move {
            Ok::<_, ()>((before.map(|before| Arc::new(*before + 1)), true))
        };
        let (_, value) = cache.fill(&1, never, at(6), successor).await.unwrap();
        assert_eq!(value, Some(Arc::new(51)));
    }

    #[tokio::test]
    async fn requests_share_a_fill_and_one_that_fails_is_taken_over() {
        let cache = Arc::new(Stamped::<u8, u8>::new(8));
        let fills = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let (cache, fills) = (cache.clone(), fills.clone());
                tokio::spawn(async move {
                    let fill = |_| async {
                        let first = fills.fetch_add(1, Ordering::SeqCst) == 0;
                        tokio::task::yield_now().await;
                        if first {
                            Err(())
                        } else {
                            Ok((Some(Arc::new(7)), true))
                        }
                    };
                    cache.fill(&1, until_five, at(5), fill).await
                })
            })
            .collect();
        let mut failed = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok((_, value)) => assert_eq!(value, Some(Arc::new(7))),
                Err(()) => failed += 1,
            }
        }
        assert_eq!((failed, fills.load(Ordering::SeqCst)), (1, 2));
    }
}
