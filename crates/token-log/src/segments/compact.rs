//! Fresh segments of a tenant become one, and the use of its credentials is counted, in one transaction.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use chancery_domain::{Clock, TenantId};
use chancery_event_store::{Backend, Database, StoreError, Tx, execute, fetch_all};
use tokio::sync::mpsc;

use crate::segments::{
    DAY, HOUR,
    bloom::{self, Mark},
    body, hour_of,
    unfolded::Uses,
};

/// How many records a segment is made of, where there are so many.
pub(crate) const FULL: i64 = 1_024;

/// How many fresh segments of a tenant are put together, however few their records.
pub(crate) const ROWS: usize = 256;

/// What puts segments together. Any number of them may work on one database.
pub(crate) struct Compactor {
    pub(crate) database: Database,
    pub(crate) schema: String,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A row that goes: fresh, or a smaller segment of the same hour.
#[derive(sqlx::FromRow)]
struct Part {
    position: i64,
    records: i64,
    /// None: the numbers follow the first.
    runs: Option<String>,
    body: String,
}

/// What is put together at once.
struct Parts {
    fresh: Vec<Part>,
    segments: Vec<Part>,
}

/// A segment, and what was used in its fresh part.
struct Made {
    position: i64,
    last_position: i64,
    first_at: i64,
    last_at: i64,
    records: i64,
    expires_at: i64,
    rare: i64,
    summary: Vec<u8>,
    runs: String,
    body: String,
    /// Rows of `credential_use`, as JSON.
    uses: String,
    /// How often each client was used, as JSON in the order of the clients.
    by_client: String,
}

impl Compactor {
    /// Runs until nobody can ask any more.
    pub(crate) async fn run(self, mut asked: mpsc::Receiver<TenantId>) {
        while let Some(tenant) = asked.recv().await {
            if let Err(error) = self.compact(tenant, false).await {
                tracing::warn!(%error, "activity could not be put together; it is tried again with what comes next");
            }
        }
    }

    /// Puts together what there is enough of, or whose hour is over; or all there is. Gives how many
    /// segments were made.
    pub(crate) async fn compact(&self, tenant: TenantId, all: bool) -> Result<usize, StoreError> {
        let mut made = 0;
        loop {
            let Some(parts) = self.parts(tenant, all).await? else {
                return Ok(made);
            };
            // It takes a millisecond or two, for which no request should wait.
            let put = tokio::task::spawn_blocking(move || make(&parts).map(|made| (parts, made)));
            let Ok(put) = put.await else {
                return Err(StoreError::Misuse(
                    "putting activity together panicked".to_owned(),
                ));
            };
            let (parts, segment) = put?;
            if !self.replace(tenant, &parts, &segment).await? {
                // Another node was first, and goes on with the rest.
                return Ok(made);
            }
            made += 1;
        }
    }

