use std::collections::HashMap;

use chancery_domain::{Entry, Recorded, TenantId, Timestamp, stream::StreamId};

use crate::{
    error::StoreError,
    fetch_all, fetch_one, fetch_optional,
    query::{Connection, Reads},
    row::{By, COLUMNS, Gathered, StoredEvent, gathered, packed},
    store::Store,
    tx::Tx,
};

/// One text for any number of tenants, so that it stays prepared.
const STAMPS_POSTGRES: &str =
    "SELECT tenant_id, head, recorded_at FROM tenant_log WHERE tenant_id = ANY($1)";
const STAMPS_SQLITE: &str = "SELECT tenant_id, head, recorded_at FROM tenant_log
      WHERE tenant_id IN (SELECT value FROM json_each($1))";

/// Which state of a tenant's roll: the number of its last event, and when that was recorded. The
/// number alone could be given twice, by a failover that lost commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the last event.
    pub head: i64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// An entry of a tenant's roll, and which stream it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub number: i64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its stream; none where this binary does not know such streams.
    pub stream: Option<StreamId>,
}

impl Store {
    /// Which streams the entries from the one number to the other, both included, belong to.
    pub async fn streams_named(
        &self,
        tenant: TenantId,
        from: i64,
        to: i64,
    ) -> Result<Vec<Named>, StoreError> {
        let rows = fetch_all!(
            self,
            (i64, i64, String, String),
            "SELECT tenant_seq, recorded_at, aggregate_type, aggregate_id FROM events
              WHERE tenant_id = $1 AND tenant_seq BETWEEN $2 AND $3 ORDER BY tenant_seq",
            tenant.to_string(),
            from,
            to
        )?;
        let named = |(number, recorded_at, kind, id): (i64, i64, String, String)| Named {
            number,
            recorded_at: Timestamp::from_micros(recorded_at),
            stream: StreamId::parse(&kind, &id),
        };
        Ok(rows.into_iter().map(named).collect())
    }

    /// The state of the tenant's roll. None: there is no such tenant.
    pub async fn stamp(&self, tenant: TenantId) -> Result<Option<Stamp>, StoreError> {
        stamp(self, tenant).await
    }

    /// The states of these tenants' rolls, of one moment. A tenant that is not there is left out.
    pub async fn platform_stamps_of(
        &self,
        tenants: impl IntoIterator<Item = TenantId> + Send,
    ) -> Result<HashMap<TenantId, Stamp>, StoreError> {
        let tenants: Vec<_> = tenants.into_iter().map(|it| it.to_string()).collect();
        let rows: Vec<(String, i64, i64)> = match self.source().connection().await? {
            Connection::Postgres(mut held) => {
                let query = sqlx::query_as(STAMPS_POSTGRES).bind(tenants);
                query.fetch_all(&mut *held).await?
            }
            Connection::Sqlite(mut held) => {
                let query =
                    sqlx::query_as(STAMPS_SQLITE).bind(serde_json::json!(tenants).to_string());
                query.fetch_all(&mut *held).await?
            }
        };
        let read = |(tenant, head, recorded_at): (String, i64, i64)| {
            let recorded_at = Timestamp::from_micros(recorded_at);
            match tenant.parse() {
                Ok(tenant) => Ok((tenant, Stamp { head, recorded_at })),
                Err(_) => Err(StoreError::Corrupt(format!(
                    "{tenant} has a roll and is no tenant's id"
                ))),
            }
        };
        rows.into_iter().map(read).collect()
    }

    /// The number of the last event in the tenant's roll. Whoever sees head 7 can see 1 to 7. None:
    /// there is no such tenant.
    pub async fn head(&self, tenant: TenantId) -> Result<Option<i64>, StoreError> {
        head(self, tenant).await
    }

    /// At most `limit` events of the tenant's roll after number `after`, in order. Fewer than `limit`:
    /// this was the end. An event that cannot be read is an error, never left out.
    pub async fn events_page(
        &self,
        tenant: TenantId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        events_page(self, tenant, after, limit).await
    }

    /// So many tenants past this one, in the order of their ids, each with the head of its roll.
    pub async fn platform_heads(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, i64),
            "SELECT tenant_id, head FROM tenant_log WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2",
            after.map(|tenant| tenant.to_string()).unwrap_or_default(),
            i64::from(limit)
        )?;
        rows.into_iter()
            .map(|(tenant, head)| match tenant.parse() {
                Ok(tenant) => Ok((tenant, head)),
                Err(_) => Err(StoreError::Corrupt(format!(
                    "there is a roll of `{tenant}`, which is no tenant's id"
                ))),
            })
            .collect()
    }

    /// How many events there are in all the rolls.
    pub async fn platform_event_count(&self) -> Result<i64, StoreError> {
        let (events,) = fetch_one!(
            self,
            (i64,),
            "SELECT CAST(COALESCE(SUM(head), 0) AS BIGINT) FROM tenant_log"
        )?;
        Ok(events)
    }
}

