//! Clients.

use chancery_domain::{
    ClientId, Row, TenantId,
    client::{Client, Standing},
};
use chancery_event_store::{Reads, StoreError, Tx, execute, fetch_all, fetch_optional};

use crate::body::{BodyRow, body, pairs, past, select};

/// A tenant's client.
///
/// # Errors
/// [`StoreError`].
pub async fn get(
    on: impl Reads<'_>,
    tenant: TenantId,
    client: ClientId,
) -> Result<Option<Row<Client>>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!(
            "client_id",
            "clients",
            "WHERE tenant_id = $1 AND client_id = $2"
        ),
        tenant.to_string(),
        client.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

/// Which tenant a client belongs to.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_tenant_of(
    on: impl Reads<'_>,
    client: ClientId,
) -> Result<Option<TenantId>, StoreError> {
    let found = fetch_optional!(
        on,
        BodyRow,
        select!("client_id", "clients", "WHERE client_id = $1"),
        client.to_string()
    )?;
    Ok(found
        .map(BodyRow::into_row::<Client>)
        .transpose()?
        .map(|row| row.tenant))
}

/// So many of a tenant's clients past this one, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    on: impl Reads<'_>,
    tenant: TenantId,
    after: Option<ClientId>,
    limit: u32,
) -> Result<Vec<(ClientId, Row<Client>)>, StoreError> {
    pairs(fetch_all!(
        on,
        BodyRow,
        select!(
            "client_id",
            "clients",
            "WHERE tenant_id = $1 AND client_id > $2 ORDER BY client_id LIMIT $3"
        ),
        tenant.to_string(),
        past(after),
        i64::from(limit)
    )?)
}

/// All of a tenant's clients, oldest first; for tenants that have few.
///
/// # Errors
/// [`StoreError`].
pub async fn all(
    on: impl Reads<'_>,
    tenant: TenantId,
) -> Result<Vec<(ClientId, Row<Client>)>, StoreError> {
    pairs(fetch_all!(
        on,
        BodyRow,
        select!(
            "client_id",
            "clients",
            "WHERE tenant_id = $1 ORDER BY client_id"
        ),
        tenant.to_string()
    )?)
}

pub(crate) async fn save(
    tx: &mut Tx,
    client: ClientId,
    row: &Row<Client>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO clients (client_id, tenant_id, name, state, expires_at, version, created_at, changed_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (client_id) DO UPDATE SET name = excluded.name, state = excluded.state,
             expires_at = excluded.expires_at, version = excluded.version,
             changed_at = excluded.changed_at, body = excluded.body",
        client.to_string(),
        row.tenant.to_string(),
        row.state.name.as_ref().map(|name| name.as_str().to_owned()),
        match row.state.standing {
            Standing::Enabled => "enabled",
            Standing::Disabled => "disabled",
            Standing::Deleted => "deleted",
        },
        row.state.expires_at.map(chancery_domain::Timestamp::micros),
        row.version,
        row.created_at.micros(),
        row.changed_at.micros(),
        body(row)
    )?;
    Ok(())
}
