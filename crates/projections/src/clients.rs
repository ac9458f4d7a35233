//! Clients.

use std::collections::BTreeMap;

use chancery_domain::{
    ClientId, Invalid, Row, TenantId,
    client::{Client, Standing},
    tenant::AuthMethod,
};
use chancery_event_store::{Reads, Store, StoreError, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, for_many, json_list, pairs, select},
    client_list::search_name,
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

/// Those of these clients that there are in the tenant, in one query.
///
/// # Errors
/// [`StoreError`].
pub async fn of_tenant(
    store: &Store,
    tenant: TenantId,
    clients: &[ClientId],
) -> Result<Vec<(ClientId, Row<Client>)>, StoreError> {
    let sql = for_many(
        store.backend(),
        select!(
            "client_id",
            "clients",
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
        (String,),
        "SELECT tenant_id FROM clients WHERE client_id = $1",
        client.to_string()
    )?;
    let read = |(tenant,): (String,)| {
        tenant.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the client row {client}: {invalid}"))
        })
    };
    found.map(read).transpose()
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
            "WHERE tenant_id = $1 ORDER BY created_at, client_id"
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
    const OWN: &'static [&'static str] = &[
        "name",
        "search_name",
        "state",
        "auth_method",
        "expires_at",
        "notes",
    ];

    fn own(state: &Client) -> Vec<Cell> {
        vec![
            Cell::Text(state.name.as_ref().map(|name| name.as_str().to_owned())),
            Cell::Text(search_name(state)),
            Cell::text(match state.standing {
                Standing::Enabled => "enabled",
                Standing::Disabled => "disabled",
                Standing::Deleted => "deleted",
            }),
            Cell::text(method(state.auth_method)),
            Cell::time(state.expires_at),
            Cell::count(state.metadata.members().len()),
        ]
    }

    fn of(rows: &TenantRows) -> &BTreeMap<ClientId, Row<Client>> {
        &rows.clients
    }
}

/// A client's way to authenticate, as its row has it.
pub(crate) fn method(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::ClientSecret => "client_secret",
        AuthMethod::ClientSecretJwt => "client_secret_jwt",
        AuthMethod::PrivateKeyJwt => "private_key_jwt",
    }
}
