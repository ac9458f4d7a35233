//! Tenants' signing keys.

use chancery_domain::{Row, TenantId, key_ring::KeyRing};
use chancery_event_store::{Reads, StoreError, Tx, execute, fetch_optional};

use crate::body::{BodyRow, body, select};

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

pub(crate) async fn save(
    tx: &mut Tx,
    tenant: TenantId,
    row: &Row<KeyRing>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO key_rings (tenant_id, version, created_at, changed_at, body)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version,
             changed_at = excluded.changed_at, body = excluded.body",
        tenant.to_string(),
        row.version,
        row.created_at.micros(),
        row.changed_at.micros(),
        body(row)
    )?;
    Ok(())
}
