//! Work that shares a way: whatever comes to a lane while something is under way there is done next, together.

use std::{
    collections::HashMap,
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chancery_telemetry::{Family, Histogram};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

/// How much is done together. Whoever waits, waits for all of it.
const TOGETHER: usize = 32;

/// How long one waits for their turn: no longer than for a connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a group may take, which is longer than the store takes to give up. A connection that says nothing any more
/// would else stop its lane for good.
const LIMIT: Duration = Duration::from_secs(30);

/// How many wait in a lane: more than are done within the time that they wait.
const WAITING: usize = 4_096;

/// Why a job was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotDone {
    /// Its turn did not come in time.
    #[error("too many changes wait for the same tenant, or for the database; try again")]
    Late,
    /// It has taken too long: it is not known what became of it.
    #[error("a change has taken too long; send it again with the same commandId")]
    Unknown,
    /// Doing it, or what was done with it, has panicked: it is not known what became of it.
    #[error("a change has panicked, or one that was made together with it")]
    Lost,
}

/// A job, and who waits for its answer.
struct Waits<J, A> {
    number: u64,
    since: Instant,
    job: J,
    answer: oneshot::Sender<Result<A, NotDone>>,
}

type Waiting<J, A> = Vec<Waits<J, A>>;

type Do<J, A> = dyn Fn(Vec<J>) -> BoxFuture<'static, Vec<A>> + Send + Sync;

/// Lanes, in each of which one group of jobs is done at a time, in the order in which they came. A lane that nobody
/// is in takes no memory.
pub(crate) struct Lanes<K, J, A> {
    tasks: TaskTracker,
    next: AtomicU64,
    /// Those who wait in each lane where something is under way.
    waiting: Mutex<HashMap<K, Waiting<J, A>>>,
    /// Does some jobs and gives the answer to each, in their order.
    each: Box<Do<J, A>>,
    /// From when a job came until its turn came.
    waits: Histogram,
    /// How many jobs were done together.
    sizes: Histogram,
}

