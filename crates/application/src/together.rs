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

use chancery_domain::TenantId;
use chancery_telemetry::{Family, Histogram};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

use crate::{deadline::Deadline, queue::Queue};

/// How much is done together. Whoever waits, waits for all of it.
const TOGETHER: usize = 32;

/// How long what has begun may take, which is longer than the store takes to give up. A connection that says nothing any
/// more would else stop its lane for good.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

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

/// What comes to a lane.
pub(crate) trait Comes: Send + 'static {
    /// Whose it is.
    fn tenant(&self) -> TenantId;

    /// Until when it may begin.
    fn deadline(&self) -> Deadline;
}

/// A job, and who waits for its answer.
struct Waits<J, A> {
    since: Instant,
    job: J,
    answer: oneshot::Sender<Result<A, NotDone>>,
}

type Waiting<K, J, A> = HashMap<K, Queue<Waits<J, A>>>;

type Do<J, A> = dyn Fn(Vec<J>) -> BoxFuture<'static, Vec<A>> + Send + Sync;

/// Lanes, in each of which one group of jobs is done at a time: of the tenants in turn, and of each in the order in which
/// they came. A lane that nobody is in takes no memory.
pub(crate) struct Lanes<K, J, A> {
    tasks: TaskTracker,
    /// The next one who comes; counted while `waiting` is locked.
    next: AtomicU64,
    /// Those who wait in each lane where something is under way.
    waiting: Mutex<Waiting<K, J, A>>,
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
    J: Comes,
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
        let (tenant, deadline) = (job.tenant(), job.deadline());
        let (answer, mut answered) = oneshot::channel();
        let waits = Waits {
            since: Instant::now(),
            job,
            answer,
        };
        let (number, idle) = {
            let mut waiting = self.waiting();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let idle = !waiting.contains_key(&lane);
            let in_lane = waiting.entry(lane.clone()).or_default();
            if in_lane.come(tenant, number, waits).is_err() {
                return Err(NotDone::Late);
            }
            (number, idle)
        };
        if idle {
            // A task of its own, since whoever came first may go away while others wait.
            self.tasks.spawn(Arc::clone(self).drive(lane.clone()));
        }
        match deadline.wait(&mut answered).await {
            Ok(answer) => answer.unwrap_or(Err(NotDone::Lost)),
            Err(why) if self.leaves(&lane, tenant, number) => Err(why),
            // It is being done, which has a limit of its own.
            Err(_) => answered.await.unwrap_or(Err(NotDone::Lost)),
        }
    }

    /// Takes a job out of its lane, if its turn has not come.
    fn leaves(&self, lane: &K, tenant: TenantId, number: u64) -> bool {
        let mut waiting = self.waiting();
        let in_lane = waiting.get_mut(lane);
        in_lane.is_some_and(|in_lane| in_lane.leave(tenant, number).is_some())
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

    /// Those whose turn it is, without those for whom it comes too late; none: the lane is left.
    fn next(&self, lane: &K) -> Option<Vec<Waits<J, A>>> {
        let mut waiting = self.waiting();
        let in_lane = waiting.get_mut(lane)?;
        let mut group = Vec::new();
        while group.len() < TOGETHER
            && let Some(waits) = in_lane.next()
        {
            if waits.job.deadline().is_over() {
                let _ = waits.answer.send(Err(NotDone::Late));
                continue;
            }
            self.waits.took(waits.since.elapsed());
            group.push(waits);
        }
        if group.is_empty() {
            waiting.remove(lane);
            return None;
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
        let waiting: usize = self.waiting().values().map(Queue::len).sum();
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

    fn waiting(&self) -> MutexGuard<'_, Waiting<K, J, A>> {
        // Nothing in here is left half done by a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::Semaphore, task::JoinHandle};

    use super::*;

    /// Jobs are numbers, each thousand of which are of one tenant; 666 panics.
    struct Job(u32, Deadline);

    impl Job {
        fn of(number: u32) -> Self {
            Self(number, Deadline::from_now())
        }
    }

    impl Comes for Job {
        fn tenant(&self) -> TenantId {
            TenantId::from_bytes([u8::try_from(self.0 / 1_000).unwrap(); 16])
        }

        fn deadline(&self) -> Deadline {
            self.1
        }
    }

    /// The answer is what was done together.
    struct World {
        lanes: Arc<Lanes<&'static str, Job, Vec<u32>>>,
        permits: Arc<Semaphore>,
        tasks: TaskTracker,
    }

    /// Each group waits for a permit.
    fn world() -> World {
        let (permits, tasks) = (Arc::new(Semaphore::new(0)), TaskTracker::new());
        let gate = permits.clone();
        let lanes = Lanes::new(tasks.clone(), move |jobs: Vec<Job>| {
            let gate = gate.clone();
            let jobs: Vec<_> = jobs.into_iter().map(|Job(number, _)| number).collect();
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
            let waits = self.pass(lane, Job::of(job));
            // The first one's turn comes at once.
            let expected = before.map_or(0, |waiting| waiting + 1);
            while self.in_lane(lane) != Some(expected) {
                tokio::task::yield_now().await;
            }
            waits
        }

        fn pass(&self, lane: &'static str, job: Job) -> JoinHandle<Result<Vec<u32>, NotDone>> {
            let lanes = Arc::clone(&self.lanes);
            tokio::spawn(async move { lanes.pass(lane, job).await })
        }

        fn in_lane(&self, lane: &str) -> Option<usize> {
            self.lanes.waiting().get(lane).map(Queue::len)
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
        let begun = Instant::now();
        let first = world.come("a", 1).await;
        let late = world.come("a", 2).await;
        assert_eq!(late.await.unwrap(), Err(NotDone::Late));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        let in_time = world.come("a", 3).await;
        world.permits.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(vec![1]));
        assert_eq!(in_time.await.unwrap(), Ok(vec![3]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_waited_elsewhere_has_no_more_time_than_is_left() {
        let world = world();
        let (begun, job) = (Instant::now(), Job::of(2));
        tokio::time::advance(Duration::from_secs(7)).await;
        let first = world.come("a", 1).await;
        let late = world.pass("a", job);
        assert_eq!(late.await.unwrap(), Err(NotDone::Late));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        // Nor is it begun where nobody else is.
        let job = Job::of(3);
        tokio::time::advance(Duration::from_secs(10)).await;
        world.permits.add_permits(1);
        assert_eq!(first.await.unwrap(), Ok(vec![1]));
        world.permits.add_permits(1);
        assert_eq!(world.pass("b", job).await.unwrap(), Err(NotDone::Late));
        let in_time = world.pass("b", Job::of(4));
        assert_eq!(in_time.await.unwrap(), Ok(vec![4]));
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
    async fn however_many_of_one_tenant_wait_another_one_is_done_next() {
        let world = world();
        let first = world.come("a", 0).await;
        let crowd: Vec<_> = (0..5_000).map(|_| world.pass("a", Job::of(1))).collect();
        let mut refused = 0;
        while world.in_lane("a") != Some(4_096) {
            tokio::task::yield_now().await;
        }
        let others = [world.come("a", 1_000).await, world.come("a", 2_000).await];
        world.permits.add_permits(2);
        assert!(first.await.unwrap().is_ok());
        let next = [vec![1, 1_000, 2_000], vec![1; TOGETHER - 3]].concat();
        for other in others {
            assert_eq!(other.await.unwrap(), Ok(next.clone()));
        }
        world.permits.add_permits(4_096 / TOGETHER);
        for waits in crowd {
            match waits.await.unwrap() {
                Ok(_) => {}
                Err(why) => {
                    assert_eq!(why, NotDone::Late);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 5_000 - 4_096, "who finds no place is told so");
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
