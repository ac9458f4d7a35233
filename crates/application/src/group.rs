//! Changes that share a transaction. Changes of one tenant wait for its lock, and on SQLite all of them for the one
//! writer; those that wait are made together, so that they share the commit, which is what takes longest.

use std::{collections::HashSet, sync::Arc};

use chancery_domain::{StreamId, TenantId};
use chancery_event_store::{Backend, Store, StoreError, Tx};
use chancery_telemetry::{TraceContext, stage};
use futures_util::future::{BoxFuture, try_join_all};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::{
    Application,
    error::Error,
    execute::{Decided, Work, WriteError, Written, still_there},
    together::{Lanes, NotDone, PATIENCE},
};

/// A tenant, where its lock is what changes wait for; on SQLite there is one writer for all.
pub(crate) type Lane = Option<TenantId>;

/// The lanes of all changes.
pub(crate) type Changes = Arc<Lanes<Lane, Job, Result<Written, WriteError>>>;

/// A change that is to be written.
pub(crate) struct Job {
    work: Arc<Work>,
    decided: Arc<Decided>,
    span: Span,
    trace: Option<TraceContext>,
}

pub(crate) fn changes(tasks: TaskTracker, store: Store) -> Changes {
    Lanes::new(tasks, move |jobs| {
        let store = store.clone();
        Box::pin(async move { write_all(&store, jobs).await }) as BoxFuture<'static, _>
    })
}

impl Application {
    /// Writes and commits a change, perhaps with others that are ready at the same time: all of it or nothing, and
    /// whatever becomes of the others.
    pub(crate) async fn change_together(&self, job: Job) -> Result<Written, WriteError> {
        let lane = match self.parts.store.backend() {
            Backend::Postgres => Some(job.work.tenant()),
            Backend::Sqlite => None,
        };
        match self.changes.pass(lane, job).await {
            Ok(written) => written,
            Err(NotDone::Lost) => Err(Error::Internal(Box::new(NotDone::Lost)).into()),
            Err(why) => Err(unavailable(why)),
        }
    }
}

async fn write_all(store: &Store, jobs: Vec<Job>) -> Vec<Result<Written, WriteError>> {
    let mut moved = HashSet::new();
    let overtaken: Vec<_> = jobs
        .iter()
        .map(|job| job.is_overtaken(&mut moved))
        .collect();
    let ready: Vec<_> = (jobs.iter().zip(&overtaken))
        .filter_map(|(job, overtaken)| (!overtaken).then_some(job))
        .collect();
    let mut written = written(store, &ready).await.into_iter();
    let lost = || Err(Error::Internal(Box::new(NotDone::Lost)).into());
    let answer = |overtaken| {
        if overtaken {
            Err(WriteError::Overtaken)
        } else {
            written.next().unwrap_or_else(lost)
        }
    };
    overtaken.into_iter().map(answer).collect()
}

/// The answer to each of these changes, none of which stands on what another one changes.
async fn written(store: &Store, jobs: &[&Job]) -> Vec<Result<Written, WriteError>> {
    if jobs.len() > 1 {
        match written_together(store, jobs).await {
            Ok(written) => return written.into_iter().map(Ok).collect(),
            Err(Failed::All(error)) => return failed(error, jobs.len()),
            // It may be one alone that cannot be made. Nothing of the others has happened.
            Err(Failed::One) => {}
        }
    }
    let mut answers = Vec::with_capacity(jobs.len());
    let begun = Instant::now();
    for job in jobs {
        // Each would wait as long for the same, and those who come after them too.
        if begun.elapsed() >= PATIENCE {
            answers.push(Err(unavailable(NotDone::Late)));
            continue;
        }
        match store.begin().await {
            Ok(tx) => answers.push(job.write_and_commit(tx).await),
            Err(error) => {
                answers.extend(failed(error, jobs.len() - answers.len()));
                break;
            }
        }
    }
    answers
}

fn unavailable(why: NotDone) -> WriteError {
    Error::Unavailable(Box::new(why)).into()
}

fn failed(error: StoreError, many: usize) -> Vec<Result<Written, WriteError>> {
    let each = std::iter::repeat_n(error, many);
    each.map(|error| Err(WriteError::from(error))).collect()
}

/// Why changes were not made together.
#[derive(Debug)]
enum Failed {
    /// What holds for all of them.
    All(StoreError),
    /// What may hold for one of them.
    One,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::All(error)
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        let WriteError::Failed(Error::Unavailable(cause)) = error else {
            return Self::One;
        };
        // A clock that is behind the roll of one tenant is no fault of the store.
        match cause.downcast::<StoreError>() {
            Ok(error) if holds_for_all(&error) => Self::All(*error),
            _ => Self::One,
        }
    }
}

