//! The log in numbers: how many tokens left, how many requests were denied and why, and who asked most.
//! Hours are read from the uses of credentials, which are counted as they happen; only what is finer, and
//! what was denied, is counted from records, and never from more than a bounded number of them.

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{StoreError, fetch_all};

use crate::{batch, log::TokenLog};

/// How many records are counted at most: the newest ones.
const COUNTED: i64 = 100_000;

/// An hour, in microseconds.
const HOUR: i64 = 3_600_000_000;

/// How often something happened in a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// When the span begins.
    pub begin: Timestamp,
    /// Why not; none where a token left.
    pub reason: Option<String>,
    /// How often.
    pub times: i64,
}

impl TokenLog {
    /// How many tokens left in each span of so many seconds since a moment; a span without any is left
    /// out. Spans of an hour or more may be counted since the beginning of that hour.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn issued_since(
        &self,
        tenant: TenantId,
        since: Timestamp,
        span_seconds: i64,
    ) -> Result<Vec<Count>, StoreError> {
        let span = span_seconds.max(1).saturating_mul(1_000_000);
        let schema = self.schema();
        let rows = if span >= HOUR {
            let hours = format!(
                "SELECT (hour / $3) * $3 * {HOUR}, CAST(SUM(uses) AS BIGINT)
                   FROM {schema}.credential_use WHERE tenant_id = $1 AND hour >= $2
                  GROUP BY 1 ORDER BY 1"
            );
            fetch_all!(
                self.database(),
                (i64, i64),
                &hours,
                tenant.to_string(),
                batch::hour(since),
                span / HOUR
            )?
        } else {
            let records = format!(
                "SELECT (at / $3) * $3, CAST(SUM(times) AS BIGINT) FROM (
                    SELECT at, kind, times FROM {schema}.activity
                     WHERE tenant_id = $1 AND at >= $2 ORDER BY at DESC, position DESC LIMIT $4
                 ) AS newest WHERE kind IN ('token_issued', 'token_refreshed')
                  GROUP BY 1 ORDER BY 1"
            );
            fetch_all!(
                self.database(),
                (i64, i64),
                &records,
                tenant.to_string(),
                since.micros(),
                span,
                COUNTED
            )?
        };
        let count = |(begin, times)| Count {
            begin: Timestamp::from_micros(begin),
            reason: None,
            times,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// How many requests were denied in each span of so many seconds since a moment, for each reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn denied_since(
        &self,
        tenant: TenantId,
        since: Timestamp,
        span_seconds: i64,
    ) -> Result<Vec<Count>, StoreError> {
        let schema = self.schema();
        // So that the index without the bulk is seen to fit.
        let records = format!(
            "SELECT (at / $3) * $3, reason, CAST(SUM(times) AS BIGINT) FROM (
                SELECT at, reason, times FROM {schema}.activity
                 WHERE tenant_id = $1 AND kind = 'token_denied' AND kind <> 'token_issued' AND at >= $2
                 ORDER BY at DESC, position DESC LIMIT $4
             ) AS newest GROUP BY 1, 2 ORDER BY 1, 2"
        );
        let rows = fetch_all!(
            self.database(),
            (i64, Option<String>, i64),
            &records,
            tenant.to_string(),
            since.micros(),
            span_seconds.max(1).saturating_mul(1_000_000),
            COUNTED
        )?;
        let count = |(begin, reason, times): (_, Option<String>, _)| Count {
            begin: Timestamp::from_micros(begin),
            reason: Some(reason.unwrap_or_default()),
            times,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Which clients obtained most tokens since the beginning of the hour of a moment, and how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn busiest_since(
        &self,
        tenant: TenantId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let schema = self.schema();
        let busiest = format!(
            "SELECT client_id, CAST(SUM(uses) AS BIGINT) FROM {schema}.credential_use
              WHERE tenant_id = $1 AND hour >= $2 GROUP BY client_id ORDER BY 2 DESC, 1 LIMIT $3"
        );
        fetch_all!(
            self.database(),
            (String, i64),
            &busiest,
            tenant.to_string(),
            batch::hour(since),
            i64::from(limit)
        )
    }
}
