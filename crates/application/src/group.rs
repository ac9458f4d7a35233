//! Changes that share a transaction. Those of one tenant wait for its lock, and on SQLite all of them for the one
//! writer; those that wait are made together, with the same statements and one commit. On PostgreSQL small changes of
//! several tenants are made together too, of tenants whose lock is free: nobody waits for a tenant but its own changes.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chancery_domain::{Event, StreamId, TenantId, api::ApiEvent};
use chancery_event_store::{Backend, Store, StoreError, Tx};
use chancery_telemetry::{Family, TraceContext, stage};
use futures_util::future::{BoxFuture, join_all};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::{
    Application,
    deadline::Deadline,
    execute::{Decided, Work},
    operators,
    settle::{Failed, Makes, lost, settle},
    together::{Comes, Lanes, NotDone},
    turns::{Turn, Turns},
    write::{Lock, NotWritten, WriteError, Written, Wrong, look_again, take_numbers, write},
};

/// What changes wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// SQLite's one writer.
    Writer,
    /// A tenant's lock.
    Tenant(TenantId),
    /// Nothing: one of a few lanes for small changes of whichever tenant.
    Light(u64),
}

/// How many lanes there are for small changes. Each keeps a connection busy while one is under way; the fewer there are,
/// the more changes share a commit.
const LIGHT_LANES: u64 = 2;

/// How many events a small change has at most. Whoever is made together with it waits for it.
const LIGHT: usize = 16;

impl Lane {
    fn light(tenant: TenantId) -> Self {
        let mut hasher = DefaultHasher::new();
        tenant.hash(&mut hasher);
        Self::Light(hasher.finish() % LIGHT_LANES)
    }
}

type Answer = Result<Written, WriteError>;

/// The lanes of all changes.
pub(crate) type Changes = Arc<Lanes<Lane, Job, Answer>>;

/// A change that is to be written.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) work: Arc<Work>,
    pub(crate) decided: Arc<Decided>,
    lock: Lock,
    span: Span,
    trace: Option<TraceContext>,
}

pub(crate) fn changes(tasks: TaskTracker, store: Store, turns: Arc<Turns>) -> Changes {
    Lanes::new(tasks, move |jobs| {
        let (store, turns) = (store.clone(), turns.clone());
        Box::pin(async move {
            let group = Group {
                store: &store,
                jobs: &jobs,
            };
            match group.turn(&turns).await {
                Ok(_turn) => group.made().await,
                Err(why) => jobs.iter().map(|_| Err(why.into())).collect(),
            }
        }) as BoxFuture<'static, _>
    })
}

impl Application {
    /// Writes and commits a change, perhaps with others that are ready at the same time: all of it or nothing, and
    /// whatever becomes of the others.
    pub(crate) async fn change_together(&self, job: Job) -> Answer {
        let tenant = job.work.tenant();
        let lane = match self.parts.store.backend() {
            Backend::Postgres => Lane::Tenant(tenant),
            Backend::Sqlite => Lane::Writer,
        };
        if lane != Lane::Writer && job.is_light() && !self.turns.is_slow(tenant) {
            let lock = Lock::Free;
            let answer = self.pass(
                Lane::light(tenant),
                Job {
                    lock,
                    ..job.clone()
                },
            );
            match answer.await {
                Err(WriteError::Busy) => {}
                // Who tries again and again keeps the others waiting once in a while.
                Err(WriteError::Slow) => self.turns.note_slow(tenant),
                answer => return answer,
            }
        }
        self.pass(lane, job).await
    }

    async fn pass(&self, lane: Lane, job: Job) -> Answer {
        match self.changes.pass(lane, job).await {
            Ok(answer) => answer,
            Err(why) => Err(why.into()),
        }
    }

    /// What is counted of changes.
    pub fn families(&self) -> Vec<Family> {
        self.changes.families()
    }
}

/// Changes that have come to a lane at the same time.
struct Group<'a> {
    store: &'a Store,
    jobs: &'a [Job],
}

impl Group<'_> {
    /// A turn where it waits for a tenant's lock, as long as any of them may begin.
    async fn turn(&self, turns: &Arc<Turns>) -> Result<Option<Turn>, NotDone> {
        let (first, last) = (
            self.jobs.first(),
            self.jobs.iter().map(Comes::deadline).max(),
        );
        let waits =
            first.filter(|job| job.lock == Lock::Wait && self.store.backend() == Backend::Postgres);
        match waits.zip(last) {
            Some((job, deadline)) => turns.take(job.tenant(), deadline).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where tenants wait with each other, nobody waits for long.
    async fn begin(&self) -> Result<Tx, StoreError> {
        match self.jobs.first() {
            Some(job) if job.lock == Lock::Free => self.store.begin_brief().await,
            _ => self.store.begin().await,
        }
    }

    /// The answer to each.
    async fn made(&self) -> Vec<Answer> {
        let mut moved = HashSet::new();
        let (mut together, mut alone, mut overtaken) = (Vec::new(), Vec::new(), Vec::new());
        for (place, job) in self.jobs.iter().enumerate() {
            if job.is_overtaken(&mut moved) {
                overtaken.push((place, Err(WriteError::Overtaken)));
            } else if job.is_light() {
                together.push(place);
            } else {
                alone.push(place);
            }
        }
        let mut answers = settle(self, together, alone).await;
        answers.extend(overtaken);
        let answer = |place| answers.remove(&place).unwrap_or_else(|| Err(lost()));
        (0..self.jobs.len()).map(answer).collect()
    }
}

impl Makes for Group<'_> {
    type Made = Written;

    fn is_late(&self, place: usize) -> bool {
        let job = self.jobs.get(place);
        job.is_some_and(|job| job.deadline().is_over())
    }

    async fn together(
        &self,
        places: &[usize],
        commits: &AtomicBool,
    ) -> Result<Vec<Written>, Failed> {
        let jobs: Vec<_> = (places.iter())
            .filter_map(|place| self.jobs.get(*place))
            .collect();
        let mut tx = self.begin().await.map_err(Failed::All)?;
        match write_together(self.store, &mut tx, &jobs).await {
            Ok(written) => {
                let _commit: Vec<_> = jobs.iter().map(|job| job.stage_of_commit()).collect();
                commits.store(true, Ordering::Relaxed);
                tx.commit().await.map_err(Failed::All)?;
                Ok(written)
            }
            Err(why) => {
                // The locks are let go of before anybody begins anew.
                let _ = tx.rollback().await;
                Err(why.into())
            }
        }
    }

    async fn alone(&self, place: usize) -> Result<Answer, StoreError> {
        let Some(job) = self.jobs.get(place) else {
            return Ok(Err(lost()));
        };
        let tx = self.begin().await?;
        Ok(match job.write_and_commit(tx).await {
            Err(error) if job.lock == Lock::Free && error.has_waited() => Err(WriteError::Slow),
            answer => answer,
        })
    }
}

