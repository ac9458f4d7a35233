//! What is too old goes, a little at a time: nobody who records should wait for it.

use chancery_domain::Timestamp;
use chancery_event_store::{Backend, StoreError, execute, fetch_all};

use crate::{log::TokenLog, segments::HOUR};

/// How many rows go in one transaction.
const AT_ONCE: i64 = 500;

/// For how many days the uses of a credential are kept by hour, and those of a client by day; the last hour of each
/// credential is kept for ever.
const HOURS_FOR_DAYS: i64 = 400;

/// What ends by itself: table, key, and when.
const ENDING: [(&str, &str, &str); 4] = [
    ("assertion_ids", "tenant_id, client_id, jti", "expires_at"),
    ("access_tokens", "tenant_id, jti", "expires_at"),
    ("refresh_families", "tenant_id, family_id", "forget_at"),
    ("quotas", "tenant_id, client_id", "ends_at"),
];

/// Nothing is forgotten before every node's clock is past its end, in seconds.
const FORGIVING: i64 = 60;

impl TokenLog {
    /// Makes room for the coming days, puts together what was written in hours that are over, and deletes
    /// what is too old: activity beyond its retention (a segment when all of it is), assertion ids that could
    /// not come again, refresh tokens, revocations and quotas that have ended, hours of use that nobody asks
    /// for. To be called every hour or so; gives how many rows (and days on PostgreSQL) were deleted.
    ///
    /// # Errors
    /// [`StoreError`]. What is left is deleted the next time.
    pub async fn keep_house(&self) -> Result<u64, StoreError> {
        let now = self.clock().now();
        if let Err(fault) = self.clock().trusted() {
            tracing::warn!(%fault, "nothing is deleted by a clock that cannot be believed");
            return Ok(0);
        }
        let ended = now.plus_seconds(-FORGIVING);
        let cutoff = now.plus_days(-i64::from(self.retention_days()));
        self.prepare_days().await?;
        let compactor = self.compactor();
        for tenant in compactor.platform_tenants().await? {
            // What cannot be put together for one tenant keeps nobody else's from going.
            if let Err(error) = compactor.compact(tenant, false).await {
                tracing::warn!(%tenant, %error, "activity could not be put together");
            }
        }
        let mut deleted = self.delete_activity(cutoff).await?;
        let segments = format!(
            "DELETE FROM {0}.activity_segments WHERE position IN (
                SELECT position FROM {0}.activity_segments WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
            self.schema()
        );
        deleted += self.delete_in_pieces(&segments, cutoff).await?;
        for (table, key, ends) in ENDING {
            let old = self.ended(table, key, ends);
            deleted += self.delete_in_pieces(&old, ended).await?;
        }
        let long_ago = now.plus_days(-HOURS_FOR_DAYS);
        deleted += self.delete_hours(long_ago).await?;
        let days = self.ended(
            "client_days",
            "tenant_id, begins_at, client_id",
            "begins_at",
        );
        deleted += self.delete_in_pieces(&days, long_ago).await?;
        Ok(deleted)
    }

    /// Where activity is partitioned, makes the partitions of the coming days.
    pub(crate) async fn prepare_days(&self) -> Result<(), StoreError> {
        match self.database().backend() {
            Backend::Postgres => self.make_partitions(self.clock().now()).await,
            Backend::Sqlite => Ok(()),
        }
    }

    async fn delete_activity(&self, cutoff: Timestamp) -> Result<u64, StoreError> {
        match self.database().backend() {
            Backend::Postgres => {
                let days = self.drop_partitions(cutoff).await?;
                let schema = self.schema();
                let rest = format!(
                    "DELETE FROM {schema}.activity_default WHERE ctid = ANY (ARRAY(
                        SELECT ctid FROM {schema}.activity_default WHERE at < $1 LIMIT $2))"
                );
                Ok(days + self.delete_in_pieces(&rest, cutoff).await?)
            }
            // Rows stand in the order in which they were written, so the oldest come first. Where a
            // clock was wrong, some go later than they might.
            Backend::Sqlite => {
                let oldest = "DELETE FROM activity WHERE at < $1 AND position IN (
                        SELECT position FROM activity ORDER BY position LIMIT $2)";
                self.delete_in_pieces(oldest, cutoff).await
            }
        }
    }

    fn ended(&self, table: &str, key: &str, ends: &str) -> String {
        let schema = self.schema();
        format!(
            "DELETE FROM {schema}.{table} WHERE {ends} < $1 AND ({key}) IN (
                SELECT {key} FROM {schema}.{table} WHERE {ends} < $1 ORDER BY {ends} LIMIT $2)"
        )
    }

    /// Runs the statement until it finds nothing more, each time in a transaction of its own.
    async fn delete_in_pieces(&self, sql: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let mut tx = self.database().begin().await?;
            let piece = execute!(&mut tx, sql, before.micros(), AT_ONCE)?;
            tx.commit().await?;
            deleted += piece;
            if piece == 0 {
                return Ok(deleted);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Found without a lock, since the last hour of each credential stays and has to be passed over.
    async fn delete_hours(&self, before: Timestamp) -> Result<u64, StoreError> {
        let schema = self.schema();
        let old = format!(
            "SELECT tenant_id, credential_id, hour FROM {schema}.credential_use u
              WHERE hour < $1 AND EXISTS (
                    SELECT 1 FROM {schema}.credential_use later
                     WHERE later.tenant_id = u.tenant_id AND later.credential_id = u.credential_id
                       AND later.hour > u.hour)
              ORDER BY hour LIMIT $2"
        );
        let delete = format!(
            "DELETE FROM {schema}.credential_use
              WHERE tenant_id = $1 AND credential_id = $2 AND hour = $3"
        );
        let mut deleted = 0;
        loop {
            let found = fetch_all!(
                self.database(),
                (String, String, i64),
                &old,
                before.micros() / HOUR,
                AT_ONCE
            )?;
            if found.is_empty() {
                return Ok(deleted);
            }
            let mut tx = self.database().begin().await?;
            for (tenant, credential, hour) in found {
                deleted += execute!(&mut tx, &delete, tenant, credential, hour)?;
            }
            tx.commit().await?;
        }
    }
}
