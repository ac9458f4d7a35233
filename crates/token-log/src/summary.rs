//! The log in numbers: how many tokens left, how many requests were denied and why, and who asked most.
//! Hours are read from the uses of credentials, and days from those of clients, which are counted as segments are put
//! together; what is finer is counted from segments, and what was denied from rows, never from more than a bounded number of them.

use std::collections::BTreeMap;

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Backend, Snapshot, StoreError, fetch_all, fetch_one};

use crate::{
    log::TokenLog,
    segments::{DAY, HOUR, body, hour_of, unfolded::Uses},
};

/// How many rows are counted at most, and how many records of segments that lie in more than one span: the
/// newest ones.
const COUNTED: i64 = 100_000;

/// How many segments are counted at most: the newest ones.
const SEGMENTS: i64 = 5_000;

/// A segment whose records are not counted singly: when it begins and ends, and how many there are.
type Whole = (i64, i64, i64, i64);

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

/// Where uses are counted, as far as they are folded.
struct Folded {
    table: &'static str,
    /// When what a row counts began.
    column: &'static str,
    /// In so many microseconds.
    unit: i64,
}

impl Folded {
    /// What is read since this moment in spans of so many microseconds: whole days of clients are few rows, where the
    /// hours of each credential in a month are many.
    const fn since(since: Timestamp, span: i64) -> Self {
        if since.micros().rem_euclid(DAY) == 0 && span % DAY == 0 {
            Self {
                table: "client_days",
                column: "begins_at",
                unit: 1,
            }
        } else {
            Self {
                table: "credential_use",
                column: "hour",
                unit: HOUR,
            }
        }
    }
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
        let mut snapshot = self.database().snapshot().await?;
        let rows = if span >= HOUR {
            self.by_uses(&mut snapshot, tenant, since, span).await?
        } else {
            self.by_records(&mut snapshot, tenant, since.micros(), span)
                .await?
        };
        let count = |(begin, times)| Count {
            begin: Timestamp::from_micros(begin),
            reason: None,
            times,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    async fn by_uses(
        &self,
        snapshot: &mut Snapshot,
        tenant: TenantId,
        since: Timestamp,
        span: i64,
    ) -> Result<BTreeMap<i64, i64>, StoreError> {
        let schema = self.schema();
        let folded = Folded::since(since, span);
        let unfolded = Uses::unfolded(&mut *snapshot, schema, tenant).await?;
        let Folded {
            table,
            column,
            unit,
        } = folded;
        let sql = format!(
            "SELECT {column}, CAST(SUM(uses) AS BIGINT)
               FROM {schema}.{table} WHERE tenant_id = $1 AND {column} >= $2 GROUP BY {column}"
        );
        let (tenant, begin) = (tenant.to_string(), since.micros() / unit);
        let rows = fetch_all!(snapshot, (i64, i64), &sql, tenant, begin)?;
        let first_hour = since.micros() / HOUR;
        let recent = unfolded
            .0
            .iter()
            .filter(|((_, hour), _)| *hour >= first_hour);
        let recent = recent.map(|((_, hour), used)| (hour * HOUR, used.count));
        let rows = rows.into_iter().map(|(begin, times)| (begin * unit, times));
        let span = span / HOUR * HOUR;
        let mut counts = BTreeMap::new();
        for (at, times) in rows.chain(recent) {
            *counts.entry(at / span * span).or_default() += times;
        }
        Ok(counts)
    }

    async fn by_records(
        &self,
        snapshot: &mut Snapshot,
        tenant: TenantId,
        since: i64,
        span: i64,
    ) -> Result<BTreeMap<i64, i64>, StoreError> {
        let (schema, tenant) = (self.schema(), tenant.to_string());
        let fresh = format!(
            "SELECT body FROM {schema}.activity_fresh WHERE tenant_id = $1 AND last_at >= $2"
        );
        let fresh = fetch_all!(&mut *snapshot, (String,), &fresh, tenant.as_str(), since)?;
        let mut counts = BTreeMap::new();
        let mut singly = |body: &str| -> Result<(), StoreError> {
            for line in body::decode(body)?.iter().filter(|line| line.at >= since) {
                *counts.entry(line.at / span * span).or_default() += 1;
            }
            Ok(())
        };
        for (body,) in &fresh {
            singly(body)?;
        }
        let segments = format!(
            "SELECT position, first_at, last_at, records FROM {schema}.activity_segments
              WHERE tenant_id = $1 AND first_at >= $2 AND last_at >= $3
              ORDER BY first_at DESC, position DESC LIMIT $4"
        );
        let begin = hour_of(since);
        let segments = fetch_all!(
            &mut *snapshot,
            Whole,
            &segments,
            tenant.as_str(),
            begin,
            since,
            SEGMENTS
        )?;
        let (mut whole, mut examined) = (Vec::new(), 0);
        for (position, first_at, last_at, records) in segments {
            let within = first_at >= since && first_at / span == last_at / span;
            if within || examined >= COUNTED {
                whole.push((first_at.max(since) / span * span, records));
                continue;
            }
            examined += records;
            let body = format!(
                "SELECT body FROM {schema}.activity_segments WHERE tenant_id = $1 AND position = $2"
            );
            let tenant = tenant.as_str();
            let (body,) = fetch_one!(&mut *snapshot, (String,), &body, tenant, position)?;
            singly(&body)?;
        }
        for (span, records) in whole {
            *counts.entry(span).or_default() += records;
        }
        Ok(counts)
    }

    /// How many requests were denied in each span of so many seconds since a moment, for each reason. A refresh token that
    /// came again is one of them.
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
        let newest = |kind: &str| {
            format!(
                "SELECT * FROM (SELECT at, reason, times FROM {schema}.activity
                  WHERE tenant_id = $1 AND kind = '{kind}' AND at >= $2
                  ORDER BY at DESC, position DESC LIMIT $4) AS {kind}"
            )
        };
        let records = format!(
            "SELECT (at / $3) * $3, reason, CAST(SUM(times) AS BIGINT) FROM (
                {} UNION ALL {}
             ) AS newest GROUP BY 1, 2 ORDER BY 1, 2",
            newest("token_denied"),
            newest("refresh_reused")
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
        let mut snapshot = self.database().snapshot().await?;
        let hour = since.micros() / HOUR;
        let unfolded = Uses::unfolded(&mut snapshot, schema, tenant).await?;
        let recent = unfolded.0.iter().filter(|((_, of), _)| *of >= hour);
        let recent: Vec<_> = recent
            .map(|(_, used)| (&*used.client, used.count))
            .collect();
        let recent = serde_json::to_string(&recent)
            .map_err(|error| StoreError::Misuse(format!("a count is no JSON: {error}")))?;
        let each = match self.database().backend() {
            Backend::Postgres => "json_array_elements($3::json) AS used (value)",
            Backend::Sqlite => "json_each($3)",
        };
        let Folded {
            table,
            column,
            unit,
        } = Folded::since(since, DAY);
        let busiest = format!(
            "SELECT client_id, CAST(SUM(uses) AS BIGINT) FROM (
                SELECT client_id, uses FROM {schema}.{table}
                 WHERE tenant_id = $1 AND {column} >= $2
                 UNION ALL
                SELECT value->>0, CAST(value->>1 AS BIGINT) FROM {each}
             ) AS used GROUP BY client_id ORDER BY 2 DESC, 1 LIMIT $4"
        );
        fetch_all!(
            &mut snapshot,
            (String, i64),
            &busiest,
            tenant.to_string(),
            since.micros() / unit,
            recent,
            i64::from(limit)
        )
    }
}
