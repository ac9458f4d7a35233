use std::sync::Arc;
use std::time::Duration;

use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;
use sqlx::{PgPool, SqlitePool};
use tokio::time::timeout;

use crate::{
    config::Backend,
    error::{Cause, StoreError},
    fetch_optional,
    query::{Reads, Source},
    sqlite::FileLock,
};

/// Readiness is asked for often, and a late answer is as bad as none.
const PATIENCE: Duration = Duration::from_secs(2);

/// The database: the roll, the read models and the vault. Cheap to clone; every clone is the same
/// store. It reads; only a [`Tx`](crate::Tx) can write.
#[derive(Clone)]
pub struct Store(pub(crate) Pools);

/// The connections of either store, and the library that loads streams through them.
#[derive(Clone)]
pub(crate) enum Pools {
    Postgres {
        pool: PgPool,
        streams: Arc<PostgresEventRepository>,
    },
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        streams: Arc<SqliteEventRepository>,
        lock: Arc<FileLock>,
    },
}

impl Store {
    /// Which of the two it is.
    pub fn backend(&self) -> Backend {
        match &self.0 {
            Pools::Postgres { .. } => Backend::Postgres,
            Pools::Sqlite { .. } => Backend::Sqlite,
        }
    }

    /// Whether the store answers, and within two seconds: for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping = async { fetch_optional!(self, (i64,), "SELECT head FROM tenant_log LIMIT 1") };
        timeout(PATIENCE, ping).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", PATIENCE.as_secs());
            Err(StoreError::Unavailable(Cause {
                code: None,
                message,
            }))
        })?;
        Ok(())
    }

    /// Waits for what is under way, then closes every connection. Later calls find the store
    /// unavailable.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Postgres { pool, .. } => pool.close().await,
            Pools::Sqlite {
                writer, readers, ..
            } => {
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
