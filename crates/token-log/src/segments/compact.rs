//! Fresh rows of a tenant become few segments, and the use of its credentials is noted or counted, in one transaction.

mod made;
mod noted;
mod replace;
#[cfg(test)]
mod tests;
mod vacuum;

use std::{collections::HashSet, sync::Arc};

use chancery_domain::{Clock, TenantId};
use chancery_event_store::{Database, StoreError, fetch_all};
use tokio::sync::mpsc;

use crate::{
    segments::{
        HOUR,
        due::{Asked, Remembered},
        hour_of,
    },
    writer::Message,
};

use self::{
    made::{Note, Part, Parts, Row},
    noted::{BYTES, Many, Notes, Noting, ROWS_OF_NOTES},
    vacuum::Vacuum,
};

pub(crate) use self::{made::Made, replace::put};

/// How many records a segment is made of, where there are so many.
pub(crate) const FULL: i64 = 1_024;

/// How many fresh records of a tenant are put together. With four times as many others would wait for it: of tokens at half
/// of the peak one in a hundred then took 26 to 31 ms, and not 9.
pub(crate) const ENOUGH: i64 = FULL;

/// How many fresh segments of a tenant are put together, however few their records.
pub(crate) const ROWS: usize = 256;

/// What puts segments together. Any number of them may work on one database.
pub(crate) struct Compactor {
    pub(crate) database: Database,
    pub(crate) schema: String,
    pub(crate) clock: Arc<dyn Clock>,
    /// Who writes, and ends when nobody else can ask any more.
    pub(crate) writer: mpsc::WeakSender<Message>,
}

/// What one who puts together remembers of tenants.
#[derive(Default)]
pub(crate) struct Memory {
    /// Of whom there is more than was remembered when it was written, since it failed before.
    behind: HashSet<TenantId>,
    notes: Notes,
    vacuum: Vacuum,
}

/// What was put together.
struct Put {
    segments: usize,
    /// How much was noted of uses; none: nothing, or they are counted.
    noted: Option<Many>,
}

impl Compactor {
    /// Runs until nobody can ask any more.
    pub(crate) async fn run(self, mut asked: mpsc::Receiver<Asked>) {
        let mut memory = Memory::default();
        while let Some(asked) = asked.recv().await {
            self.answer(asked, &mut memory).await;
        }
    }

    /// Does what is asked.
    async fn answer(&self, asked: Asked, memory: &mut Memory) {
        let Asked { tenant, remembered } = asked;
        let is_behind = memory.behind.contains(&tenant);
        let notes = &mut memory.notes;
        let outcome = if let Some(remembered) = remembered.filter(|_| !is_behind) {
            self.put_remembered(tenant, remembered, notes).await
        } else {
            let compacted = self.compact(tenant, false).await;
            compacted.map(|_| notes.all_counted(tenant))
        };
        match outcome {
            Ok(()) => {
                memory.behind.remove(&tenant);
                memory.vacuum.put(&self.database, &self.schema);
            }
            // Whoever closed it has what was written, and the next one puts it together.
            Err(_) if self.database.is_closed() => {}
            Err(error) => {
                memory.behind.insert(tenant);
                tracing::warn!(%error, "activity could not be put together; it is tried again with what comes next");
            }
        }
    }

