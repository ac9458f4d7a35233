//! Changes as they are written: one, or several with the same statements. Whatever can be found to be wrong with one
//! of several is found out before any of them is written, or undoes nothing but the transaction.

use std::collections::{BTreeMap, BTreeSet};

use chancery_domain::{
    ChangeSet, Event, EventId, ReadSet, Recorded, StreamId, TenantId,
    api::ApiRefusal,
    tenant::{TenantEvent, TenantRefusal},
};
use chancery_event_store::{
    Append, Numbers, Provenance, StoreError, Tx, UniqueRule, Versions, Wanted,
};
use chancery_projections::Saved;

use crate::{
    access,
    error::Error,
    group::Job,
    operators,
    policy_preview::guard_breaks,
    sessions::{Ended, end_sessions},
    together::NotDone,
};

/// What was written of a change.
pub(crate) struct Written {
    /// Its entries.
    pub(crate) recorded: Vec<Recorded>,
    /// The sessions that it has ended.
    pub(crate) ended: Ended,
    /// The rows that it has saved.
    pub(crate) saved: Saved,
}

/// Why a change was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// A stream had moved since it was read.
    Overtaken,
    /// Somebody else holds the tenant's lock, which was not to be waited for.
    Busy,
    /// Somebody else holds what it needs beside that, for longer than others should wait with it.
    Slow,
    /// The command id is taken.
    AlreadyRemembered,
    /// Anything else.
    Failed(Error),
}

impl WriteError {
    /// Whether it has waited for too long for what somebody else holds.
    pub(crate) fn has_waited(&self) -> bool {
        let Self::Failed(Error::Unavailable(cause)) = self else {
            return false;
        };
        let cause = cause.downcast_ref::<StoreError>();
        cause.is_some_and(StoreError::has_waited)
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<NotDone> for WriteError {
    fn from(why: NotDone) -> Self {
        Self::Failed(why.into())
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        let StoreError::Unique { rule } = error else {
            return Self::Failed(error.into());
        };
        match rule {
            UniqueRule::TenantSlug => Self::Failed(Error::Refused(TenantRefusal::SlugTaken.into())),
            UniqueRule::ApiIdentifier => {
                Self::Failed(Error::Refused(ApiRefusal::IdentifierTaken.into()))
            }
            UniqueRule::Command => Self::AlreadyRemembered,
            UniqueRule::StreamVersion => Self::Overtaken,
            _ => Self::Failed(error.into()),
        }
    }
}

/// What to do about a tenant's lock that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Wait for it. All changes are of one tenant then, or on SQLite.
    Wait,
    /// Leave that tenant's changes alone, so that others need not wait with them.
    Free,
}

/// Why changes were not written. Nothing of any of them may be committed.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// What is wrong with some of them, by their place; the others may be written without these.
    Some(Vec<(usize, WriteError)>),
    /// It is wrong with all of them, or it is not known with which.
    All(WriteError),
}

impl From<WriteError> for NotWritten {
    fn from(error: WriteError) -> Self {
        Self::All(error)
    }
}

impl From<Error> for NotWritten {
    fn from(error: Error) -> Self {
        Self::All(error.into())
    }
}

impl From<StoreError> for NotWritten {
    fn from(error: StoreError) -> Self {
        Self::All(error.into())
    }
}

/// What is wrong with which change.
#[derive(Default)]
pub(crate) struct Wrong(BTreeMap<usize, WriteError>);

