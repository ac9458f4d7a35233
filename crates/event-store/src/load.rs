use chancery_domain::{ReadSet, Recorded, StreamId, TenantId, command::Loaded};

use crate::{
    error::{EventName, StoreError},
    library,
    query::{Connection, Reads},
    row::{COLUMNS, StoredEvent},
    store::Store,
    tx::Tx,
    versions::{bind, pairs, versions},
};

impl Store {
    /// Loads these streams of the tenant, each through the event-sourcing library. A stream of
    /// another tenant is absent. Streams are read one after the other; whether one of them moved in
    /// between, [`Tx::versions`] tells before anything is written.
    pub async fn load(
        &self,
        tenant: TenantId,
        streams: &[StreamId],
    ) -> Result<ReadSet, StoreError> {
        let versions = versions(self, tenant, streams).await?;
        let mut loaded = Vec::with_capacity(streams.len());
        for stream in streams {
            loaded.push(match versions.get(*stream) {
                0 => Loaded::absent(*stream),
                _ => self.load_stream(tenant, *stream).await?,
            });
        }
        Ok(ReadSet::new(loaded))
    }

    async fn load_stream(&self, tenant: TenantId, stream: StreamId) -> Result<Loaded, StoreError> {
        let Some(events) = library::events(self, stream).await? else {
            // The library cannot say which event it stumbled on; our own query can.
            let mut loaded = read_streams(self, tenant, &[stream]).await?;
            return Ok(loaded.pop().unwrap_or_else(|| Loaded::absent(stream)));
        };
        let mut loaded = Loaded::absent(stream);
        for (sequence, event) in events {
            loaded.apply(&event);
            expect_next(&loaded, sequence)?;
        }
        Ok(loaded)
    }
}

impl Tx {
    /// Loads these streams of the tenant as they are within this transaction, in one round trip.
    /// Loaded after [`Tx::take_numbers`], they cannot move before this transaction ends.
    pub async fn load(
        &mut self,
        tenant: TenantId,
        streams: &[StreamId],
    ) -> Result<ReadSet, StoreError> {
        read_streams(self, tenant, streams).await.map(ReadSet::new)
    }
}

async fn read_streams<'a>(
    on: impl Reads<'a>,
    tenant: TenantId,
    streams: &[StreamId],
) -> Result<Vec<Loaded>, StoreError> {
    let mut loaded: Vec<_> = streams
        .iter()
        .map(|stream| Loaded::absent(*stream))
        .collect();
    for entry in entries(on, tenant, streams).await? {
        for loaded in loaded
            .iter_mut()
            .filter(|loaded| loaded.stream == entry.stream)
        {
            loaded.apply(&entry.event);
            expect_next(loaded, entry.sequence)?;
        }
    }
    Ok(loaded)
}

async fn entries<'a>(
    on: impl Reads<'a>,
    tenant: TenantId,
    streams: &[StreamId],
) -> Result<Vec<Recorded>, StoreError> {
    if streams.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM events
          WHERE tenant_id = $1 AND (aggregate_type, aggregate_id) IN (VALUES {})
          ORDER BY aggregate_type, aggregate_id, sequence",
        pairs(streams.len())
    );
    let rows: Vec<StoredEvent> = match on.source().connection().await? {
        Connection::Postgres(mut held) => {
            bind(sqlx::query_as(&sql), tenant, streams)
                .fetch_all(&mut *held)
                .await?
        }
        Connection::Sqlite(mut held) => {
            bind(sqlx::query_as(&sql), tenant, streams)
                .fetch_all(&mut *held)
                .await?
        }
    };
    rows.into_iter().map(StoredEvent::read).collect()
}

/// Streams have no gaps: one that has was not written by Chancery.
fn expect_next(loaded: &Loaded, sequence: i64) -> Result<(), StoreError> {
    if loaded.version == sequence {
        return Ok(());
    }
    let missing = EventName::new(loaded.stream, loaded.version);
    Err(StoreError::Corrupt(format!(
        "{missing} is missing; event {sequence} follows"
    )))
}
