use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use chancery_domain::{Clock, TenantId};
use chancery_event_store::{
    Connections, Database, SchemaStatus, Store, StoreConfig, StoreError, StoreLocation,
};
use chancery_telemetry::Family;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::timeout,
};

use crate::{
    activity::Entry,
    backoff::Backoff,
    batch::Target,
    condition::Condition,
    counted::Counted,
    denials::Denials,
    look_up::LookUps,
    operation::{Answer, Operation, RecordError},
    schema::Schema,
    segments::{compact::Compactor, due::Due},
    work::Work,
    writer::{Lines, Message, Writer},
};

/// How many operations may wait.
const QUEUE: usize = 4_096;

/// How many of those may wait aside that nobody waits for. Beyond them denials are counted.
const NOTES: usize = QUEUE / 4;

/// How many tenants may wait until what was written of them is put together.
const COMPACTIONS: usize = 1_024;

/// How long a caller waits for its record to be durable.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// When a caller goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When its record is durable: no token leaves without one.
    #[default]
    BeforeResponse,
    /// When its record is queued. A node that ends without warning loses what was.
    Async,
}

/// Where the log is, and how it is kept.
#[derive(Clone, Debug)]
pub struct TokenLogConfig {
    /// Where it is.
    pub location: StoreLocation,
    /// The most connections beside the one that writes.
    pub max_connections: u32,
    /// When a caller goes on.
    pub durability: Durability,
    /// After how many days activity is deleted.
    pub retention_days: u32,
}

impl TokenLogConfig {
    /// The log beside this store: on PostgreSQL in the same database, on SQLite in a file of the
    /// same directory, `tokens.db` beside `chancery.db` and `x-tokens.db` beside any other `x.db`.
    /// Durable before the response, kept for 90 days.
    pub fn beside(store: &StoreLocation) -> Self {
        let location = match store {
            StoreLocation::Postgres(url) => StoreLocation::Postgres(url.clone()),
            StoreLocation::Sqlite(path) => StoreLocation::Sqlite(path.with_file_name(name(path))),
        };
        Self {
            location,
            max_connections: 4,
            durability: Durability::default(),
            retention_days: 90,
        }
    }
}

fn name(store: &Path) -> String {
    match store.file_stem().map(|stem| stem.to_string_lossy()) {
        Some(stem) if stem != "chancery" => format!("{stem}-tokens.db"),
        _ => "tokens.db".to_owned(),
    }
}

/// The log of what token traffic does. Cheap to clone; every clone is the same log. When the last
/// one is dropped, what is queued is still written.
#[derive(Clone)]
pub struct TokenLog(Arc<Parts>);

/// An operation that is queued.
#[must_use = "it is not known to be recorded before it is answered"]
pub struct Submitted<'a> {
    counted: &'a Counted,
    answer: oneshot::Receiver<Result<Answer, RecordError>>,
    queued: Instant,
}

impl Submitted<'_> {
    /// Waits until the operation is durable, or known not to be written.
    ///
    /// # Errors
    /// [`RecordError`]: it is not known to be recorded.
    pub async fn answer(self) -> Result<Answer, RecordError> {
        let answer = match timeout(PATIENCE, self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RecordError::Closed),
            Err(_) => Err(RecordError::Slow),
        };
        self.counted.answered(self.queued);
        if let Ok(Answer::HeadMoved(_)) = answer {
            self.counted.overtaken.one();
        }
        answer
    }
}

/// A record that nobody will wait for, once it is queued.
#[must_use = "it may not be queued yet"]
pub struct Queued<'a> {
    log: &'a TokenLog,
    /// What found no room.
    left: Option<Box<Message>>,
}

impl Queued<'_> {
    /// Whether it is queued already.
    pub fn is_done(&self) -> bool {
        self.left.is_none()
    }

    /// Waits for room in the queue, as long as for a record that is to be durable: a disk that holds for a moment
    /// refuses nobody.
    ///
    /// # Errors
    /// [`RecordError::Busy`] or [`RecordError::Closed`]: it will not be recorded.
    pub async fn done(self) -> Result<(), RecordError> {
        let Some(message) = self.left else {
            return Ok(());
        };
        match timeout(PATIENCE, self.log.0.queue.reserve()).await {
            Ok(Ok(room)) => {
                room.send(*message);
                Ok(())
            }
            Ok(Err(_)) => Err(RecordError::Closed),
            Err(_) => Err(self.log.full()),
        }
    }
}

struct Parts {
    queue: mpsc::Sender<Message>,
    notes: mpsc::Sender<Work>,
    database: Database,
    schema: Schema,
    look_ups: LookUps,
    clock: Arc<dyn Clock>,
    denials: Arc<Denials>,
    counted: Arc<Counted>,
    condition: Arc<Condition>,
    durability: Durability,
    retention_days: u32,
}