/// The state of the tenant's roll, as [`Store::stamp`] gives it.
///
/// # Errors
/// [`StoreError`].
pub async fn stamp(on: impl Reads<'_>, tenant: TenantId) -> Result<Option<Stamp>, StoreError> {
    let found = fetch_optional!(
        on,
        (i64, i64),
        "SELECT head, recorded_at FROM tenant_log WHERE tenant_id = $1",
        tenant.to_string()
    )?;
    Ok(found.map(|(head, recorded_at)| Stamp {
        head,
        recorded_at: Timestamp::from_micros(recorded_at),
    }))
}

impl Tx {
    /// Like [`Store::head`], within the transaction.
    pub async fn head(&mut self, tenant: TenantId) -> Result<Option<i64>, StoreError> {
        head(self, tenant).await
    }

    /// Like [`Store::events_page`], within the transaction.
    pub async fn events_page(
        &mut self,
        tenant: TenantId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        events_page(self, tenant, after, limit).await
    }
}

/// When the tenant's last entry was recorded, as what numbers the entries remembers it; `None` where there is no
/// roll. No later entry gets an earlier moment.
pub async fn recorded_until(
    on: impl Reads<'_>,
    tenant: TenantId,
) -> Result<Option<Timestamp>, StoreError> {
    let at = fetch_optional!(
        on,
        (i64,),
        "SELECT recorded_at FROM tenant_log WHERE tenant_id = $1",
        tenant.to_string()
    )?;
    Ok(at.map(|(at,)| Timestamp::from_micros(at)))
}

/// Like [`Store::head`], wherever it is read.
pub async fn head(on: impl Reads<'_>, tenant: TenantId) -> Result<Option<i64>, StoreError> {
    let head = fetch_optional!(
        on,
        (i64,),
        "SELECT head FROM tenant_log WHERE tenant_id = $1",
        tenant.to_string()
    )?;
    Ok(head.map(|(head,)| head))
}

/// Like [`Store::events_page`], wherever it is read.
pub async fn events_page(
    on: impl Reads<'_>,
    tenant: TenantId,
    after: i64,
    limit: u32,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = rows(on, tenant, after, limit).await?;
    let events: Vec<Recorded> = rows
        .into_iter()
        .map(StoredEvent::read)
        .collect::<Result<_, _>>()?;
    dense(tenant, after, events.iter().map(|event| event.tenant_seq))?;
    Ok(events)
}

/// Whether these numbers follow this one without a gap: a roll has every number, and nobody who reads it in
/// order may pass over one.
///
/// # Errors
/// [`StoreError::Corrupt`] names the first entry that is missing.
pub fn dense(
    tenant: TenantId,
    after: i64,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<(), StoreError> {
    let missing = (after + 1..)
        .zip(numbers)
        .find(|(expected, number)| expected != number);
    match missing {
        Some((entry, next)) => Err(StoreError::Corrupt(format!(
            "entry {entry} of the roll of {tenant} is missing, and {next} comes in its place"
        ))),
        None => Ok(()),
    }
}

/// Whether a roll that was read as far as this entry was read as far as it went before.
///
/// # Errors
/// [`StoreError::Corrupt`] names the first entry that is missing.
pub fn complete(tenant: TenantId, last: i64, head: i64) -> Result<(), StoreError> {
    if last >= head {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!(
        "entry {} of the roll of {tenant} is missing, which goes to {head}",
        last + 1
    )))
}

async fn rows(
    on: impl Reads<'_>,
    tenant: TenantId,
    after: i64,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut connection = on.source().connection().await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE tenant_id = $1 AND tenant_seq > $2 ORDER BY tenant_seq LIMIT $3"
    );
    let sql = match connection {
        Connection::Postgres(_) => sql,
        Connection::Sqlite(_) => packed(&sql),
    };
    let rows = fetch_all!(
        &mut connection,
        Gathered,
        &sql,
        tenant.to_string(),
        after,
        i64::from(limit)
    )?;
    gathered(rows, By::Number)
}

/// At most `limit` entries of the tenant's roll after number `after`, in order and as they were
/// written: for whoever seals or exports them, whatever binary wrote them.
pub async fn entries_page(
    on: impl Reads<'_>,
    tenant: TenantId,
    after: i64,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let rows = rows(on, tenant, after, limit).await?;
    rows.into_iter().map(StoredEvent::entry).collect()
}
