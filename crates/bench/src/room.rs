//! How much room the token log takes.

use chancery_event_store::{
    StoreLocation,
    sqlx::{self, Connection as _, PgConnection, SqliteConnection},
};
use chancery_token_log::TokenLogConfig;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The records of tokens that were put together, and their room in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Room {
    pub(crate) records: f64,
    /// Of the rows that they stand in, as these are stored.
    pub(crate) kept: f64,
    /// Of the log as a whole.
    pub(crate) disk: f64,
}

/// On SQLite pages that are free and will be used are not counted. On PostgreSQL they cannot be told from others.
const POSTGRES: &str = "
    SELECT CAST(COALESCE(SUM(records), 0) AS DOUBLE PRECISION),
           CAST(COALESCE(SUM(pg_column_size(body) + pg_column_size(summary) + pg_column_size(runs)), 0) AS DOUBLE PRECISION),
           (SELECT CAST(SUM(pg_total_relation_size(c.oid)) AS DOUBLE PRECISION)
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'token_log' AND c.relkind = 'r')
      FROM token_log.activity_segments";
const SQLITE: &str = "
    SELECT CAST(COALESCE(SUM(records), 0) AS REAL),
           CAST(COALESCE(SUM(LENGTH(CAST(body AS BLOB)) + LENGTH(summary) + LENGTH(runs)), 0) AS REAL),
           (SELECT CAST((page_count - freelist_count) * page_size AS REAL)
              FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size())
      FROM activity_segments";

impl Room {
    /// Of the log beside this store.
    pub(crate) fn of(store: &StoreLocation) -> Result<Self, Error> {
        let asked = async {
            let row: (f64, f64, f64) = match TokenLogConfig::beside(store).location {
                StoreLocation::Postgres(url) => {
                    let mut connection = PgConnection::connect(&url).await?;
                    sqlx::query_as(POSTGRES).fetch_one(&mut connection).await?
                }
                StoreLocation::Sqlite(file) => {
                    let url = format!("sqlite://{}?mode=ro", file.display());
                    let mut connection = SqliteConnection::connect(&url).await?;
                    sqlx::query_as(SQLITE).fetch_one(&mut connection).await?
                }
            };
            Ok::<_, sqlx::Error>(row)
        };
        let (records, kept, disk) = crate::runtime()?.block_on(asked).map_err(Error::wrong)?;
        Ok(Self {
            records,
            kept,
            disk,
        })
    }

    /// What has come since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            records: self.records - before.records,
            kept: self.kept - before.kept,
            disk: self.disk - before.disk,
        }
    }
}
