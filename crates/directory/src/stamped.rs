//! A bounded cache whose entries say which state of the tenant's roll they were filled at.

use std::{
    hash::{Hash, RandomState},
    sync::Arc,
};

use chancery_event_store::Stamp;
use chancery_telemetry::Counter;
use quick_cache::{
    Lifecycle, UnitWeighter,
    sync::{Cache, EntryAction, EntryResult},
};

/// Entries by key, each stamped with the state of the tenant's roll that was read before it was filled. Absence is an
/// entry too.
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
    stamp: Stamp,
    value: Option<Arc<V>>,
}

impl<V> Clone for Filled<V> {
    fn clone(&self) -> Self {
        Self {
            stamp: self.stamp,
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

    /// What was filled at this very stamp. The outer `None` says that nothing was.
    #[expect(
        clippy::option_option,
        reason = "unknown, absent and present are three things"
    )]
    pub(crate) fn at(&self, key: &K, stamp: Stamp) -> Option<Option<Arc<V>>> {
        let filled = self.entries.get(key)?;
        (filled.stamp == stamp).then(|| {
            self.hits.one();
            filled.value
        })
    }

    /// What was filled last, whenever that was. The outer `None` says that nothing was.
    #[expect(
        clippy::option_option,
        reason = "unknown, absent and present are three things"
    )]
    pub(crate) fn latest(&self, key: &K) -> Option<Option<Arc<V>>> {
        let filled = self.entries.get(key)?;
        self.hits.one();
        Some(filled.value)
    }

    /// What was filled at this stamp; otherwise what `fill` makes of the entry that it replaces.
    /// Requests that come meanwhile wait for it; if it fails, one of them takes its place.
    pub(crate) async fn fill<E, Fut>(
        &self,
        key: &K,
        stamp: Stamp,
        fill: impl FnOnce(Option<Arc<V>>) -> Fut,
    ) -> Result<Option<Arc<V>>, E>
    where
        Fut: Future<Output = Result<Option<Arc<V>>, E>>,
    {
        let entry = self.entries.entry_async(key, |_, filled: &mut Filled<V>| {
            if filled.stamp == stamp {
                EntryAction::Retain(filled.value.clone())
            } else {
                EntryAction::ReplaceWithGuard
            }
        });
        let (guard, before) = match entry.await {
            EntryResult::Retained(value) => return Ok(value),
            EntryResult::Replaced(guard, before) => (Some(guard), before.value),
            EntryResult::Vacant(guard) => (Some(guard), None),
            // Neither asked for above; without a place the value is simply not kept.
            EntryResult::Removed(..) | EntryResult::Timeout => (None, None),
        };
        let value = fill(before).await?;
        self.fills.one();
        if let Some(guard) = guard {
            // Refused where the place was given to another meanwhile: then the next request fills.
            let _ = guard.insert(Filled {
                stamp,
                value: value.clone(),
            });
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chancery_domain::Timestamp;

    use super::*;

    fn at(head: i64) -> Stamp {
        Stamp {
            head,
            recorded_at: Timestamp::from_micros(head),
        }
    }

    async fn filled(cache: &Stamped<u8, u8>, stamp: Stamp, value: u8) -> Option<u8> {
        let fill = |_| async move { Ok::<_, ()>(Some(Arc::new(value))) };
        cache
            .fill(&1, stamp, fill)
            .await
            .unwrap()
            .map(|value| *value)
    }

    #[tokio::test]
    async fn an_entry_of_another_head_is_refilled_whichever_is_later() {
        let cache = Stamped::new(8);
        assert_eq!(filled(&cache, at(5), 50).await, Some(50));
        assert_eq!(filled(&cache, at(5), 51).await, Some(50));
        assert_eq!(filled(&cache, at(6), 60).await, Some(60));
        assert_eq!(cache.at(&1, at(5)), None);
        assert_eq!(filled(&cache, at(5), 52).await, Some(52));
        // The number given to another commit, as after a failover that lost some.
        let other = Stamp {
            recorded_at: Timestamp::from_micros(7),
            ..at(5)
        };
        assert_eq!(cache.at(&1, other), None);
        assert_eq!(cache.latest(&1), Some(Some(Arc::new(52))));
    }

    #[tokio::test]
    async fn absence_is_kept_like_presence() {
        let cache = Stamped::<u8, u8>::new(8);
        assert_eq!(cache.at(&1, at(5)), None);
        let absent = cache
            .fill(&1, at(5), |_| async { Ok::<_, ()>(None) })
            .await
            .unwrap();
        assert_eq!((absent, cache.at(&1, at(5))), (None, Some(None)));
        assert_eq!(filled(&cache, at(5), 50).await, None);
        assert_eq!(filled(&cache, at(6), 60).await, Some(60));
    }

    #[tokio::test]
    async fn a_fill_gets_the_entry_that_it_replaces() {
        let cache = Stamped::new(8);
        filled(&cache, at(5), 50).await;
        let successor = |before: Option<Arc<u8>>| async move {
            Ok::<_, ()>(before.map(|before| Arc::new(*before + 1)))
        };
        assert_eq!(
            cache.fill(&1, at(6), successor).await,
            Ok(Some(Arc::new(51)))
        );
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
                            Ok(Some(Arc::new(7)))
                        }
                    };
                    cache.fill(&1, at(5), fill).await
                })
            })
            .collect();
        let mut failed = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(value) => assert_eq!(value, Some(Arc::new(7))),
                Err(()) => failed += 1,
            }
        }
        assert_eq!((failed, fills.load(Ordering::SeqCst)), (1, 2));
    }
}
