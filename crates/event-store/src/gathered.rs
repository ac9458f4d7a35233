//! One read for all who ask while another is under way.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{sync::oneshot, time::timeout};

use crate::error::{Cause, StoreError};

/// How many keys one read asks for.
const KEYS: usize = 512;

/// What a read found; a key that there is nothing of is left out.
pub type Found<K, V> = Result<HashMap<K, V>, StoreError>;

type Read<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Found<K, V>> + Send + Sync;

/// Look-ups by key that share their reads: who asks while a read is under way waits for the next, which
/// answers all who came meanwhile. So a read begins after its question, and no answer is older than that;
/// and however many ask, one connection is used. Cheap to clone; every clone is the same.
pub struct Gathered<K, V>(Arc<Parts<K, V>>);

struct Parts<K, V> {
    read: Box<Read<K, V>>,
    /// How long a read may take. A connection on which nothing comes back must not hold up the next.
    patience: Duration,
    waiting: Mutex<Waiting<K, V>>,
}

/// Those who ask, each with a key.
type Asked<K, V> = Vec<(K, oneshot::Sender<Result<Option<V>, StoreError>>)>;

struct Waiting<K, V> {
    asked: Asked<K, V>,
    /// Whether somebody reads, who will come for these too.
    reading: bool,
}

impl<K, V> Clone for Gathered<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Gathered<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Look-ups that read like this, each key once, and have failed when it takes longer than that.
    pub fn new(
        patience: Duration,
        read: impl Fn(Vec<K>) -> BoxFuture<'static, Found<K, V>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Parts {
            read: Box::new(read),
            patience,
            waiting: Mutex::new(Waiting {
                asked: Vec::new(),
                reading: false,
            }),
        }))
    }

    /// What there is of this key, no older than this call.
    ///
    /// # Errors
    /// What the read failed with, for all who waited for it.
    pub async fn get(&self, key: K) -> Result<Option<V>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let idle = {
            let mut waiting = self.waiting();
            waiting.asked.push((key, answer));
            !std::mem::replace(&mut waiting.reading, true)
        };
        if idle {
            // A task of its own, since whoever asked first may go away while others wait.
            tokio::spawn(self.clone().read());
        }
        answered.await.unwrap_or_else(|_| {
            Err(StoreError::Misuse(
                "a shared read gave no answer".to_owned(),
            ))
        })
    }

    /// Reads until nobody waits.
    async fn read(self) {
        while let Some(asked) = self.next() {
            let keys: HashSet<_> = asked.iter().map(|(key, _)| key.clone()).collect();
            let reading = (self.0.read)(keys.into_iter().collect());
            // A panic below must not leave everybody waiting for ever.
            let reading = AssertUnwindSafe(timeout(self.0.patience, reading)).catch_unwind();
            let found = match reading.await {
                Ok(Ok(found)) => found,
                Ok(Err(_)) => Err(StoreError::Unavailable(Cause::late(self.0.patience))),
                Err(_) => Err(StoreError::Misuse("a shared read panicked".to_owned())),
            };
            for (key, answer) in asked {
                let found = found.as_ref().map(|found| found.get(&key).cloned());
                // Whoever has gone away needs no answer.
                let _ = answer.send(found.map_err(Clone::clone));
            }
        }
    }

    /// Those that the next read is for.
    fn next(&self) -> Option<Asked<K, V>> {
        let mut waiting = self.waiting();
        let first = waiting.asked.len().min(KEYS);
        waiting.reading = first > 0;
        (first > 0).then(|| waiting.asked.drain(..first).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<K, V>> {
        // Nothing in here is left half done by a panic.
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> fmt::Debug for Gathered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gathered(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Reads that wait for a permit each, and count.
    struct World {
        gathered: Gathered<u32, usize>,
        permits: Arc<Semaphore>,
        reads: Arc<AtomicUsize>,
    }

    /// Odd keys are found, with the number of the read that found them; 13 fails; 666 panics.
    fn world() -> World {
        let (permits, reads) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (gate, count) = (permits.clone(), reads.clone());
        let gathered = Gathered::new(Duration::from_secs(1), move |keys: Vec<u32>| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let gate = gate.clone();
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                assert!(!keys.contains(&666));
                if keys.contains(&13) {
                    return Err(StoreError::Misuse("13".to_owned()));
                }
                let odd = keys.into_iter().filter(|key| key % 2 == 1);
                Ok(odd.map(|key| (key, number)).collect())
            })
        });
        World {
            gathered,
            permits,
            reads,
        }
    }

    impl World {
        fn ask(&self, key: u32) -> tokio::task::JoinHandle<Result<Option<usize>, StoreError>> {
            let gathered = self.gathered.clone();
            tokio::spawn(async move { gathered.get(key).await })
        }

        /// Waits until so many ask that no read was begun for.
        async fn waiting(&self, count: usize) {
            while self.gathered.waiting().asked.len() != count {
                tokio::task::yield_now().await;
            }
        }

        async fn reading(&self, number: usize) {
            while self.reads.load(Ordering::SeqCst) != number {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn whoever_asks_during_a_read_gets_the_next_and_shares_it() {
        let world = world();
        let first = world.ask(1);
        world.reading(1).await;
        let late: Vec<_> = [1, 3, 4, 3].map(|key| world.ask(key)).into();
        world.waiting(4).await;
        world.permits.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(Some(1)));
        let mut found = Vec::new();
        for asked in late {
            found.push(asked.await.unwrap());
        }
        assert_eq!(found, [Ok(Some(2)), Ok(Some(2)), Ok(None), Ok(Some(2))]);
        assert_eq!(world.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_read_that_fails_or_panics_fails_for_those_who_wait_for_it_alone() {
        let world = world();
        for wrong in [13, 666] {
            world.permits.add_permits(2);
            assert!(world.ask(wrong).await.unwrap().is_err());
            assert!(world.ask(1).await.unwrap().is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_gets_no_answer_is_given_up_and_the_next_begins() {
        let world = world();
        let lost = world.ask(1);
        world.reading(1).await;
        let next = world.ask(3);
        world.waiting(1).await;
        assert!(matches!(
            lost.await.unwrap(),
            Err(StoreError::Unavailable(_))
        ));
        world.permits.add_permits(1);
        assert_eq!(next.await.unwrap(), Ok(Some(2)));
    }

    #[tokio::test]
    async fn whoever_asked_first_may_go_away() {
        let world = world();
        let first = world.ask(1);
        world.reading(1).await;
        let second = world.ask(3);
        world.waiting(1).await;
        first.abort();
        world.permits.add_permits(2);
        assert_eq!(second.await.unwrap(), Ok(Some(2)));
    }
}
