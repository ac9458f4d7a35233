//! Tenants.

use std::collections::BTreeMap;

use chancery_domain::{
    Row, TenantId,
    tenant::{Tenant, TenantState},
    value::Slug,
};
use chancery_event_store::{Reads, Store, StoreError, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, for_many, json_list, pairs, select},
    fold::TenantRows,
    model::{Cell, Model},
};

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

/// The read model.
pub(crate) struct Tenants;

impl Model for Tenants {
    type Id = TenantId;
    type State = Tenant;

    const TABLE: &'static str = "tenants";
    const ID: &'static str = "tenant_id";
    const OWN: &'static [&'static str] = &["slug", "display_name", "state"];

    fn own(state: &Tenant) -> Vec<Cell> {
        vec![
            Cell::text(state.slug.as_str()),
            Cell::text(state.display_name.as_str()),
            Cell::text(state_name(state.state)),
        ]
    }

    fn of(rows: &TenantRows) -> &BTreeMap<TenantId, Row<Tenant>> {
        &rows.tenants
    }
}

/// A tenant's state, as its row has it.
pub(crate) fn state_name(state: TenantState) -> &'static str {
    match state {
        TenantState::Active => "active",
        TenantState::Suspended => "suspended",
        TenantState::Closed => "closed",
    }
}
