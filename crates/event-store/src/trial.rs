//! Whether a database takes writes, found out by trying.

use std::time::Duration;

use sqlx::{Connection, PgConnection, SqliteConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{
    config::Backend,
    database::{Database, Pools},
    error::{Cause, StoreError},
    execute, fetch_one, sqlite,
};

/// How long the trial may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a trial to write came to, where the database did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It takes writes.
    Written,
    /// Somebody else writes just now, which is no reason to doubt it, unless it lasts.
    Busy,
}

impl Database {
    /// Whether the database can be written, and within two seconds: a disk can become full or read-only,
    /// and a PostgreSQL server a standby. PostgreSQL is asked. SQLite knows only when it writes, so the
    /// header of the file is written as it is: not to be done at each probe.
    ///
    /// # Errors
    /// [`StoreError`], why not.
    pub async fn try_write(&self) -> Result<Trial, StoreError> {
        match self.backend() {
            Backend::Postgres => match timeout(PATIENCE, self.is_no_standby()).await {
                Ok(asked) => asked.map(|()| Trial::Written),
                Err(_) => Err(StoreError::Unavailable(Cause::late(PATIENCE))),
            },
            Backend::Sqlite => match timeout(PATIENCE, self.write_header()).await {
                Ok(Err(StoreError::Unavailable(cause)))
                    if sqlite::is_busy(cause.code.as_deref().unwrap_or_default()) =>
                {
                    Ok(Trial::Busy)
                }
                Ok(done) => done.map(|()| Trial::Written),
                Err(_) => Ok(Trial::Busy),
            },
        }
    }

    /// Why no connection can be had, as one finds it that is made beside the pool, which says only that there was none
    /// in time. None: one can be had.
    pub async fn why_unreachable(&self) -> Option<StoreError> {
        let late = || Err(StoreError::Unavailable(Cause::late(PATIENCE)));
        let connected = timeout(PATIENCE, self.connect_anew()).await;
        let error = connected.unwrap_or_else(|_| late()).err()?;
        Some(match &self.pools {
            Pools::Postgres(pool) => at(&pool.connect_options(), error),
            Pools::Sqlite { .. } => error,
        })
    }

    async fn connect_anew(&self) -> Result<(), StoreError> {
        match &self.pools {
            Pools::Postgres(pool) => {
                let options = pool.connect_options();
                PgConnection::connect_with(&options).await?.close().await?;
            }
            Pools::Sqlite { readers, .. } => {
                let options = readers.connect_options();
                SqliteConnection::connect_with(&options)
                    .await?
                    .close()
                    .await?;
            }
        }
        Ok(())
    }

    async fn is_no_standby(&self) -> Result<(), StoreError> {
        let sql = "SELECT current_setting('transaction_read_only')";
        let (read_only,) = fetch_one!(self, (String,), sql)?;
        if read_only == "off" {
            return Ok(());
        }
        Err(StoreError::Unavailable(Cause {
            code: None,
            message: "the database takes no writes: transaction_read_only is on, as on a standby"
                .to_owned(),
        }))
    }

    async fn write_header(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // Nothing else uses it, and it has no other value. To set it writes the page in any case.
        execute!(&mut tx, "PRAGMA user_version = 0")?;
        tx.commit().await
    }
}

/// Where it was that nobody was reached. Of the address nothing is secret but the password, which is not here.
fn at(options: &PgConnectOptions, error: StoreError) -> StoreError {
    let StoreError::Unavailable(cause) = error else {
        return error;
    };
    let (host, port) = (options.get_host(), options.get_port());
    let database = options.get_database().unwrap_or_default();
    StoreError::Unavailable(Cause {
        message: format!(
            "no connection to {host}:{port}/{database}: {}",
            cause.message
        ),
        ..cause
    })
}
