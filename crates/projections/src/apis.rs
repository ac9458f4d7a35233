//! APIs.

use chancery_domain::{
    ApiId, Row, TenantId,
    api::{Api, ApiState},
    value::ApiIdentifier,
};
use chancery_event_store::{Reads, Store, StoreError, Tx, execute, fetch_all, fetch_optional};

use crate::body::{BodyRow, body, for_many, json_list, pairs, past, select};

/// An API, of whichever tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_get(on: impl Reads<'_>, api: ApiId) -> Result<Option<Row<Api>>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!("api_id", "apis", "WHERE api_id = $1"),
        api.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

/// Those of these APIs that there are, of whichever tenants, in one query.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_get_many(
    store: &Store,
    apis: &[ApiId],
) -> Result<Vec<(ApiId, Row<Api>)>, StoreError> {
    let sql = for_many(
        store.backend(),
        select!("api_id", "apis", "WHERE api_id IN {ids}"),
    );
    pairs(fetch_all!(store, BodyRow, &sql, json_list(apis))?)
}

/// A tenant's API.
///
/// # Errors
/// [`StoreError`].
pub async fn get(
    on: impl Reads<'_>,
    tenant: TenantId,
    api: ApiId,
) -> Result<Option<Row<Api>>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!("api_id", "apis", "WHERE tenant_id = $1 AND api_id = $2"),
        tenant.to_string(),
        api.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

/// The id of a tenant's API with this identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn id_of(
    on: impl Reads<'_>,
    tenant: TenantId,
    identifier: &ApiIdentifier,
) -> Result<Option<ApiId>, StoreError> {
    let found = fetch_optional!(
        on,
        BodyRow,
        select!("api_id", "apis", "WHERE tenant_id = $1 AND identifier = $2"),
        tenant.to_string(),
        identifier.as_str()
    )?;
    Ok(found
        .map(BodyRow::into_pair::<ApiId, Api>)
        .transpose()?
        .map(|(id, _)| id))
}

/// So many of a tenant's APIs past this one, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    on: impl Reads<'_>,
    tenant: TenantId,
    after: Option<ApiId>,
    limit: u32,
) -> Result<Vec<(ApiId, Row<Api>)>, StoreError> {
    pairs(fetch_all!(
        on,
        BodyRow,
        select!(
            "api_id",
            "apis",
            "WHERE tenant_id = $1 AND api_id > $2 ORDER BY api_id LIMIT $3"
        ),
        tenant.to_string(),
        past(after),
        i64::from(limit)
    )?)
}

/// All of a tenant's APIs, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn all(
    on: impl Reads<'_>,
    tenant: TenantId,
) -> Result<Vec<(ApiId, Row<Api>)>, StoreError> {
    pairs(fetch_all!(
        on,
        BodyRow,
        select!("api_id", "apis", "WHERE tenant_id = $1 ORDER BY api_id"),
        tenant.to_string()
    )?)
}

pub(crate) async fn save(tx: &mut Tx, api: ApiId, row: &Row<Api>) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO apis (api_id, tenant_id, identifier, name, state, version, created_at, changed_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (api_id) DO UPDATE SET name = excluded.name, state = excluded.state,
             version = excluded.version, changed_at = excluded.changed_at, body = excluded.body",
        api.to_string(),
        row.tenant.to_string(),
        row.state.identifier.as_str(),
        row.state.name.as_str(),
        match row.state.state {
            ApiState::Active => "active",
            ApiState::Retired => "retired",
        },
        row.version,
        row.created_at.micros(),
        row.changed_at.micros(),
        body(row)
    )?;
    Ok(())
}
