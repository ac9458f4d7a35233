//! Clients' secrets: one row for all the secrets of a client.

use std::collections::BTreeMap;

use chancery_domain::{ClientId, Row, TenantId, secret_rotation::SecretRotation};
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

/// The read model.
pub(crate) struct ClientSecrets;

impl Model for ClientSecrets {
    type Id = ClientId;
    type State = SecretRotation;

    const TABLE: &'static str = "client_secrets";
    const ID: &'static str = "client_id";
    const OWN: &'static [&'static str] = &["open_count", "open_life"];

    fn own(state: &SecretRotation) -> Vec<Cell> {
        vec![
            Cell::count(state.open_count()),
            Cell::Integer(state.longest_open_life()),
        ]
    }

    fn of(rows: &TenantRows) -> &BTreeMap<ClientId, Row<SecretRotation>> {
        &rows.client_secrets
    }
}
