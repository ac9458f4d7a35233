use std::sync::Arc;

use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;

use crate::{
    config::{StoreConfig, StoreLocation},
    error::StoreError,
    postgres, sqlite,
    store::{Pools, Store},
};

impl Store {
    /// Connects, and makes sure that the store is one that Chancery works on. The schema is not
    /// looked at: see [`Store::schema_status`] and [`Store::migrate`].
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let pools = match &config.location {
            StoreLocation::Postgres(url) => {
                let pool = postgres::connect(url, config).await?;
                let streams = Arc::new(PostgresEventRepository::new(pool.clone()));
                Pools::Postgres { pool, streams }
            }
            StoreLocation::Sqlite(path) => {
                let lock = Arc::new(sqlite::FileLock::beside(path));
                let (writer, readers) = sqlite::connect(path, config, &lock).await?;
                let streams = Arc::new(SqliteEventRepository::new(readers.clone()));
                Pools::Sqlite {
                    writer,
                    readers,
                    streams,
                    lock,
                }
            }
        };
        Ok(Self(pools))
    }
}