impl TokenLog {
    /// Connects, brings the log's schema up to date, makes room for the coming days and starts the
    /// task that writes. `heads` is the store whose rolls are looked at:
    /// where the log is on PostgreSQL, in the same database; where it is a file, another file.
    ///
    /// A schema that is newer than this binary is left as it is, and written to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(
        config: &TokenLogConfig,
        heads: &Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let beside = match (&config.location, heads.location()) {
            (StoreLocation::Sqlite(_), StoreLocation::Sqlite(path)) => Some(path.clone()),
            (StoreLocation::Postgres(_), StoreLocation::Postgres(_)) => None,
            _ => return Err(elsewhere()),
        };
        let (database, schema) = migrated(config, beside).await?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (notes, aside) = mpsc::channel(NOTES);
        let log = Self(Arc::new(Parts {
            queue,
            notes,
            look_ups: LookUps::new(&database, schema.name()),
            database,
            schema,
            clock,
            denials: Arc::default(),
            counted: Arc::default(),
            condition: Arc::default(),
            durability: config.durability,
            retention_days: config.retention_days,
        }));
        log.prepare_days().await?;
        let (due, asked) = mpsc::channel(COMPACTIONS);
        let writer = Writer {
            target: Target::new(log.0.database.clone(), &log.0.schema),
            denials: log.0.denials.clone(),
            clock: log.0.clock.clone(),
            counted: log.0.counted.clone(),
            condition: log.0.condition.clone(),
            backoff: Backoff::default(),
            lines: Lines::default(),
            due: Due::new(due),
            notes: aside,
            told: VecDeque::new(),
        };
        tokio::spawn(log.compactor().run(asked));
        tokio::spawn(writer.run(waiting));
        Ok(log)
    }

    /// Brings the log's schema up to date, and does no more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrate(config: &TokenLogConfig) -> Result<(), StoreError> {
        migrated(config, None).await?.0.close().await;
        Ok(())
    }

    /// Whether there is a log at this place, which is not made. A file without its tables is none: a copy of a file that
    /// was not there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_there(config: &TokenLogConfig) -> Result<bool, StoreError> {
        if let StoreLocation::Sqlite(path) = &config.location
            && path.try_exists().is_ok_and(|is_there| !is_there)
        {
            return Ok(false);
        }
        let (database, schema) = connected(config, None).await?;
        let status = database.schema_status(&schema.migrations()?).await;
        database.close().await;
        Ok(!matches!(status?, SchemaStatus::Older { found: 0, .. }))
    }

    /// When callers go on.
    pub fn durability(&self) -> Durability {
        self.0.durability
    }

    /// Records an operation and waits until it is durable, or known not to be written. A caller
    /// that goes away meanwhile changes nothing: the operation is written or not as a whole.
    ///
    /// # Errors
    /// [`RecordError`]: it is not known to be recorded.
    pub async fn record(&self, operation: Operation<'_>) -> Result<Answer, RecordError> {
        self.submit(operation)?.answer().await
    }

    /// Queues an operation, and gives what to wait with until it is durable: whoever has something else to
    /// do meanwhile does it before. It is written whether or not anybody waits.
    ///
    /// # Errors
    /// [`RecordError::Busy`], [`RecordError::Closed`] or [`RecordError::Store`]: it will not be recorded.
    pub fn submit(&self, operation: Operation<'_>) -> Result<Submitted<'_>, RecordError> {
        let (answering, answer) = oneshot::channel();
        if self.enqueue(operation, Some(answering))?.is_some() {
            return Err(self.full());
        }
        Ok(Submitted {
            counted: &self.0.counted,
            answer,
            queued: Instant::now(),
        })
    }

    /// Queues a record that depends on nothing, and does not wait until it is durable. Where the queue is full it is
    /// queued when [`Queued::done`] has come to its end.
    ///
    /// # Errors
    /// [`RecordError::Store`] or [`RecordError::Closed`]: it will not be recorded.
    pub fn queue(&self, entry: Entry<'_>) -> Result<Queued<'_>, RecordError> {
        let left = self.enqueue(Operation::of(entry), None)?;
        Ok(Queued { log: self, left })
    }

    /// Takes note of something whose record nobody depends on: it stands aside, and goes with the batches of those who
    /// wait, a few at a time. Denials beyond twenty a minute of one reason from one address are counted and recorded as one,
    /// and so are all of them while many stand aside. What finds no room is dropped, and counted by [`TokenLog::dropped`].
    pub fn note(&self, entry: Entry<'_>) {
        // For what was counted before it too.
        let mut room = self.0.notes.try_reserve_many(2).ok();
        let admitted = self.0.denials.admit(entry, room.is_some());
        for entry in admitted.into_iter().flatten() {
            let work = Work::of(Operation::of(entry.cleaned()));
            match (work, room.as_mut().and_then(Iterator::next)) {
                (Ok(work), Some(place)) => place.send(work),
                _ => self.0.counted.dropped.one(),
            }
        }
    }

    /// Gives back what finds no room.
    fn enqueue(
        &self,
        mut operation: Operation<'_>,
        answering: Option<crate::writer::Answering>,
    ) -> Result<Option<Box<Message>>, RecordError> {
        operation.entry = operation.entry.cleaned();
        let message = Message::Write(Work::of(operation)?, answering);
        match self.0.queue.try_send(message) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(message)) => Ok(Some(Box::new(message))),
            Err(TrySendError::Closed(_)) => Err(RecordError::Closed),
        }
    }

    fn full(&self) -> RecordError {
        self.0.counted.refused.one();
        RecordError::Busy
    }

    /// How many records that nobody waited for were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.0.counted.dropped.get()
    }

    /// What the log has counted, and how many operations wait now.
    pub fn families(&self) -> Vec<Family> {
        self.0.counted.families(self.waiting())
    }

    /// The pools of connections as they are now.
    pub fn connections(&self) -> Vec<Connections> {
        self.0.database.connections()
    }

    /// How many operations wait to be written.
    pub fn waiting(&self) -> usize {
        QUEUE - self.0.queue.capacity() + (NOTES - self.0.notes.capacity())
    }

    /// Waits until everything that was asked for before is written, counted denials too.
    pub async fn drain(&self) {
        let (done, written) = oneshot::channel();
        if self.0.queue.send(Message::Drain(done)).await.is_ok() {
            // An error says that the task has ended, and it writes everything before it does.
            let _ = written.await;
        }
    }

    /// Writes what waits, then closes every connection. Whoever asks later is refused.
    pub async fn close(&self) {
        self.drain().await;
        self.0.database.close().await;
    }

    /// Puts together whatever was written of the tenant, as the log does by itself when there is enough of
    /// it. Gives how many segments were made. Any number of nodes may do it at once.
    ///
    /// # Errors
    /// [`StoreError`]: what was not put together stays as it is.
    pub async fn compact(&self, tenant: TenantId) -> Result<usize, StoreError> {
        self.compactor().compact(tenant, true).await
    }

    pub(crate) fn compactor(&self) -> Compactor {
        Compactor {
            database: self.0.database.clone(),
            schema: self.schema().to_owned(),
            clock: self.0.clock.clone(),
            writer: self.0.queue.downgrade(),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn condition(&self) -> &Condition {
        &self.0.condition
    }

    pub(crate) fn look_ups(&self) -> &LookUps {
        &self.0.look_ups
    }

    /// What stands before the name of a table.
    pub(crate) fn schema(&self) -> &str {
        self.0.schema.name()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(crate) fn retention_days(&self) -> u32 {
        self.0.retention_days
    }
}

/// What a decision waits for is read within the time in which it would be recorded.
pub(crate) async fn patiently<T>(
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, RecordError> {
    match timeout(PATIENCE, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(RecordError::Slow),
    }
}

fn elsewhere() -> StoreError {
    StoreError::Unsupported(
        "the token log must be on the same kind of store as the roll".to_owned(),
    )
}

/// `beside` is where the rolls are, on SQLite.
async fn migrated(
    config: &TokenLogConfig,
    beside: Option<PathBuf>,
) -> Result<(Database, Schema), StoreError> {
    let (database, schema) = connected(config, beside).await?;
    let migrations = schema.migrations()?;
    if let SchemaStatus::Older { .. } = database.schema_status(&migrations).await? {
        database.migrate(&migrations).await?;
    }
    Ok((database, schema))
}

async fn connected(
    config: &TokenLogConfig,
    beside: Option<PathBuf>,
) -> Result<(Database, Schema), StoreError> {
    let mut connections = StoreConfig::new(config.location.clone());
    connections.beside = beside;
    connections.max_connections = config.max_connections;
    connections.acquire_timeout = PATIENCE;
    let database = Database::connect(&connections).await?;
    let schema = Schema::of(&database).await?;
    Ok((database, schema))
}

impl std::fmt::Debug for TokenLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenLog")
            .field("database", &self.0.database)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lies_beside_the_store_and_two_stores_have_two() {
        for (store, tokens) in [
            ("/data/chancery.db", "/data/tokens.db"),
            ("chancery.db", "tokens.db"),
            ("/data/one.db", "/data/one-tokens.db"),
            ("/data/two", "/data/two-tokens.db"),
        ] {
            let beside = TokenLogConfig::beside(&StoreLocation::Sqlite(store.into()));
            assert_eq!(beside.location, StoreLocation::Sqlite(tokens.into()));
        }
    }
}
