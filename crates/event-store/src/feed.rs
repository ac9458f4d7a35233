use chancery_domain::{Recorded, TenantId};

use crate::{
    error::StoreError,
    fetch_all, fetch_optional,
    query::Reads,
    row::{COLUMNS, StoredEvent},
    store::Store,
    tx::Tx,
};

impl Store {
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

async fn head<'a>(on: impl Reads<'a>, tenant: TenantId) -> Result<Option<i64>, StoreError> {
    let head = fetch_optional!(
        on,
        (i64,),
        "SELECT head FROM tenant_log WHERE tenant_id = $1",
        tenant.to_string()
    )?;
    Ok(head.map(|(head,)| head))
}

async fn events_page<'a>(
    on: impl Reads<'a>,
    tenant: TenantId,
    after: i64,
    limit: u32,
) -> Result<Vec<Recorded>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE tenant_id = $1 AND tenant_seq > $2 ORDER BY tenant_seq LIMIT $3"
    );
    let rows = fetch_all!(
        on,
        StoredEvent,
        &sql,
        tenant.to_string(),
        after,
        i64::from(limit)
    )?;
    rows.into_iter().map(StoredEvent::read).collect()
}