    /// Whose fresh segments there are. What is nobody's is reported and left where it is: it keeps nobody
    /// else's waiting.
    pub(crate) async fn platform_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT tenant_id FROM {}.activity_fresh",
            self.schema
        );
        let rows = fetch_all!(&self.database, (String,), &sql)?;
        let known = rows.iter().filter_map(|(tenant,)| {
            let parsed = tenant.parse();
            if parsed.is_err() {
                tracing::error!(
                    tenant,
                    "there is activity of what is no tenant; it stays as it is"
                );
            }
            parsed.ok()
        });
        Ok(known.collect())
    }

    /// What is to be put together next.
    async fn parts(&self, tenant: TenantId, all: bool) -> Result<Option<Parts>, StoreError> {
        let schema = &self.schema;
        let most = i64::try_from(ROWS).unwrap_or(i64::MAX);
        // Their bodies are read when it is known which of them go: most of the time there is not enough.
        let sql = format!(
            "SELECT position, records, first_at FROM {schema}.activity_fresh
              WHERE tenant_id = $1 ORDER BY position LIMIT $2"
        );
        let rows = fetch_all!(
            &self.database,
            (i64, i64, i64),
            &sql,
            tenant.to_string(),
            most
        )?;
        let Some(hour) = rows.first().map(|(.., first_at)| hour_of(*first_at)) else {
            return Ok(None);
        };
        let many = rows.len() >= ROWS;
        let mut sum = 0;
        let mut chosen = Vec::with_capacity(rows.len());
        for (position, records, _) in rows.into_iter().filter(|row| hour_of(row.2) == hour) {
            if sum >= FULL {
                break;
            }
            sum += records;
            chosen.push(position);
        }
        let over = hour < hour_of(self.clock.now().micros());
        if !(all || many || over || sum >= FULL) {
            return Ok(None);
        }
        let Some(fresh) = self.fresh(tenant, &chosen).await? else {
            return Ok(None);
        };
        // Each record is written again only when its segment at least doubles.
        let sql = format!(
            "SELECT position, records, runs, body FROM {schema}.activity_segments
              WHERE tenant_id = $1 AND first_at >= $2 AND first_at < $3 AND records <= $4
              ORDER BY records LIMIT 8"
        );
        let room = (FULL - sum).min(FULL / 2);
        let mut segments = Vec::new();
        if room > 0 {
            let tenant = tenant.to_string();
            for row in fetch_all!(&self.database, Part, &sql, tenant, hour, hour + HOUR, room)? {
                if row.records <= sum && sum + row.records <= FULL {
                    sum += row.records;
                    segments.push(row);
                }
            }
        }
        Ok(Some(Parts { fresh, segments }))
    }

    /// Fresh rows with these numbers, in their order. None: some are gone, so another node puts together.
    async fn fresh(
        &self,
        tenant: TenantId,
        chosen: &[i64],
    ) -> Result<Option<Vec<Part>>, StoreError> {
        let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else {
            return Ok(None);
        };
        let sql = format!(
            "SELECT position, records, NULL AS runs, body FROM {}.activity_fresh
              WHERE tenant_id = $1 AND position BETWEEN $2 AND $3 ORDER BY position",
            self.schema
        );
        let tenant = tenant.to_string();
        let mut rows = fetch_all!(&self.database, Part, &sql, tenant, *first, *last)?;
        // A node that took its number earlier may have written since.
        rows.retain(|row| chosen.binary_search(&row.position).is_ok());
        Ok((rows.len() == chosen.len()).then_some(rows))
    }

    /// Whether this was the one that did it. A segment keeps the least number of its parts, so another may
    /// stand where this one read an older. That one holds more, for records are only ever added: so a row
    /// is known by its number and how many records it has, and where fewer are deleted than were read,
    /// nothing is done.
    async fn replace(
        &self,
        tenant: TenantId,
        parts: &Parts,
        made: &Made,
    ) -> Result<bool, StoreError> {
        let schema = &self.schema;
        let tenant = tenant.to_string();
        let each = match self.database.backend() {
            Backend::Postgres => {
                "SELECT CAST(value->>0 AS BIGINT), CAST(value->>1 AS BIGINT) FROM json_array_elements($2::json)"
            }
            Backend::Sqlite => "SELECT value->>0, value->>1 FROM json_each($2)",
        };
        let mut tx = self.database.begin().await?;
        for (table, gone) in [
            ("activity_fresh", &parts.fresh),
            ("activity_segments", &parts.segments),
        ] {
            if gone.is_empty() {
                continue;
            }
            let sql = format!(
                "DELETE FROM {schema}.{table} WHERE tenant_id = $1 AND (position, records) IN ({each})"
            );
            let rows = gone.iter().map(|part| (part.position, part.records));
            let rows = json(&rows.collect::<Vec<_>>())?;
            let deleted = execute!(&mut tx, &sql, tenant.as_str(), rows)?;
            if usize::try_from(deleted) != Ok(gone.len()) {
                tx.rollback().await?;
                return Ok(false);
            }
        }
        self.fold(&mut tx, &tenant, &made.uses).await?;
        self.fold_day(&mut tx, &tenant, made).await?;
        let insert = format!(
            "INSERT INTO {schema}.activity_segments (position, last_position, tenant_id, first_at, last_at,
                    records, expires_at, rare, summary, runs, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        );
        execute!(
            &mut tx,
            &insert,
            made.position,
            made.last_position,
            tenant.as_str(),
            made.first_at,
            made.last_at,
            made.records,
            made.expires_at,
            made.rare,
            made.summary.as_slice(),
            made.runs.as_str(),
            made.body.as_str()
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// Counts uses: one row for each credential and hour, in the order of their keys, so that two nodes
    /// cannot wait for each other.
    async fn fold(&self, tx: &mut Tx, tenant: &str, uses: &str) -> Result<(), StoreError> {
        let each = match self.database.backend() {
            Backend::Postgres => "json_array_elements($2::json) AS used (value)",
            Backend::Sqlite => "json_each($2)",
        };
        let sql = format!(
            "INSERT INTO {}.credential_use AS known
                    (tenant_id, credential_id, hour, client_id, uses, last_at, last_address)
             SELECT $1, value->>0, CAST(value->>1 AS BIGINT), value->>2, CAST(value->>3 AS BIGINT),
                    CAST(value->>4 AS BIGINT), value->>5
               FROM {each} WHERE true
                 ON CONFLICT (tenant_id, credential_id, hour) DO UPDATE SET
                    uses = known.uses + excluded.uses,
                    last_address = CASE WHEN known.last_at > excluded.last_at
                                        THEN known.last_address ELSE excluded.last_address END,
                    last_at = CASE WHEN known.last_at > excluded.last_at
                                   THEN known.last_at ELSE excluded.last_at END",
            self.schema
        );
        execute!(tx, &sql, tenant, uses).map(drop)
    }

    /// Counts the same for the day: one row for each client, in the order of their keys for the same reason.
    async fn fold_day(&self, tx: &mut Tx, tenant: &str, made: &Made) -> Result<(), StoreError> {
        let each = match self.database.backend() {
            Backend::Postgres => "json_array_elements($3::json) AS used (value)",
            Backend::Sqlite => "json_each($3)",
        };
        let sql = format!(
            "INSERT INTO {}.client_days AS known (tenant_id, begins_at, client_id, uses)
             SELECT $1, $2, value->>0, CAST(value->>1 AS BIGINT) FROM {each} WHERE true
                 ON CONFLICT (tenant_id, begins_at, client_id) DO UPDATE SET uses = known.uses + excluded.uses",
            self.schema
        );
        // An hour is of one day.
        let day = made.first_at.div_euclid(DAY) * DAY;
        execute!(tx, &sql, tenant, day, made.by_client.as_str()).map(drop)
    }
}

/// How often each client was used.
fn by_client(uses: &Uses) -> Vec<(&str, i64)> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for used in uses.0.values() {
        *counts.entry(&used.client).or_default() += used.count;
    }
    counts.into_iter().collect()
}