    /// Puts together rows of an hour of which this node has remembered what it wrote.
    async fn put_remembered(
        &self,
        tenant: TenantId,
        remembered: Vec<Remembered>,
        known: &mut Notes,
    ) -> Result<(), StoreError> {
        let Some(hour) = remembered.first().map(|row| hour_of(row.first_at)) else {
            return Ok(());
        };
        let fresh: Vec<Part> = remembered.into_iter().map(Into::into).collect();
        let records = fresh.iter().map(|part| part.records).sum();
        let segments = self.segments(tenant, hour, records).await?;
        let noting = known.noting(tenant, hour);
        match self.put(tenant, Parts { fresh, segments }, noting).await? {
            // Another node was first; what it left is read.
            None => {
                self.compact(tenant, false).await?;
                known.all_counted(tenant);
            }
            Some(put) if known.are_due(tenant, hour, put.noted.as_ref()) => {
                self.count(tenant).await?;
                known.counted(tenant, hour);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Puts together what there is enough of, or whose hour is over; or all there is. Gives how many
    /// segments were made. All uses that were noted are counted.
    pub(crate) async fn compact(&self, tenant: TenantId, all: bool) -> Result<usize, StoreError> {
        let mut made = 0;
        while let Some(parts) = self.parts(tenant, all).await? {
            // They are counted in a moment.
            let Some(put) = self.put(tenant, parts, Noting::Few).await? else {
                // Another node was first, and goes on with the rest.
                break;
            };
            made += put.segments;
        }
        self.count(tenant).await?;
        Ok(made)
    }

    /// Counts what was noted of uses, or leaves it to another who does. What is noted meanwhile is left to whoever notes
    /// it: where many do there is always some.
    async fn count(&self, tenant: TenantId) -> Result<(), StoreError> {
        loop {
            let (notes, more) = self.notes(tenant).await?;
            for made in blocking(move || Made::counted(tenant, &notes)).await? {
                if !self.replace(made).await? {
                    return Ok(());
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// None: another was first.
    async fn put(
        &self,
        tenant: TenantId,
        parts: Parts,
        noting: Noting,
    ) -> Result<Option<Put>, StoreError> {
        let made = blocking(move || Made::of(tenant, &parts, noting)).await?;
        let put = Put {
            segments: made.segments.len(),
            noted: made.many,
        };
        Ok(self.replace(made).await?.then_some(put))
    }

    /// Of whom there is something to put together or to count. What is nobody's is reported and left where it is: it keeps
    /// nobody else's waiting.
    pub(crate) async fn platform_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let sql = format!(
            "SELECT tenant_id FROM {0}.activity_fresh UNION SELECT tenant_id FROM {0}.activity_uses",
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
            if sum >= ENOUGH {
                break;
            }
            sum += records;
            chosen.push(position);
        }
        let over = hour < hour_of(self.clock.now().micros());
        if !(all || many || over || sum >= ENOUGH) {
            return Ok(None);
        }
        let Some(fresh) = self.fresh(tenant, &chosen).await? else {
            return Ok(None);
        };
        let segments = self.segments(tenant, hour, sum).await?;
        Ok(Some(Parts { fresh, segments }))
    }

    /// Uses that were noted and not counted yet, the oldest, and no more than can be read at once; and whether there
    /// may be more.
    async fn notes(&self, tenant: TenantId) -> Result<(Vec<Note>, bool), StoreError> {
        let sql = format!(
            "SELECT position, records, first_at, uses FROM {}.activity_uses
              WHERE tenant_id = $1 ORDER BY position LIMIT $2",
            self.schema
        );
        let mut notes = fetch_all!(
            &self.database,
            Note,
            &sql,
            tenant.to_string(),
            ROWS_OF_NOTES
        )?;
        let found = notes.len();
        let mut bytes = 0;
        notes.retain(|note| {
            let first = bytes == 0;
            bytes += note.3.len();
            first || bytes <= BYTES
        });
        let more = notes.len() < found || i64::try_from(found) == Ok(ROWS_OF_NOTES);
        Ok((notes, more))
    }

    /// Which segments of the hour go with so many records: each record is written again only when its segment at
    /// least doubles.
    async fn segments(
        &self,
        tenant: TenantId,
        hour: i64,
        mut sum: i64,
    ) -> Result<Vec<Part>, StoreError> {
        let mut segments = Vec::new();
        let room = (FULL - sum).min(FULL / 2);
        if room <= 0 {
            return Ok(segments);
        }
        let sql = format!(
            "SELECT position, records, first_at, runs, body FROM {}.activity_segments
              WHERE tenant_id = $1 AND first_at >= $2 AND first_at < $3 AND records <= $4
              ORDER BY records LIMIT 8",
            self.schema
        );
        let tenant = tenant.to_string();
        for row in fetch_all!(&self.database, Row, &sql, tenant, hour, hour + HOUR, room)? {
            let part = Part::from(row);
            if part.records <= sum && sum + part.records <= FULL {
                sum += part.records;
                segments.push(part);
            }
        }
        Ok(segments)
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
            "SELECT position, records, first_at, NULL AS runs, body FROM {}.activity_fresh
              WHERE tenant_id = $1 AND position BETWEEN $2 AND $3 ORDER BY position",
            self.schema
        );
        let tenant = tenant.to_string();
        let mut rows = fetch_all!(&self.database, Row, &sql, tenant, *first, *last)?;
        // A node that took its number earlier may have written since.
        rows.retain(|row| chosen.binary_search(&row.0).is_ok());
        let all = rows.len() == chosen.len();
        Ok(all.then(|| rows.into_iter().map(Into::into).collect()))
    }
}

/// Makes what takes some milliseconds, for which no request should wait.
async fn blocking<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(make).await.unwrap_or_else(|_| {
        Err(StoreError::Misuse(
            "putting activity together panicked".to_owned(),
        ))
    })
}