impl<K, J, A> Lanes<K, J, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    J: Send + 'static,
    A: Send + 'static,
{
    pub(crate) fn new(
        tasks: TaskTracker,
        each: impl Fn(Vec<J>) -> BoxFuture<'static, Vec<A>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            tasks,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            each: Box::new(each),
            waits: Histogram::of_durations(),
            sizes: Histogram::of_sizes(),
        })
    }

    /// The answer to a job, once it was done in this lane.
    pub(crate) async fn pass(self: &Arc<Self>, lane: K, job: J) -> Result<A, NotDone> {
        let (answer, mut answered) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let idle = {
            let mut waiting = self.waiting();
            let idle = !waiting.contains_key(&lane);
            let in_lane = waiting.entry(lane.clone()).or_default();
            if in_lane.len() >= WAITING {
                return Err(NotDone::Late);
            }
            in_lane.push(Waits {
                number,
                since: Instant::now(),
                job,
                answer,
            });
            idle
        };
        if idle {
            // A task of its own, since whoever came first may go away while others wait.
            self.tasks.spawn(Arc::clone(self).drive(lane.clone()));
        }
        match timeout(PATIENCE, &mut answered).await {
            Ok(answer) => answer.unwrap_or(Err(NotDone::Lost)),
            Err(_) if self.leaves(&lane, number) => Err(NotDone::Late),
            // It is being done, which has a limit of its own.
            Err(_) => answered.await.unwrap_or(Err(NotDone::Lost)),
        }
    }

    /// Takes a job out of its lane, if its turn has not come.
    fn leaves(&self, lane: &K, number: u64) -> bool {
        let mut waiting = self.waiting();
        let Some(in_lane) = waiting.get_mut(lane) else {
            return false;
        };
        let place = in_lane.iter().position(|waits| waits.number == number);
        place.map(|place| in_lane.remove(place)).is_some()
    }

    /// Does what waits until nothing waits.
    async fn drive(self: Arc<Self>, lane: K) {
        while let Some(group) = self.next(&lane) {
            let (jobs, answers): (Vec<_>, Vec<_>) = group
                .into_iter()
                .map(|waits| (waits.job, waits.answer))
                .unzip();
            // Neither a panic nor what never ends must leave everybody waiting who comes after.
            let done = AssertUnwindSafe((self.each)(jobs)).catch_unwind();
            // Whoever has gone away needs no answer.
            match timeout(LIMIT, done).await {
                Ok(Ok(done)) => {
                    for (answer, done) in answers.into_iter().zip(done) {
                        let _ = answer.send(Ok(done));
                    }
                }
                Ok(Err(_)) => drop(answers),
                Err(_) => {
                    tracing::error!(
                        changes = answers.len(),
                        "changes have taken too long and are given up"
                    );
                    for answer in answers {
                        let _ = answer.send(Err(NotDone::Unknown));
                    }
                }
            }
        }
    }

    /// Those whose turn it is; none: the lane is left.
    fn next(&self, lane: &K) -> Option<Waiting<J, A>> {
        let mut waiting = self.waiting();
        let in_lane = waiting.get_mut(lane)?;
        if in_lane.is_empty() {
            waiting.remove(lane);
            return None;
        }
        let group = in_lane.len().min(TOGETHER);
        let group: Waiting<J, A> = in_lane.drain(..group).collect();
        for waits in &group {
            self.waits.took(waits.since.elapsed());
        }
        self.sizes.size(group.len());
        Some(group)
    }

    /// What is counted.
    #[expect(
        clippy::cast_precision_loss,
        reason = "far fewer than 2^52 wait at a time"
    )]
    pub(crate) fn families(&self) -> Vec<Family> {
        let waiting: usize = self.waiting().values().map(Vec::len).sum();
        vec![
            Family::gauge(
                "chancery.change.queue",
                "{change}",
                "Changes that wait for their turn: for others of the same tenant, or for the database.",
                waiting as f64,
            ),
            Family::histogram(
                "chancery.change.wait.duration",
                "s",
                "How long changes waited for their turn.",
                self.waits.distribution(),
            ),
            Family::histogram(
                "chancery.change.group.size",
                "{change}",
                "How many changes were made together.",
                self.sizes.distribution(),
            ),
        ]
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<K, Waiting<J, A>>> {
        // Nothing in here is left half done by a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::Semaphore, task::JoinHandle};

    use super::*;

    /// Jobs are numbers; the answer is what was done together. 666 panics.
    struct World {
        lanes: Arc<Lanes<&'static str, u32, Vec<u32>>>,
        permits: Arc<Semaphore>,
        tasks: TaskTracker,
    }

    /// Each group waits for a permit.
    fn world() -> World {
        let (permits, tasks) = (Arc::new(Semaphore::new(0)), TaskTracker::new());
        let gate = permits.clone();
        let lanes = Lanes::new(tasks.clone(), move |jobs: Vec<u32>| {
            let gate = gate.clone();
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                assert!(!jobs.contains(&666));
                jobs.iter().map(|_| jobs.clone()).collect()
            })
        });
        World {
            lanes,
            permits,
            tasks,
        }
    }

    impl World {
        /// One who has come into the lane.
        async fn come(
            &self,
            lane: &'static str,
            job: u32,
        ) -> JoinHandle<Result<Vec<u32>, NotDone>> {
            let before = self.in_lane(lane);
            let lanes = Arc::clone(&self.lanes);
            let waits = tokio::spawn(async move { lanes.pass(lane, job).await });
            // The first one's turn comes at once.
            let expected = before.map_or(0, |waiting| waiting + 1);
            while self.in_lane(lane) != Some(expected) {
                tokio::task::yield_now().await;
            }
            waits
        }

        fn in_lane(&self, lane: &str) -> Option<usize> {
            self.lanes.waiting().get(lane).map(Vec::len)
        }
    }

    #[tokio::test]
    async fn who_comes_while_something_is_done_is_done_next_and_together() {
        let world = world();
        let first = world.come("a", 1).await;
        let late = [world.come("a", 2).await, world.come("a", 3).await];
        let elsewhere = world.come("b", 4).await;
        world.permits.add_permits(3);
        assert_eq!(first.await.unwrap(), Ok(vec![1]));
        for late in late {
            assert_eq!(late.await.unwrap(), Ok(vec![2, 3]));
        }
        assert_eq!(elsewhere.await.unwrap(), Ok(vec![4]));
        world.tasks.close();
        world.tasks.wait().await;
        assert_eq!((world.in_lane("a"), world.in_lane("b")), (None, None));
    }

    #[tokio::test]
    async fn a_group_is_bounded() {
        let world = world();
        let mut waits = vec![world.come("a", 0).await];
        for job in 1..=33 {
            waits.push(world.come("a", job).await);
        }
        world.permits.add_permits(3);
        let mut sizes = Vec::new();
        for waits in waits {
            sizes.push(waits.await.unwrap().unwrap().len());
        }
        assert_eq!(sizes, [vec![1], vec![TOGETHER; TOGETHER], vec![1]].concat());
    }

    #[tokio::test]
    async fn a_panic_is_told_to_those_whom_it_struck_and_stops_nobody_else() {
        let world = world();
        let struck = world.come("a", 666).await;
        let next = world.come("a", 1).await;
        world.permits.add_permits(2);
        assert_eq!(struck.await.unwrap(), Err(NotDone::Lost));
        assert_eq!(next.await.unwrap(), Ok(vec![1]));
    }

    #[tokio::test(start_paused = true)]
    async fn whose_turn_does_not_come_in_time_is_told_so_and_nothing_is_done() {
        let world = world();
        let begun = tokio::time::Instant::now();
        let first = world.come("a", 1).await;
        let late = world.come("a", 2).await;
        assert_eq!(late.await.unwrap(), Err(NotDone::Late));
        assert_eq!(begun.elapsed(), PATIENCE);
        let in_time = world.come("a", 3).await;
        world.permits.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(vec![1]));
        assert_eq!(in_time.await.unwrap(), Ok(vec![3]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_is_given_up_and_stops_nobody_else() {
        let world = world();
        let begun = tokio::time::Instant::now();
        let mute = world.come("a", 1).await;
        assert_eq!(mute.await.unwrap(), Err(NotDone::Unknown));
        assert_eq!(begun.elapsed(), LIMIT);
        let next = world.come("a", 2).await;
        world.permits.add_permits(1);
        assert_eq!(next.await.unwrap(), Ok(vec![2]));
    }

    #[tokio::test]
    async fn a_lane_is_bounded() {
        let world = world();
        let first = world.come("a", 0).await;
        let waiting: Vec<_> = (1_000..5_096)
            .map(|job| {
                let lanes = Arc::clone(&world.lanes);
                tokio::spawn(async move { lanes.pass("a", job).await })
            })
            .collect();
        while world.in_lane("a") != Some(WAITING) {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.lanes.pass("a", 9).await, Err(NotDone::Late));
        world.permits.add_permits(1 + WAITING.div_ceil(TOGETHER));
        assert!(first.await.unwrap().is_ok());
        for waits in waiting {
            assert!(waits.await.unwrap().is_ok());
        }
    }

    #[tokio::test]
    async fn who_came_first_may_go_away() {
        let world = world();
        let first = world.come("a", 1).await;
        let second = world.come("a", 2).await;
        first.abort();
        world.permits.add_permits(2);
        assert_eq!(second.await.unwrap(), Ok(vec![2]));
    }
}