impl Wrong {
    /// Of the change at this place, unless it is wrong with the store.
    pub(crate) fn of(&mut self, place: usize, found: Result<(), Error>) -> Result<(), NotWritten> {
        match found {
            Err(Error::Unavailable(cause)) if cause.is::<StoreError>() => {
                Err(Error::Unavailable(cause).into())
            }
            Err(error @ Error::Internal(_)) => Err(error.into()),
            Err(error) => {
                self.0.insert(place, error.into());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    pub(crate) fn none(self) -> Result<(), NotWritten> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(NotWritten::Some(self.0.into_iter().collect()))
    }
}

/// Writes changes, none of which stands on what another one changes, with the numbers that were taken for them. Not
/// looked at is whether the callers' tokens were revoked. The caller commits.
pub(crate) async fn write(
    tx: &mut Tx,
    jobs: &[&Job],
    mut numbers: BTreeMap<TenantId, Numbers>,
) -> Result<Vec<Written>, NotWritten> {
    compare(tx, jobs, &numbers).await?;
    remember(tx, jobs).await?;
    let changes = jobs.iter().map(|job| {
        let (read, change) = (&job.decided.read, &job.decided.change);
        let events = change.events();
        let numbers = numbers.get_mut(&job.work.tenant());
        Some(Append {
            numbers: numbers?.split(events.len()),
            events,
            read: Versions::of(read),
            provenance: job.work.provenance(),
            ids: (job.work.application()).event_ids(events.len(), job.decided.now),
        })
    });
    let changes = changes.collect::<Option<Vec<_>>>();
    let recorded = tx.append_all(changes.ok_or(WriteError::Busy)?).await?;
    let mut saved = chancery_projections::save(tx, &recorded).await?;
    let mut recorded = recorded.into_iter();
    let mut written = Vec::with_capacity(jobs.len());
    for job in jobs {
        let count = job.decided.change.events().len();
        let recorded: Vec<_> = recorded.by_ref().take(count).collect();
        let ended = write_beside(
            tx,
            job.work.tenant(),
            (&job.decided.read, &job.decided.change),
        );
        let ended = ended.await?;
        guard(tx, job).await?;
        written.push(Written {
            saved: saved.split(&recorded),
            recorded,
            ended,
        });
    }
    Ok(written)
}

/// Takes the next numbers of all tenants of these changes, and with them their locks.
pub(crate) async fn take_numbers(
    tx: &mut Tx,
    jobs: &[&Job],
    lock: Lock,
) -> Result<BTreeMap<TenantId, Numbers>, StoreError> {
    let mut wanted = Wanted::new();
    for job in jobs {
        let (count, now) = (job.decided.change.events().len(), job.decided.now);
        let of_tenant = wanted.entry(job.work.tenant()).or_insert((0, now));
        *of_tenant = (of_tenant.0 + count, of_tenant.1.max(now));
    }
    if lock == Lock::Free {
        return tx.take_free_numbers(&wanted).await;
    }
    let mut taken = BTreeMap::new();
    for (tenant, (count, now)) in wanted {
        taken.insert(tenant, tx.take_numbers(tenant, count, now).await?);
    }
    Ok(taken)
}

/// Compares what was read with what is there now, and with it whether the callers still are who they were. What was
/// decided by a clock that is behind the roll stands on what has ended.
async fn compare(
    tx: &mut Tx,
    jobs: &[&Job],
    numbers: &BTreeMap<TenantId, Numbers>,
) -> Result<(), NotWritten> {
    let callers = jobs.iter().filter_map(|job| job.work.caller().stands_on());
    let mut asked = access::streams_of(callers);
    for job in jobs {
        let tenant = job.work.tenant();
        asked.extend(
            streams_of(&job.decided.read)
                .into_iter()
                .map(|stream| (tenant, stream)),
        );
    }
    let stands = tx.stands(&asked).await?;
    let mut wrong = Wrong::default();
    for (place, job) in jobs.iter().enumerate() {
        let (application, tenant) = (job.work.application(), job.work.tenant());
        let Some(numbers) = numbers.get(&tenant) else {
            wrong.0.insert(place, WriteError::Busy);
            continue;
        };
        // Whoever waited for the lock for too long may have been told that nothing is done.
        wrong.of(place, job.work.in_time())?;
        let by_clock = application.now_after(tenant, numbers.recorded_at());
        wrong.of(place, by_clock.map(drop))?;
        let good = application.still_stands(tx, job.work.caller(), &stands);
        wrong.of(place, good.await)?;
        let read = &job.decided.read;
        if stands.versions(tenant, &streams_of(read)) != Versions::of(read) {
            wrong.0.entry(place).or_insert(WriteError::Overtaken);
        }
    }
    wrong.none()
}

/// Remembers the commands that have an id.
async fn remember(tx: &mut Tx, jobs: &[&Job]) -> Result<(), NotWritten> {
    let mut wrong = Wrong::default();
    for (place, job) in jobs.iter().enumerate() {
        let Some((command, remembered)) = job.work.remembered() else {
            continue;
        };
        let caller = job.work.caller().actor();
        let remembered = tx.remember(caller, command, &remembered, job.decided.now);
        match remembered.await.map_err(WriteError::from) {
            Ok(()) => {}
            Err(error @ WriteError::AlreadyRemembered) => {
                wrong.0.insert(place, error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    wrong.none()
}

/// Looks once more at the callers that are of another tenant than the one that they change, whose lock therefore does
/// not hold them: the changes that were written since may have taken long.
pub(crate) async fn look_again(tx: &mut Tx, jobs: &[&Job]) -> Result<(), NotWritten> {
    let outside: Vec<_> = jobs
        .iter()
        .map(|job| job.work.caller().stands_outside(job.work.tenant()))
        .collect();
    let asked: BTreeSet<_> = access::streams_of(outside.iter().flatten().copied());
    if asked.is_empty() {
        return Ok(());
    }
    let stands = tx.stands(&asked).await?;
    let mut wrong = Wrong::default();
    for (place, job) in jobs.iter().enumerate() {
        if outside.get(place).is_some_and(Option::is_some) {
            let good = job
                .work
                .application()
                .still_stands(tx, job.work.caller(), &stands);
            wrong.of(place, good.await)?;
        }
    }
    wrong.none()
}

/// What is looked at once the rows are those after the change.
async fn guard(tx: &mut Tx, job: &Job) -> Result<(), WriteError> {
    let (tenant, decided) = (job.work.tenant(), &job.decided);
    let (read, change, now) = (&decided.read, &decided.change, decided.now);
    operators::guard_last_operator(tx, tenant, read, change, now).await?;
    if job.work.refuses_breaks() {
        for (_, event) in change.events() {
            if let Event::Tenant(TenantEvent::TenantPolicyChanged { policy }) = event {
                let before = read.tenant(tenant).map_err(Error::from)?;
                guard_breaks(tx, tenant, before, policy, now).await?;
            }
        }
    }
    Ok(())
}

/// Compares what was read with what is there now, under the lock that came with the numbers, and
/// writes events, read-model rows and vault rows. The caller commits.
pub(crate) async fn write_first(
    tx: &mut Tx,
    numbers: Numbers,
    (read, change): (&ReadSet, &ChangeSet),
    provenance: &Provenance,
    ids: Vec<EventId>,
) -> Result<(), WriteError> {
    let (tenant, decided_on) = (numbers.tenant(), Versions::of(read));
    if tx.versions(tenant, &streams_of(read)).await? != decided_on {
        return Err(WriteError::Overtaken);
    }
    let events = change.events();
    let recorded = tx
        .append(numbers, events, &decided_on, provenance, ids)
        .await?;
    chancery_projections::save(tx, &recorded).await?;
    write_beside(tx, tenant, (read, change)).await?;
    Ok(())
}

/// Writes what is beside the roll and its rows: the vault, and the sessions that end.
async fn write_beside(
    tx: &mut Tx,
    tenant: TenantId,
    (read, change): (&ReadSet, &ChangeSet),
) -> Result<Ended, StoreError> {
    tx.keep(tenant, change.vault()).await?;
    for secret in change.erased() {
        tx.erase(tenant, *secret).await?;
    }
    for key in change.erased_keys() {
        tx.erase_key(tenant, *key).await?;
    }
    end_sessions(tx, tenant, (read, change)).await
}

fn streams_of(read: &ReadSet) -> Vec<StreamId> {
    read.streams().iter().map(|loaded| loaded.stream).collect()
}
