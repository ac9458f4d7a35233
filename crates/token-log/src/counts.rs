//! How often a credential was used.

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{StoreError, fetch_one};

use crate::{batch::hour, log::TokenLog};

/// More uses than this are not told apart.
pub(crate) const COUNTED: i64 = 10_000;

impl TokenLog {
    /// How often a credential of the tenant has obtained a token since a moment, up to [`COUNTED`] records:
    /// for a short time, since it reads the records.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses_since(
        &self,
        tenant: TenantId,
        credential: &str,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let schema = self.schema();
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(times), 0) AS BIGINT) FROM
               (SELECT times FROM {schema}.activity
                 WHERE tenant_id = $1 AND credential_id = $2 AND at >= $3
                   AND kind IN ('token_issued', 'token_refreshed')
                 ORDER BY at, position LIMIT {COUNTED}) AS used"
        );
        let tenant = tenant.to_string();
        let (count,) = fetch_one!(
            self.database(),
            (i64,),
            &sql,
            tenant,
            credential,
            since.micros()
        )?;
        Ok(count)
    }

    /// How often a credential of the tenant has obtained a token since the hour in which a moment lies:
    /// counted by whole hours, however long ago.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses_since_the_hour(
        &self,
        tenant: TenantId,
        credential: &str,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let schema = self.schema();
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(uses), 0) AS BIGINT) FROM {schema}.credential_use
              WHERE tenant_id = $1 AND credential_id = $2 AND hour >= $3"
        );
        let tenant = tenant.to_string();
        let (count,) = fetch_one!(
            self.database(),
            (i64,),
            &sql,
            tenant,
            credential,
            hour(since)
        )?;
        Ok(count)
    }
}
