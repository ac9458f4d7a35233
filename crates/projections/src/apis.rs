//! APIs.

use std::collections::BTreeMap;

use chancery_domain::{
    ApiId, Row, TenantId,
    api::{Api, ApiState},
    value::ApiIdentifier,
};
use chancery_event_store::{Reads, Store, StoreError, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, for_many, json_list, pairs, past, select},
    fold::TenantRows,
    model::{Cell, Model},
};

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

/// The read model.
pub(crate) struct Apis;

impl Model for Apis {
    type Id = ApiId;
    type State = Api;

    const TABLE: &'static str = "apis";
    const ID: &'static str = "api_id";
    const OWN: &'static [&'static str] = &["identifier", "name", "state"];

    fn own(state: &Api) -> Vec<Cell> {
        vec![
            Cell::text(state.identifier.as_str()),
            Cell::text(state.name.as_str()),
            Cell::text(match state.state {
                ApiState::Active => "active",
                ApiState::Retired => "retired",
            }),
        ]
    }

    fn of(rows: &TenantRows) -> &BTreeMap<ApiId, Row<Api>> {
        &rows.apis
    }
}
