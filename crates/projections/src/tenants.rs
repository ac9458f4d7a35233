//! Tenants.

use chancery_domain::{
    Row, TenantId,
    tenant::{Tenant, TenantState},
    value::Slug,
};
use chancery_event_store::{Reads, Store, StoreError, Tx, execute, fetch_all, fetch_optional};

use crate::body::{BodyRow, body, for_many, json_list, pairs, past, select};

/// A tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn get(on: impl Reads<'_>, tenant: TenantId) -> Result<Option<Row<Tenant>>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!("tenant_id", "tenants", "WHERE tenant_id = $1"),
        tenant.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

/// Those of these tenants that there are, in one query.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_get_many(
    store: &Store,
    tenants: &[TenantId],
) -> Result<Vec<(TenantId, Row<Tenant>)>, StoreError> {
    let sql = for_many(
        store.backend(),
        select!("tenant_id", "tenants", "WHERE tenant_id IN {ids}"),
    );
    pairs(fetch_all!(store, BodyRow, &sql, json_list(tenants))?)
}

/// The tenant with this slug.
///
/// # Errors
/// [`StoreError`].
pub async fn by_slug(
    on: impl Reads<'_>,
    slug: &Slug,
) -> Result<Option<(TenantId, Row<Tenant>)>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!("tenant_id", "tenants", "WHERE slug = $1"),
        slug.as_str()
    )?
    .map(BodyRow::into_pair)
    .transpose()
}

/// So many tenants past this one, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_page(
    on: impl Reads<'_>,
    after: Option<TenantId>,
    limit: u32,
) -> Result<Vec<(TenantId, Row<Tenant>)>, StoreError> {
    pairs(fetch_all!(
        on,
        BodyRow,
        select!(
            "tenant_id",
            "tenants",
            "WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2"
        ),
        past(after),
        i64::from(limit)
    )?)
}

pub(crate) async fn save(
    tx: &mut Tx,
    tenant: TenantId,
    row: &Row<Tenant>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO tenants (tenant_id, slug, display_name, state, version, created_at, changed_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id) DO UPDATE SET display_name = excluded.display_name,
             state = excluded.state, version = excluded.version, changed_at = excluded.changed_at,
             body = excluded.body",
        tenant.to_string(),
        row.state.slug.as_str(),
        row.state.display_name.as_str(),
        state(row.state.state),
        row.version,
        row.created_at.micros(),
        row.changed_at.micros(),
        body(row)
    )?;
    Ok(())
}

fn state(state: TenantState) -> &'static str {
    match state {
        TenantState::Active => "active",
        TenantState::Suspended => "suspended",
        TenantState::Closed => "closed",
    }
}
