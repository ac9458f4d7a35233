//! What is different on SQLite.

use std::{
    fmt::Write as _,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use chancery_domain::{Recorded, json::canonical};
use sqlx::{
    Connection, QueryBuilder, Sqlite, SqliteConnection, SqlitePool, Transaction,
    TransactionManager,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    config::StoreConfig,
    error::{Cause, FOREIGN, StoreError},
    files,
};

/// Takes the write lock at once: a transaction that reads first and writes later can fail in the
/// middle, because somebody else wrote in between.
pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Whether any migration was ever applied.
pub(crate) const HAS_SCHEMA: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE name = 'chancery_schema'";

/// How long one process waits for another: the command line beside a running server.
const BUSY: Duration = Duration::from_secs(10);

/// How many rows a connection's thread reads ahead of whoever takes them. It stops where they are not taken, and
/// each time the two wait for each other costs more than the rows: a page of the past takes thousands.
const ROWS_AHEAD: usize = 1_000;

/// How many events one statement takes. More would be no faster, once it is prepared; and it is kept prepared, so that
/// thousands of events cost no more planning than a hundred.
const ROWS_PER_INSERT: usize = 100;

/// Inserts of up to this many events are kept prepared; a longer one that is not whole is too rare.
const ROWS_WORTH_KEEPING: usize = 16;

pub(crate) async fn connect(
    path: &Path,
    config: &StoreConfig,
    lock: &FileLock,
) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .row_buffer_size(ROWS_AHEAD)
        .foreign_keys(true);
    // SQLite connections do not break while nobody looks, and cost nothing while idle.
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(config.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    // A new file becomes a write-ahead log only while nobody else has it open.
    let held = lock.hold().await?;
    make_private(path)?;
    let beside = config.beside.as_deref().map(read_only).transpose()?;
    let writer = pool(1)
        .before_acquire(|connection, _| Box::pin(is_clean(connection)))
        .after_connect(move |connection, _| Box::pin(attach(connection, beside.clone())))
        .connect_with(
            options
                .clone()
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                // Else REPLACE would delete events past the trigger that refuses it.
                .pragma("recursive_triggers", "ON")
                // What undoes one statement of many rows is kept in memory, and not in a file that
                // is made and deleted for it.
                .pragma("temp_store", "MEMORY")
                // The commit that finds so many pages in the log writes them into the file, and whoever
                // comes meanwhile waits. On this connection alone: to do so on two at a time is where
                // SQLite before 3.51.3 can lose what was committed (sqlite.org/wal.html#walresetbug).
                .pragma("wal_autocheckpoint", "1000"),
        )
        .await?;
    drop(held);
    let readers = pool(config.max_connections)
        .connect_with(options.read_only(true))
        .await?;
    Ok((writer, readers))
}

/// Writes what the write-ahead log has into its file, as far as nobody reads what was there before. Nobody is
/// waited for: where somebody writes, they do so themselves.
///
/// Another connection keeps everybody from writing meanwhile. A commit that begins the log anew, while one is folded
/// that somebody else has just folded, is taken by SQLite before 3.51.3 for one that is in the file already
/// (<https://sqlite.org/wal.html#walresetbug>), and then it is lost.
pub(crate) async fn fold(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let options = options.clone().create_if_missing(false);
    let options = options.busy_timeout(Duration::ZERO);
    let mut writer = SqliteConnection::connect_with(&options).await?;
    let folded = fold_beside(&mut writer, &options).await;
    // What is dropped and not closed has the file open for a while after whoever closed it has gone on.
    writer.close().await?;
    folded
}

/// The same beside a connection that writes nothing. Its transaction ends when it is closed.
async fn fold_beside(
    writer: &mut SqliteConnection,
    options: &SqliteConnectOptions,
) -> Result<(), sqlx::Error> {
    sqlx::query(BEGIN).execute(writer).await?;
    let mut folding = SqliteConnection::connect_with(options).await?;
    let fold = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)");
    let folded = fold.execute(&mut folding).await.map(drop);
    folding.close().await?;
    folded
}

/// A file as a URI that SQLite opens for reading alone.
fn read_only(path: &Path) -> Result<String, StoreError> {
    let path = path.to_str().ok_or_else(|| {
        StoreError::Unsupported(format!(
            "{} is not UTF-8, as SQLite needs it",
            path.display()
        ))
    })?;
    let mut uri = "file:".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            other => drop(write!(uri, "%{other:02x}")),
        }
    }
    uri.push_str("?mode=ro");
    Ok(uri)
}

