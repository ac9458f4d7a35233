use std::sync::Arc;

use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;
use sqlx::{PgPool, SqlitePool};

use crate::{
    config::Backend,
    error::StoreError,
    fetch_optional,
    query::{Reads, Source},
    sqlite::FileLock,
};

/// The database: the roll, the read models and the vault. Cheap to clone; every clone is the same
/// store. It reads; only a [`Tx`](crate::Tx) can write.
#[derive(Clone)]
pub struct Store(pub(crate) Pools);

/// The connections of either store, and the library that loads streams through them.
#[derive(Clone)]
pub(crate) enum Pools {
    Postgres { pool: PgPool, streams: Arc<PostgresEventRepository> },
    Sqlite { writer: SqlitePool, readers: SqlitePool, streams: Arc<SqliteEventRepository>, lock: Arc<FileLock> },
}

impl Store {
    /// Which of the two it is.
    pub fn backend(&self) -> Backend {
        match &self.0 {
            Pools::Postgres { .. } => Backend::Postgres,
            Pools::Sqlite { .. } => Backend::Sqlite,
        }
    }

    /// Whether the store answers: for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        fetch_optional!(self, (i64,), "SELECT head FROM tenant_log LIMIT 1").map(drop)
    }

    /// Waits for what is under way, then closes every connection. Later calls find the store
    /// unavailable.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Postgres { pool, .. } => pool.close().await,
            Pools::Sqlite { writer, readers, .. } => {
                // The last connection folds the write-ahead log into the file, and must be able to write.
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.backend()).finish()
    }
}

impl<'a> Reads<'a> for &'a Store {
    fn source(self) -> Source<'a> {
        match &self.0 {
            Pools::Postgres { pool, .. } => Source::Postgres(pool),
            Pools::Sqlite { readers, .. } => Source::Sqlite(readers),
        }
    }
}
