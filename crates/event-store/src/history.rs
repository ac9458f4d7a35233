//! The roll as it was: which entries there were at a moment, and the events of aggregates up to then.

use chancery_domain::{AggregateType, EventId, Recorded, StreamId, TenantId, Timestamp};

use crate::{
    config::Backend,
    error::StoreError,
    fetch_all, fetch_one, fetch_optional,
    query::{Connection, Reads},
    row::{By, COLUMNS, Gathered, StoredEvent, gathered, packed},
    store::Store,
    versions::{bind, pairs},
};

/// Halves what is left until one number is: times never go back along the numbers, and the numbers
/// have no gap.
const LAST_AT: &str = "
    WITH RECURSIVE half(low, high) AS (
        SELECT CAST(0 AS BIGINT), COALESCE((SELECT head FROM tenant_log WHERE tenant_id = $1), 0)
        UNION ALL
        SELECT CASE WHEN e.recorded_at <= $2 THEN e.tenant_seq ELSE half.low END,
               CASE WHEN e.recorded_at <= $2 THEN half.high ELSE e.tenant_seq - 1 END
          FROM half JOIN events e ON e.tenant_id = $1 AND e.tenant_seq = (half.low + half.high + 1) / 2
         WHERE half.low < half.high)
    SELECT low FROM half WHERE low >= high";

impl Store {
    /// The number of the last entry that was recorded at this moment or before it; 0 where the roll
    /// begins later, or is not there. About twenty look-ups in a roll of a million entries.
    ///
    /// Entries may still be recorded at this moment, unless it has passed.
    pub async fn last_at(&self, tenant: TenantId, at: Timestamp) -> Result<i64, StoreError> {
        self.last_at_micros(tenant, at.micros()).await
    }

    /// Like [`Store::last_at`], of the entries before this moment.
    pub async fn last_before(&self, tenant: TenantId, at: Timestamp) -> Result<i64, StoreError> {
        self.last_at_micros(tenant, at.micros() - 1).await
    }

    /// In which tenant's roll an entry stands, and its number.
    pub async fn platform_place_of(
        &self,
        entry: EventId,
    ) -> Result<Option<(TenantId, i64)>, StoreError> {
        let found = fetch_optional!(
            self,
            (String, i64),
            "SELECT tenant_id, tenant_seq FROM events WHERE event_id = $1",
            entry.to_string()
        )?;
        Ok(found.and_then(|(tenant, number)| Some((tenant.parse().ok()?, number))))
    }

    async fn last_at_micros(&self, tenant: TenantId, micros: i64) -> Result<i64, StoreError> {
        let (last,) = fetch_one!(self, (i64,), LAST_AT, tenant.to_string(), micros)?;
        Ok(last)
    }

    /// The events of these streams of the tenant up to number `to`, each stream's in order.
    pub async fn stream_events(
        &self,
        tenant: TenantId,
        streams: &[StreamId],
        to: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM events
              WHERE tenant_id = $1 AND (aggregate_type, aggregate_id) IN (VALUES {})
                AND tenant_seq <= ${}
              ORDER BY aggregate_type, aggregate_id, tenant_seq",
            pairs(streams.len()),
            2 * streams.len() + 2,
        );
        let sql = self.gathering(sql);
        let rows: Vec<Gathered> = match self.source().connection().await? {
            Connection::Postgres(mut held) => {
                bind(sqlx::query_as(&sql), tenant, streams)
                    .bind(to)
                    .fetch_all(&mut *held)
                    .await?
            }
            Connection::Sqlite(mut held) => {
                bind(sqlx::query_as(&sql), tenant, streams)
                    .bind(to)
                    .fetch_all(&mut *held)
                    .await?
            }
        };
        read(rows)
    }

    /// At most `limit` events of the tenant's aggregates of one kind, up to number `to`: aggregate by
    /// aggregate in the order of their ids, each one's in order. They begin past the event of the
    /// aggregate `after` with that number; with `i64::MAX` as number, past the whole aggregate.
    pub async fn events_by_aggregate(
        &self,
        tenant: TenantId,
        kind: AggregateType,
        to: i64,
        after: (&str, i64),
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events
              WHERE tenant_id = $1 AND aggregate_type = $2 AND (aggregate_id, tenant_seq) > ($3, $4)
                AND tenant_seq <= $5
              ORDER BY aggregate_id, tenant_seq LIMIT $6"
        );
        let sql = self.gathering(sql);
        let rows = fetch_all!(
            self,
            Gathered,
            &sql,
            tenant.to_string(),
            kind.as_str(),
            after.0,
            after.1,
            to,
            i64::from(limit)
        )?;
        read(rows)
    }

    /// The statement as it is asked where its rows are [`Gathered`].
    fn gathering(&self, sql: String) -> String {
        match self.backend() {
            Backend::Postgres => sql,
            Backend::Sqlite => packed(&sql),
        }
    }
}

fn read(rows: Vec<Gathered>) -> Result<Vec<Recorded>, StoreError> {
    let events = gathered(rows, By::Aggregate)?;
    events.into_iter().map(StoredEvent::read).collect()
}