/// A file that is opened for reading takes part in a transaction from its beginning, after the lock of the
/// file that is written, and is itself not locked.
async fn attach(
    connection: &mut SqliteConnection,
    beside: Option<String>,
) -> Result<(), sqlx::Error> {
    if let Some(uri) = beside {
        let attach = sqlx::query("ATTACH DATABASE $1 AS beside").bind(uri);
        attach.execute(connection).await?;
    }
    Ok(())
}

/// Whether the connection is out of every transaction. SQLite undoes one by itself when the disk is
/// full; sqlx then fails to undo it again and believes for ever that it is in one. Such a connection
/// is given up for a new one.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let depth = |connection: &SqliteConnection| {
        <Sqlite as sqlx::Database>::TransactionManager::get_transaction_depth(connection)
    };
    if depth(connection) == 0 {
        return Ok(true);
    }
    // A rollback may still be on its way.
    connection.ping().await?;
    Ok(depth(connection) == 0)
}

/// A new database is for its owner alone; the files that SQLite makes beside it are like it.
fn make_private(path: &Path) -> Result<(), StoreError> {
    match files::make(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(Cause {
            code: None,
            message: format!("{} cannot be made: {error}", path.display()),
        })),
    }
}

/// A lock between processes, in a file beside the database. It holds while one of them makes the
/// database or migrates it.
pub(crate) struct FileLock(PathBuf);

impl FileLock {
    pub(crate) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        Self(path.into())
    }

    /// Waits for the lock; it is released when the file is dropped.
    pub(crate) async fn hold(&self) -> Result<File, StoreError> {
        let path = self.0.clone();
        let lock = move || {
            let file = files::open_or_make(&path)?;
            file.lock()?;
            Ok(file)
        };
        let held: std::io::Result<File> = match tokio::task::spawn_blocking(lock).await {
            Ok(held) => held,
            Err(ended) => Err(std::io::Error::other(ended)),
        };
        held.map_err(|error| {
            let is_foreign = error.kind() == std::io::ErrorKind::PermissionDenied;
            let message = format!("{} cannot be locked: {error}", self.0.display());
            StoreError::Unavailable(Cause {
                code: is_foreign.then(|| FOREIGN.to_owned()),
                message,
            })
        })
    }
}

const INSERT: &str = "INSERT INTO events (tenant_id, tenant_seq, recorded_at, event_id, aggregate_type, aggregate_id, \
     sequence, event_type, event_version, payload, actor_type, actor_id, command_id, trace_id) ";

pub(crate) async fn insert(
    tx: &mut Transaction<'static, Sqlite>,
    entries: &[Recorded],
) -> Result<(), StoreError> {
    for entries in entries.chunks(ROWS_PER_INSERT) {
        let mut statement = QueryBuilder::<Sqlite>::new(INSERT);
        statement.push_values(entries, |mut row, entry| {
            let (event_type, version) = entry.event.kind();
            row.push_bind(entry.tenant.to_string())
                .push_bind(entry.tenant_seq)
                .push_bind(entry.recorded_at.micros())
                .push_bind(entry.id.to_string())
                .push_bind(entry.stream.aggregate_type().as_str())
                .push_bind(entry.stream.aggregate_id())
                .push_bind(entry.sequence)
                .push_bind(event_type)
                .push_bind(version.to_string())
                .push_bind(canonical(&entry.event.payload()))
                .push_bind(entry.actor.kind())
                .push_bind(entry.actor.id())
                .push_bind(entry.command_id.map(|id| id.to_string()))
                .push_bind(entry.trace_id.as_deref());
        });
        statement
            .build()
            .persistent(entries.len() <= ROWS_WORTH_KEEPING || entries.len() == ROWS_PER_INSERT)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Primary result codes after which the same request may succeed: BUSY, LOCKED, NOMEM, READONLY,
/// IOERR, FULL, CANTOPEN.
pub(crate) fn is_unavailable(code: &str) -> bool {
    [5, 6, 7, 8, 10, 13, 14].contains(&primary(code))
}

/// BUSY and LOCKED: somebody else writes.
pub(crate) fn is_busy(code: &str) -> bool {
    [5, 6].contains(&primary(code))
}

/// CORRUPT and NOTADB.
pub(crate) fn is_damage(code: &str) -> bool {
    [11, 26].contains(&primary(code))
}

fn primary(extended: &str) -> i32 {
    extended.parse::<i32>().map_or(0, |code| code & 0xff)
}