/// Whether the store is away or cannot write at all. What it says of one statement (that it took too long, or too much
/// memory, or was chosen to end a deadlock) may be the statement's own.
fn holds_for_all(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else {
        return false;
    };
    match cause.code.as_deref() {
        // The connection is lost, or there is none.
        None => true,
        // SQLSTATE: connection, shutdown, system, full disk. It has five characters, and a code of SQLite fewer.
        Some(code) if code.len() == 5 => ["08", "57P", "58", "53100"]
            .iter()
            .any(|all| code.starts_with(all)),
        // SQLite: busy, locked, read-only, input and output, full, not to be opened.
        Some(code) => {
            let code = code.parse().map_or(0, |code: i32| code & 0xff);
            [5, 6, 8, 10, 13, 14].contains(&code)
        }
    }
}

async fn written_together(store: &Store, jobs: &[&Job]) -> Result<Vec<Written>, Failed> {
    let mut tx = store.begin().await?;
    let mut written = Vec::with_capacity(jobs.len());
    for job in jobs {
        written.push(job.write(&mut tx).await?);
    }
    // What the lock does not hold is asked last, since the others have taken their time: who is of another tenant, and
    // whose token was revoked, for which all ask with one query.
    if store.backend() == Backend::Postgres {
        let works: Vec<_> = jobs.iter().map(|job| &*job.work).collect();
        still_there(&mut tx, &works).await?;
    }
    let revoked = try_join_all(jobs.iter().map(|job| job.work.not_revoked()));
    // Whether it is so may be asked by one alone.
    revoked.await.map_err(|_| Failed::One)?;
    let commits: Vec<_> = jobs.iter().map(|job| job.stage_of_commit()).collect();
    tx.commit().await?;
    drop(commits);
    Ok(written)
}

impl Job {
    pub(crate) fn new(work: &Arc<Work>, decided: &Arc<Decided>) -> Self {
        Self {
            work: Arc::clone(work),
            decided: Arc::clone(decided),
            span: Span::current(),
            trace: TraceContext::current(),
        }
    }

    /// Whether it was decided on what another one of the group changes, and so has to be decided anew. What it
    /// changes itself is added to what has moved.
    fn is_overtaken(&self, moved: &mut HashSet<StreamId>) -> bool {
        let Decided { read, change, .. } = &*self.decided;
        let overtaken = read
            .streams()
            .iter()
            .any(|loaded| moved.contains(&loaded.stream));
        if !overtaken {
            moved.extend(change.events().iter().map(|(stream, _)| *stream));
        }
        overtaken
    }

    /// Writes the change by itself.
    pub(crate) async fn write_and_commit(&self, mut tx: Tx) -> Result<Written, WriteError> {
        let write = async {
            let numbers = self.work.take_numbers(&mut tx, &self.decided).await?;
            // Under the tenant's lock, as whether the caller was disabled. Another database is asked meanwhile.
            let revoked = self.work.not_revoked();
            let written = self.work.write(&mut tx, numbers, &self.decided);
            let (revoked, written) = tokio::join!(revoked, written);
            revoked?;
            written
        };
        let written = self.in_trace(write).await?;
        let _commits = self.stage_of_commit();
        tx.commit().await?;
        Ok(written)
    }

    /// Writes the change but for whether the caller's token was revoked.
    async fn write(&self, tx: &mut Tx) -> Result<Written, WriteError> {
        let write = async {
            let numbers = self.work.take_numbers(tx, &self.decided).await?;
            self.work.write(tx, numbers, &self.decided).await
        };
        self.in_trace(write).await
    }

    /// Does this as a stage of the request that asked for it.
    async fn in_trace<T>(&self, write: impl Future<Output = T>) -> T {
        let stage = self.span.in_scope(|| stage!("write"));
        let write = write.instrument(stage);
        match self.trace {
            Some(trace) => trace.scope(write).await,
            None => write.await,
        }
    }

    fn stage_of_commit(&self) -> Span {
        self.span.in_scope(|| stage!("commit"))
    }
}

#[cfg(test)]
mod tests {
    use chancery_event_store::Cause;

    use super::*;

    #[test]
    fn one_that_fails_for_its_own_sake_is_tried_alone() {
        let unavailable = |code: Option<&str>| {
            let (code, message) = (code.map(ToOwned::to_owned), String::new());
            StoreError::Unavailable(Cause { code, message })
        };
        let of_all =
            |error: StoreError| matches!(Failed::from(WriteError::from(error)), Failed::All(_));
        for code in ["08006", "57P01", "58030", "53100", "5", "13", "778"] {
            assert!(of_all(unavailable(Some(code))), "{code}");
        }
        assert!(of_all(unavailable(None)));
        // A statement of its own took too long, or too much; it lost a deadlock.
        for code in ["57014", "53200", "40P01", "9"] {
            assert!(!of_all(unavailable(Some(code))), "{code}");
        }
        assert!(!of_all(StoreError::MasterKeyLeft {
            found: "a".into(),
            current: "b".into()
        }));
        let late = Error::Unavailable(Box::new(NotDone::Late));
        assert!(matches!(Failed::from(WriteError::from(late)), Failed::One));
        assert!(matches!(Failed::from(WriteError::Overtaken), Failed::One));
    }
}
