use std::sync::Arc;

use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;

use crate::{
    config::StoreConfig,
    database::{Database, Pools},
    error::StoreError,
    store::{Store, Streams},
};

impl Store {
    /// Connects, and makes sure that the store is one that Chancery works on. The schema is not
    /// looked at: see [`Store::schema_status`] and [`Store::migrate`].
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let database = Database::connect(config).await?;
        let streams = match &database.pools {
            Pools::Postgres(pool) => {
                Streams::Postgres(Arc::new(PostgresEventRepository::new(pool.clone())))
            }
            Pools::Sqlite { readers, .. } => {
                Streams::Sqlite(Arc::new(SqliteEventRepository::new(readers.clone())))
            }
        };
        Ok(Self { database, streams })
    }
}