/// Puts the parts together.
fn make(parts: &Parts) -> Result<Made, StoreError> {
    let all = || parts.segments.iter().chain(&parts.fresh);
    let mut made = Made {
        position: i64::MAX,
        last_position: 0,
        first_at: i64::MAX,
        last_at: i64::MIN,
        records: 0,
        expires_at: 0,
        rare: 0,
        summary: Vec::new(),
        runs: String::new(),
        body: String::new(),
        uses: String::new(),
        by_client: String::new(),
    };
    let (mut runs, mut marks, mut uses) = (Vec::new(), Vec::new(), Uses::default());
    let mut all_lines = Vec::new();
    for part in all() {
        let lines = body::decode(&part.body)?;
        for line in &lines {
            made.first_at = made.first_at.min(line.at);
            made.last_at = made.last_at.max(line.at);
            made.expires_at = made.expires_at.max(line.expires_at.unwrap_or_default());
            made.rare += i64::from(line.is_rare()?);
            let of = [
                (Mark::Client, line.client()),
                (Mark::Credential, line.credential()),
                (Mark::Trace, line.trace_id()),
            ];
            marks.extend(
                of.into_iter()
                    .filter_map(|(mark, text)| Some(bloom::hash(mark, text?))),
            );
            if part.runs.is_none() {
                uses.count(line);
            }
        }
        let records = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let own = match &part.runs {
            Some(runs) => serde_json::from_str(runs).map_err(|error| {
                StoreError::Corrupt(format!("a segment of activity has no runs: {error}"))
            })?,
            None => vec![(part.position, records)],
        };
        for (first, records) in own {
            made.position = made.position.min(first);
            made.last_position = made.last_position.max(first + records - 1);
            runs.push((first, records));
        }
        made.records += records;
        all_lines.extend(lines);
    }
    made.body = body::encode(all_lines.iter())?;
    marks.sort_unstable();
    marks.dedup();
    made.summary = bloom::build(&marks);
    made.runs = json(&runs)?;
    made.by_client = json(&by_client(&uses))?;
    let uses: Vec<_> = uses
        .0
        .iter()
        .map(|((credential, hour), it)| {
            (
                credential,
                hour,
                &it.client,
                it.count,
                it.last_at,
                &it.last_address,
            )
        })
        .collect();
    made.uses = json(&uses)?;
    Ok(made)
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Misuse(format!("what is put together is no JSON: {error}")))
}
