//! Clients' secrets: one row for all the secrets of a client.

use chancery_domain::{ClientId, Row, TenantId, secret_rotation::SecretRotation};
use chancery_event_store::{Reads, StoreError, Tx, execute, fetch_optional};

use crate::body::{BodyRow, body};

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
        "SELECT client_id AS id, tenant_id, version, created_at, changed_at, body
         FROM client_secrets WHERE tenant_id = $1 AND client_id = $2",
        tenant.to_string(),
        client.to_string()
    )?
    .map(BodyRow::into_row)
    .transpose()
}

pub(crate) async fn save(
    tx: &mut Tx,
    client: ClientId,
    row: &Row<SecretRotation>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO client_secrets (client_id, tenant_id, version, created_at, changed_at, body)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (client_id) DO UPDATE SET version = excluded.version,
             changed_at = excluded.changed_at, body = excluded.body",
        client.to_string(),
        row.tenant.to_string(),
        row.version,
        row.created_at.micros(),
        row.changed_at.micros(),
        body(row)
    )?;
    Ok(())
}
