//! Clients.

use std::collections::BTreeMap;

use chancery_domain::{
    ClientId, Row, TenantId,
    client::{Client, Standing},
};
use chancery_event_store::{Reads, StoreError, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, pairs, past, select},
    fold::TenantRows,
    model::{Cell, Model},
};

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

/// The read model.
pub(crate) struct Clients;

impl Model for Clients {
    type Id = ClientId;
    type State = Client;

    const TABLE: &'static str = "clients";
    const ID: &'static str = "client_id";
    const OWN: &'static [&'static str] = &["name", "state", "expires_at"];

    fn own(state: &Client) -> Vec<Cell> {
        vec![
            Cell::Text(state.name.as_ref().map(|name| name.as_str().to_owned())),
            Cell::text(match state.standing {
                Standing::Enabled => "enabled",
                Standing::Disabled => "disabled",
                Standing::Deleted => "deleted",
            }),
            Cell::time(state.expires_at),
        ]
    }

    fn of(rows: &TenantRows) -> &BTreeMap<ClientId, Row<Client>> {
        &rows.clients
    }
}
