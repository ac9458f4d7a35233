use std::sync::Arc;

use sqlx::{PgPool, SqlitePool};

use crate::{
    config::{Backend, StoreConfig, StoreLocation},
    error::StoreError,
    kept::Waiting,
    postgres,
    query::{Reads, Source},
    sqlite::{self, FileLock},
};

/// Connections to one database of either kind, with the care that durable data needs. The
/// [`Store`](crate::Store) has one; what is kept apart from it has its own. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(crate) pools: Pools,
    /// Who waits to write, of those who share the pools.
    pub(crate) waiting: Arc<Waiting>,
    location: Arc<StoreLocation>,
}

/// A pool of connections as it is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Which pool of its database it is.
    pub pool: &'static str,
    /// How many are waiting to be used.
    pub idle: usize,
    /// How many are in use.
    pub used: usize,
    /// How many there may be.
    pub max: u32,
}

impl Connections {
    fn of<DB: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<DB>) -> Self {
        let idle = pool.num_idle();
        let all = usize::try_from(pool.size()).unwrap_or(usize::MAX);
        Self {
            pool: name,
            idle,
            used: all.saturating_sub(idle),
            max: pool.options().get_max_connections(),
        }
    }
}

/// sqlx leaves open what comes back to a pool while it is being closed: then everything is back, and the second time
/// closes it.
async fn close<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) {
    pool.close().await;
    pool.close().await;
}

#[derive(Clone)]
pub(crate) enum Pools {
    Postgres(PgPool),
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        lock: Arc<FileLock>,
    },
}

impl Database {
    /// Connects, and makes sure that the database is one that Chancery works on. The schema is not
    /// looked at.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let pools = match &config.location {
            StoreLocation::Postgres(url) => Pools::Postgres(postgres::connect(url, config).await?),
            StoreLocation::Sqlite(path) => {
                let lock = Arc::new(FileLock::beside(path));
                let (writer, readers) = sqlite::connect(path, config, &lock).await?;
                Pools::Sqlite {
                    writer,
                    readers,
                    lock,
                }
            }
        };
        Ok(Self {
            pools,
            waiting: Arc::default(),
            location: Arc::new(config.location.clone()),
        })
    }

    /// Where it is.
    pub fn location(&self) -> &StoreLocation {
        &self.location
    }

    /// Which of the two it is.
    pub fn backend(&self) -> Backend {
        match &self.pools {
            Pools::Postgres(_) => Backend::Postgres,
            Pools::Sqlite { .. } => Backend::Sqlite,
        }
    }

    /// The pools of connections as they are now.
    pub fn connections(&self) -> Vec<Connections> {
        match &self.pools {
            Pools::Postgres(pool) => vec![Connections::of("postgres", pool)],
            Pools::Sqlite {
                writer, readers, ..
            } => vec![
                Connections::of("writer", writer),
                Connections::of("readers", readers),
            ],
        }
    }

    /// Whether [`Database::close`] was called: what fails since then fails by that.
    pub fn is_closed(&self) -> bool {
        match &self.pools {
            Pools::Postgres(pool) => pool.is_closed(),
            Pools::Sqlite {
                writer, readers, ..
            } => readers.is_closed() || writer.is_closed(),
        }
    }

    /// Waits for what is under way, then closes every connection. Later calls find the database
    /// unavailable.
    pub async fn close(&self) {
        let _waits = self.waiting.begin();
        match &self.pools {
            Pools::Postgres(pool) => close(pool).await,
            Pools::Sqlite {
                writer, readers, ..
            } => {
                close(readers).await;
                close(writer).await;
                // Whoever is last folds the write-ahead log into the file, but somebody else may have it open: the
                // token log's writer reads the rolls. Backups that copy the file alone are of what was written.
                if let Err(error) = sqlite::fold(&writer.connect_options()).await {
                    tracing::debug!(%error, "the write-ahead log stays beside its file");
                }
            }
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Database").field(&self.backend()).finish()
    }
}

impl<'a> Reads<'a> for &'a Database {
    fn source(self) -> Source<'a> {
        match &self.pools {
            Pools::Postgres(pool) => Source::Postgres(pool),
            Pools::Sqlite { readers, .. } => Source::Sqlite(readers),
        }
    }
}
