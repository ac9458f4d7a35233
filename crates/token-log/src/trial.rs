//! Whether records can be written, found out where none are.

use std::time::Duration;

use chancery_event_store::{Backend, StoreError, Trial, execute};
use tokio::time::timeout;

use crate::{condition::Unwritten, log::TokenLog};

/// How long a trial may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A row like one of a batch: of half a page, which is not compressed to less, so that it needs room as batches do.
const ROW: &str =
    "INSERT INTO {schema}.activity_fresh (tenant_id, position, first_at, last_at, records, body)
     SELECT 'trial', -1 - (random() * 1e15)::bigint, 0, 0, 0, string_agg(md5(random()::text), '')
       FROM generate_series(1, 128)";

impl TokenLog {
    /// Whether records can be written, as the last of them found it, or the last trial.
    ///
    /// # Errors
    /// [`Unwritten`], why not.
    pub fn written(&self) -> Result<(), Unwritten> {
        self.condition().verdict(self.clock().now())
    }

    /// Finds out whether records can be written, within two seconds and for [`TokenLog::written`]: where one was
    /// written a moment ago there is nothing to find out. Otherwise something is written that leaves nothing behind,
    /// so a node that is asked for no tokens finds out too. Not to be done at each probe.
    pub async fn try_write(&self) {
        let began = self.clock().now();
        if self.condition().is_known(began) {
            return;
        }
        self.condition().tries(began);
        let found = match self.database().backend() {
            Backend::Postgres => self.write_and_undo().await,
            Backend::Sqlite => self.database().try_write().await,
        };
        self.condition().tried(began, self.clock().now(), found);
    }

    /// PostgreSQL finds room for a row, and whether it may be written, before its transaction ends.
    async fn write_and_undo(&self) -> Result<Trial, StoreError> {
        let row = ROW.replace("{schema}", self.schema());
        let tried = async {
            let mut tx = self.database().begin().await?;
            execute!(&mut tx, "SET LOCAL statement_timeout = '1900ms'")?;
            execute!(&mut tx, &row)?;
            tx.rollback().await
        };
        match timeout(PATIENCE, tried).await {
            Ok(Err(StoreError::Unavailable(cause))) if is_of_others(cause.code.as_deref()) => {
                Ok(Trial::Busy)
            }
            Ok(tried) => tried.map(|()| Trial::Written),
            Err(_) => Ok(Trial::Busy),
        }
    }
}

/// Whether a statement ended because it waited for too long: somebody else has a lock.
fn is_of_others(code: Option<&str>) -> bool {
    matches!(code, Some("57014" | "55P03"))
}