/// Writes changes, and looks last at what the locks do not hold, since the others have taken their time: who is of
/// another tenant, and whose token was revoked, for which all ask with one query.
async fn write_together(
    store: &Store,
    tx: &mut Tx,
    jobs: &[&Job],
) -> Result<Vec<Written>, NotWritten> {
    let _stages: Vec<_> = jobs.iter().map(|job| job.stage_of_writing()).collect();
    let lock = jobs.first().map_or(Lock::Wait, |job| job.lock);
    let numbers = take_numbers(tx, jobs, lock).await?;
    let written = write(tx, jobs, numbers).await?;
    if store.backend() == Backend::Postgres {
        look_again(tx, jobs).await?;
    }
    let mut wrong = Wrong::default();
    let revoked = join_all(jobs.iter().map(|job| job.work.not_revoked()));
    for (place, revoked) in revoked.await.into_iter().enumerate() {
        wrong.of(place, revoked)?;
    }
    wrong.none()?;
    Ok(written)
}

impl Comes for Job {
    fn tenant(&self) -> TenantId {
        self.work.tenant()
    }

    fn deadline(&self) -> Deadline {
        self.work.deadline()
    }
}

impl Job {
    /// A change that waits for its tenant's lock.
    pub(crate) fn new(work: &Arc<Work>, decided: &Arc<Decided>) -> Self {
        Self {
            work: Arc::clone(work),
            decided: Arc::clone(decided),
            lock: Lock::Wait,
            span: Span::current(),
            trace: TraceContext::current(),
        }
    }

    /// Whether it is small, and what can be wrong with it is found out before it is written: by what it changes no rule
    /// can be broken that others hold.
    fn is_light(&self) -> bool {
        let Decided { read, change, now } = &*self.decided;
        let (work, events) = (&self.work, change.events());
        let breaks = |event: &Event| {
            matches!(
                event,
                Event::Tenant(_) | Event::Api(ApiEvent::ApiCreated { .. })
            )
        };
        events.len() <= LIGHT
            && !work.refuses_breaks()
            && !events.iter().any(|(_, event)| breaks(event))
            && !operators::concerns_operators(read, change, *now)
    }

    /// Whether it was decided on what another one of the group changes, or its caller stands on that, and so has to be
    /// decided anew. What it changes itself is added to what has moved.
    fn is_overtaken(&self, moved: &mut HashSet<StreamId>) -> bool {
        let Decided { read, change, .. } = &*self.decided;
        let caller = self.work.caller().stands_on();
        let callers = caller.into_iter().flat_map(|(_, streams)| streams);
        let mut stands_on = (read.streams().iter().map(|loaded| &loaded.stream)).chain(callers);
        let overtaken = stands_on.any(|stream| moved.contains(stream));
        if !overtaken {
            moved.extend(change.events().iter().map(|(stream, _)| *stream));
        }
        overtaken
    }

    /// Writes the change by itself.
    pub(crate) async fn write_and_commit(&self, mut tx: Tx) -> Answer {
        let write = async {
            let only = [self];
            let numbers = take_numbers(&mut tx, &only, self.lock).await?;
            // Under the tenant's lock, as whether the caller was disabled. Another database is asked meanwhile.
            let revoked = self.work.not_revoked();
            let (revoked, written) = tokio::join!(revoked, write(&mut tx, &only, numbers));
            revoked?;
            written
        };
        let written = match self.in_trace(write).await {
            Ok(written) => written,
            Err(why) => {
                // The locks are let go of before the next one begins.
                let _ = tx.rollback().await;
                return Err(match why {
                    NotWritten::All(error) => error,
                    NotWritten::Some(wrong) => {
                        let wrong = wrong.into_iter().next();
                        wrong.map_or_else(lost, |(_, error)| error)
                    }
                });
            }
        };
        let _commits = self.stage_of_commit();
        tx.commit().await?;
        written.into_iter().next().ok_or_else(lost)
    }

    /// Does this as a stage of the request that asked for it.
    async fn in_trace<T>(&self, write: impl Future<Output = T>) -> T {
        let write = write.instrument(self.stage_of_writing());
        match self.trace {
            Some(trace) => trace.scope(write).await,
            None => write.await,
        }
    }

    fn stage_of_writing(&self) -> Span {
        self.span.in_scope(|| stage!("write"))
    }

    fn stage_of_commit(&self) -> Span {
        self.span.in_scope(|| stage!("commit"))
    }
}
