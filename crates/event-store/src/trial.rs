//! Whether a database takes writes, found out by trying.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    config::Backend,
    database::Database,
    error::{Cause, StoreError},
    execute, fetch_one, sqlite,
};

/// How long the trial may take.
const PATIENCE: Duration = Duration::from_secs(2);

impl Database {
    /// Whether the database can be written, and within two seconds: a disk can become full or read-only,
    /// and a PostgreSQL server a standby. PostgreSQL is asked. SQLite knows only when it writes, so the
    /// header of the file is written as it is: not to be done at each probe. Somebody else who writes
    /// just now is no reason to doubt it.
    ///
    /// # Errors
    /// [`StoreError`], why not.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        match self.backend() {
            Backend::Postgres => timeout(PATIENCE, self.is_no_standby())
                .await
                .unwrap_or_else(|_| Err(StoreError::Unavailable(Cause::late(PATIENCE)))),
            Backend::Sqlite => match timeout(PATIENCE, self.write_header()).await {
                Ok(Err(StoreError::Unavailable(cause)))
                    if sqlite::is_busy(cause.code.as_deref().unwrap_or_default()) =>
                {
                    Ok(())
                }
                Ok(done) => done,
                Err(_) => Ok(()),
            },
        }
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
