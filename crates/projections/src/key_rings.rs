//! Tenants' signing keys.

use std::collections::BTreeMap;

use chancery_domain::{Row, TenantId, key_ring::KeyRing};
use chancery_event_store::{Reads, StoreError, fetch_optional};

use crate::{
    body::{BodyRow, select},
    fold::TenantRows,
    model::{Cell, Model},
};

/// A tenant's signing keys.
///
/// # Errors
/// [`StoreError`].
pub async fn get(on: impl Reads<'_>, tenant: TenantId) -> Result<Option<Row<KeyRing>>, StoreError> {
    fetch_optional!(
        on,
        BodyRow,
        select!("tenant_id", "key_rings", "WHERE tenant_id = $1"),
        tenant.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

/// The read model.
pub(crate) struct KeyRings;

impl Model for KeyRings {
    type Id = TenantId;
    type State = KeyRing;

    const TABLE: &'static str = "key_rings";
    const ID: &'static str = "tenant_id";
    const OWN: &'static [&'static str] = &[];

    fn own(_state: &KeyRing) -> Vec<Cell> {
        Vec::new()
    }

    fn of(rows: &TenantRows) -> &BTreeMap<TenantId, Row<KeyRing>> {
        &rows.key_rings
    }
}
