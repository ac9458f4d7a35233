use std::{sync::Arc, time::Duration};

use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;
use tokio::time::timeout;

use crate::{
    config::{Backend, StoreLocation},
    database::{Connections, Database},
    error::{Cause, StoreError},
    fetch_optional,
    query::{Reads, Source},
};

/// Readiness is asked for often, and a late answer is as bad as none.
const PATIENCE: Duration = Duration::from_secs(2);

/// The database: the roll, the read models and the vault. Cheap to clone; every clone is the same
/// store. It reads; only a [`Tx`](crate::Tx) can write.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) streams: Streams,
}

/// The library that loads streams, on the store's connections.
#[derive(Clone)]
pub(crate) enum Streams {
    Postgres(Arc<PostgresEventRepository>),
    Sqlite(Arc<SqliteEventRepository>),
}

impl Store {
    /// Which of the two it is.
    pub fn backend(&self) -> Backend {
        self.database.backend()
    }

    /// Where it is.
    pub fn location(&self) -> &StoreLocation {
        self.database.location()
    }

    /// The pools of connections as they are now.
    pub fn connections(&self) -> Vec<Connections> {
        self.database.connections()
    }

    /// Whether the store answers, and within two seconds: for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping = async { fetch_optional!(self, (i64,), "SELECT head FROM tenant_log LIMIT 1") };
        timeout(PATIENCE, ping)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable(Cause::late(PATIENCE))))?;
        Ok(())
    }

    /// Whether the store can be written: see [`Database::try_write`]. Who waits for somebody else does not doubt it.
    ///
    /// # Errors
    /// [`StoreError`], why not.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        self.database.try_write().await.map(drop)
    }

    /// Why no connection can be had: see [`Database::why_unreachable`].
    pub async fn why_unreachable(&self) -> Option<StoreError> {
        self.database.why_unreachable().await
    }

    /// Waits for what is under way, then closes every connection. Later calls find the store
    /// unavailable.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.backend()).finish()
    }
}

impl<'a> Reads<'a> for &'a Store {
    fn source(self) -> Source<'a> {
        (&self.database).source()
    }
}
