//! What numbers a roll, against the roll: its head is compared where events are folded, and here the moment
//! before which nothing more is recorded.

use chancery_event_store::{
    Reads, Snapshot, Store, StoreError, Tx, execute, fetch_all, recorded_until,
};

use crate::{
    check::{Difference, How},
    fold::TenantRows,
};

/// Its table.
pub(crate) const TABLE: &str = "tenant_log";

/// One that was set back lets an entry be earlier than the one before it, and one that was set ahead gives
/// entries a time that has not come.
pub(crate) async fn compare(
    view: &mut Snapshot,
    rows: &TenantRows,
    found: &mut (dyn FnMut(Difference) + Send),
) -> Result<(), StoreError> {
    let mut connection = view.source().connection().await?;
    let stored = recorded_until(&mut connection, rows.tenant()).await?;
    let folded = rows.recorded_at();
    if rows.head() > 0 && stored != Some(folded) {
        found(Difference {
            table: TABLE,
            id: rows.tenant().to_string(),
            how: How::Member {
                member: "recorded_at".to_owned(),
                stored: stored.map(|at| at.to_string()),
                folded: Some(folded.to_string()),
            },
        });
    }
    Ok(())
}

/// Puts the right moment in its place, under the tenant's lock. Gives whether it was another one.
pub(crate) async fn mend(tx: &mut Tx, rows: &TenantRows) -> Result<bool, StoreError> {
    if rows.head() == 0 {
        return Ok(false);
    }
    let mended = execute!(
        tx,
        "UPDATE tenant_log SET recorded_at = $2 WHERE tenant_id = $1 AND recorded_at <> $2",
        rows.tenant().to_string(),
        rows.recorded_at().micros()
    )?;
    Ok(mended > 0)
}

/// A tenant whose events are there, and what numbers them is not, is no tenant that has gone. The least number is asked
/// for so that both stores look it up for each tenant: whether there is any, PostgreSQL would rather find out by reading
/// every event of all.
///
/// # Errors
/// [`StoreError::Corrupt`] for the first such tenant.
pub(crate) async fn every_roll_has_its_head(store: &Store) -> Result<(), StoreError> {
    for table in ["tenants", "seals"] {
        let sql = format!(
            "SELECT tenant_id FROM {table} t
              WHERE NOT EXISTS (SELECT 1 FROM tenant_log l WHERE l.tenant_id = t.tenant_id)
                AND (SELECT MIN(e.tenant_seq) FROM events e WHERE e.tenant_id = t.tenant_id) IS NOT NULL
              ORDER BY tenant_id LIMIT 1"
        );
        if let Some((tenant,)) = fetch_all!(store, (String,), &sql)?.first() {
            return Err(StoreError::Corrupt(format!(
                "the roll of {tenant} has events, and no row in {TABLE} says how many"
            )));
        }
    }
    Ok(())
}
