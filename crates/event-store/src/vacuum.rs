//! Cleaning tables up on PostgreSQL before it does by itself.

use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool};
use tokio::time::timeout;

use crate::{
    database::{Database, Pools},
    error::{Cause, StoreError},
};

/// How long PostgreSQL may take, to which no `SET LOCAL` can hold it. A change of a table waits for it: PostgreSQL cancels
/// what it does by itself for others, and not this.
const LIMITS: &str = "SET statement_timeout = '3s'; SET client_min_messages = error";

/// How long it is waited for, with the connection that is made for it. It takes none that others wait for.
const PATIENCE: Duration = Duration::from_secs(8);

impl Database {
    /// Makes room in these tables where rows were deleted, on PostgreSQL; gives whether the role may, which has to own
    /// them. A table on which somebody has a lock is left out, and each keeps its length, for which everybody would have
    /// to be locked out. SQLite needs none of it.
    ///
    /// # Errors
    /// [`StoreError`]. What was done by then is done.
    pub async fn vacuum(&self, tables: &[&str]) -> Result<bool, StoreError> {
        match &self.pools {
            Pools::Postgres(pool) => {
                timeout(PATIENCE, vacuum(pool, tables)).await.map_err(|_| {
                    StoreError::Unavailable(Cause {
                        code: None,
                        message: "cleaning up took too long".to_owned(),
                    })
                })?
            }
            Pools::Sqlite { .. } => Ok(false),
        }
    }
}

async fn vacuum(pool: &PgPool, tables: &[&str]) -> Result<bool, StoreError> {
    let options = pool.connect_options().as_ref().clone();
    let options = options.disable_statement_logging();
    let mut own = PgConnection::connect_with(&options).await?;
    own.execute(LIMITS).await?;
    let sql = "SELECT COALESCE(bool_and(pg_has_role(relowner, 'USAGE')), false) FROM pg_class
                WHERE oid = ANY(SELECT to_regclass(name) FROM unnest($1::text[]) AS asked (name))";
    let (may,): (bool,) = sqlx::query_as(sql)
        .persistent(false)
        .bind(tables)
        .fetch_one(&mut own)
        .await?;
    if may {
        let tables = tables.join(", ");
        let sql = format!("VACUUM (SKIP_LOCKED, TRUNCATE OFF, PARALLEL 0) {tables}");
        own.execute(sql.as_str()).await?;
    }
    own.close().await?;
    Ok(may)
}
