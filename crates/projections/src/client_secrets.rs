//! Clients' secrets: one row for all the secrets of a client.

use std::collections::BTreeMap;

use chancery_domain::{ClientId, Row, TenantId, Timestamp, secret_rotation::SecretRotation};
use chancery_event_store::{Reads, Store, StoreError, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, for_many, json_list, pairs, select},
    fold::TenantRows,
    model::{Cell, Model},
};

/// The secrets of a tenant's client.
///
/// # Errors
/// [`StoreError`].
pub async fn get(
    on: impl Reads<'_>,
    tenant: TenantId,
    client: ClientId,
) -> Result<Option<Row<SecretRotation>>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!(
            "client_id",
            "client_secrets",
            "WHERE tenant_id = $1 AND client_id = $2"
        ),
        tenant.to_string(),
        client.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

/// The secrets of all of a tenant's clients; for tenants that have few.
///
/// # Errors
/// [`StoreError`].
pub async fn all(
    on: impl Reads<'_>,
    tenant: TenantId,
) -> Result<Vec<(ClientId, Row<SecretRotation>)>, StoreError> {
    pairs(fetch_all!(
        on,
        BodyRow,
        select!(
            "client_id",
            "client_secrets",
            "WHERE tenant_id = $1 ORDER BY client_id"
        ),
        tenant.to_string()
    )?)
}

/// The secrets of those of these clients that are the tenant's and have any, in one query.
///
/// # Errors
/// [`StoreError`].
pub async fn of_clients(
    store: &Store,
    tenant: TenantId,
    clients: &[ClientId],
) -> Result<Vec<(ClientId, Row<SecretRotation>)>, StoreError> {
    let sql = for_many(
        store.backend(),
        select!(
            "client_id",
            "client_secrets",
            "WHERE client_id IN {ids} AND tenant_id = $2"
        ),
    );
    pairs(fetch_all!(
        store,
        BodyRow,
        &sql,
        json_list(clients),
        tenant.to_string()
    )?)
}

/// When the first thing was due that is not recorded. `None`: nothing is.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_due_since(
    store: &Store,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let due = fetch_optional!(
        store,
        (i64,),
        "SELECT s.due_at FROM client_secrets s
         JOIN tenants t ON t.tenant_id = s.tenant_id
         WHERE s.due_at <= $1 AND t.state <> 'closed' ORDER BY s.due_at LIMIT 1",
        now.micros()
    )?;
    Ok(due.map(|(at,)| Timestamp::from_micros(at)))
}

/// The clients of all tenants that are not closed with something due by now that is not recorded,
/// longest due first.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_due(
    store: &Store,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(TenantId, ClientId)>, StoreError> {
    let due: Vec<(String, String)> = fetch_all!(
        store,
        (String, String),
        "SELECT s.tenant_id, s.client_id FROM client_secrets s
         JOIN tenants t ON t.tenant_id = s.tenant_id
         WHERE s.due_at <= $1 AND t.state <> 'closed'
         ORDER BY s.due_at, s.client_id LIMIT $2",
        now.micros(),
        i64::from(limit)
    )?;
    due.into_iter()
        .map(|(tenant, client)| {
            let corrupt = |invalid: chancery_domain::Invalid| {
                StoreError::Corrupt(format!("a due row of client_secrets: {invalid}"))
            };
            Ok((
                tenant.parse().map_err(corrupt)?,
                client.parse().map_err(corrupt)?,
            ))
        })
        .collect()
}

/// The read model.
pub(crate) struct ClientSecrets;

impl Model for ClientSecrets {
    type Id = ClientId;
    type State = SecretRotation;

    const TABLE: &'static str = "client_secrets";
    const ID: &'static str = "client_id";
    const OWN: &'static [&'static str] = &["due_at", "open_count", "open_life"];

    fn own(state: &SecretRotation) -> Vec<Cell> {
        vec![
            Cell::time(state.due_at()),
            Cell::count(state.open_count()),
            Cell::Integer(state.longest_open_life()),
        ]
    }

    fn of(rows: &TenantRows) -> &BTreeMap<ClientId, Row<SecretRotation>> {
        &rows.client_secrets
    }
}
