//! The read models once more, from the roll.

use std::collections::BTreeSet;

use chancery_domain::{StreamId, TenantId, Timestamp};
use chancery_event_store::{
    Store, StoreError, Tx, UniqueRule, VaultTable, execute, fetch_all, fetch_one,
};
use serde::Serialize;

use crate::{
    check::{Checked, Difference, How, check, compare, fold_to_snapshot},
    fold::TenantRows,
    log,
    model::{Model, replace},
    models::{for_each_model, table_of},
    side::{self, Side as _, for_each_side},
    watch::Watch,
};

/// Which folds and columns this binary has. Raise it with every change of a fold or of a column, and
/// let a migration come with it: so older binaries change nothing any more.
pub const FOLD_VERSION: i64 = 4;

/// How many tenants are listed at once.
const PAGE: u32 = 500;

/// What a rebuild has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Events that were folded.
    pub events: u64,
    /// Rows that they add up to.
    pub rows: u64,
    /// Rows that were written or deleted, since they were not what their events add up to.
    pub mended: u64,
}

/// Rebuilds one tenant's rows while others write: folds its roll without a lock, finds the rows that
/// differ, then takes the tenant's lock, folds the rest and puts the right rows in their place, all in
/// one transaction. The lock is held for as long as the rows that differ take, not for the roll.
///
/// # Errors
/// [`StoreError`]; then the tenant's rows are as they were.
pub async fn rebuild(
    store: &Store,
    tenant: TenantId,
    watch: &mut dyn Watch,
) -> Result<Rebuilt, StoreError> {
    let mut rows = TenantRows::new(tenant);
    let mut wrong: BTreeSet<(&'static str, String)> = BTreeSet::new();
    let mut snapshot = fold_to_snapshot(store, &mut rows, watch).await?;
    log::compare(&mut snapshot, &rows, &mut |difference| {
        watch.differs(difference);
    })
    .await?;
    compare(&mut snapshot, &rows, &mut |difference| {
        wrong.insert((difference.table, difference.id.clone()));
        watch.differs(difference);
    })
    .await?;
    drop(snapshot);
    let was_right = wrong.is_empty();

    let mut tx = store.begin_long().await?;
    // Taking no numbers at the beginning of time is the lock and nothing else.
    tx.take_numbers(tenant, 0, Timestamp::from_micros(0))
        .await?;
    rows.follow(&mut tx, |page| {
        watch.folded(page.len() as u64);
        let moved = page.iter().map(|entry| key(entry.stream));
        wrong.extend(moved);
    })
    .await?;
    let mut mended = u64::from(log::mend(&mut tx, &rows).await?);
    for_each_model!(Model => {
        let ids = wrong.iter().filter(|(table, _)| *table == Model::TABLE);
        mended += replace::<Model>(&mut tx, &rows, ids.map(|(_, id)| id.clone())).await?;
    });
    // What stands beside rows that were right is right too, and whoever wrote since kept it so.
    if !was_right {
        for_each_side!(Side => {
            mended += wrong.iter().filter(|(table, _)| *table == Side::TABLE).count() as u64;
            side::replace::<Side>(&mut tx, &rows).await?;
        });
    }
    tx.commit().await?;
    Ok(Rebuilt {
        events: rows.head().unsigned_abs(),
        rows: rows.count() as u64,
        mended,
    })
}

fn key(stream: StreamId) -> (&'static str, String) {
    (table_of(stream.aggregate_type()), stream.aggregate_id())
}

/// Checks every tenant, and looks for rows of tenants that there are not. A tenant whose roll cannot be read is a
/// difference like others.
///
/// # Errors
/// As [`check`].
pub async fn platform_check(store: &Store, watch: &mut dyn Watch) -> Result<Checked, StoreError> {
    log::every_roll_has_its_head(store).await?;
    let mut sum = Checked::default();
    let mut after = None;
    loop {
        let tenants = store.platform_heads(after, PAGE).await?;
        for (tenant, _) in &tenants {
            let checked = match check(store, *tenant, watch).await {
                // What is wrong with one roll hides nothing of the others.
                Err(error @ (StoreError::Poison { .. } | StoreError::Corrupt(_))) => {
                    watch.differs(Difference {
                        table: "events",
                        id: tenant.to_string(),
                        how: How::Unusable {
                            reason: format!("nothing of this tenant was compared: {error}"),
                        },
                    });
                    continue;
                }
                checked => checked?,
            };
            sum.events += checked.events;
            sum.rows += checked.rows;
        }
        after = tenants.last().map(|(tenant, _)| *tenant);
        if tenants.len() < PAGE as usize {
            break;
        }
    }
    for_each_model!(Model => strays(store, Model::TABLE, Model::ID, watch).await?);
    for_each_side!(Side => strays(store, Side::TABLE, "tenant_id", watch).await?);
    for table in VaultTable::ALL {
        strays(store, table.name(), table.id(), watch).await?;
    }
    for table in ["seals", "tiles"] {
        strays(store, table, "tenant_id", watch).await?;
    }
    Ok(sum)
}

/// Rebuilds every tenant, one after the other, and deletes rows of tenants that there are not.
///
/// # Errors
/// As [`rebuild`]; the tenants before stay rebuilt.
pub async fn platform_rebuild(store: &Store, watch: &mut dyn Watch) -> Result<Rebuilt, StoreError> {
    let mut sum = Rebuilt::default();
    log::every_roll_has_its_head(store).await?;
    // Whatever has no roll may hold a slug that somebody else needs back.
    for_each_model!(Model => sum.mended += delete_strays(store, Model::TABLE, Model::ID, watch).await?);
    for_each_side!(Side => sum.mended += delete_strays(store, Side::TABLE, "tenant_id", watch).await?);
    let mut later = Vec::new();
    let mut after = None;
    loop {
        let tenants = store.platform_heads(after, PAGE).await?;
        for (tenant, _) in &tenants {
            match rebuild(store, *tenant, watch).await {
                // A wrong row of a tenant whose turn has not come holds it.
                Err(StoreError::Unique {
                    rule: UniqueRule::TenantSlug,
                }) => later.push(*tenant),
                rebuilt => sum.add(rebuilt?),
            }
        }
        after = tenants.last().map(|(tenant, _)| *tenant);
        if tenants.len() < PAGE as usize {
            break;
        }
    }
    for tenant in later {
        sum.add(rebuild(store, tenant, watch).await?);
    }
    let mut tx = store.begin().await?;
    mark_current(&mut tx).await?;
    tx.commit().await?;
    Ok(sum)
}

/// Rebuilds every tenant where the rows were made by older folds than this binary's. `None`: they
/// were not.
///
/// # Errors
/// As [`platform_rebuild`].
pub async fn platform_rebuild_if_stale(
    store: &Store,
    watch: &mut dyn Watch,
) -> Result<Option<Rebuilt>, StoreError> {
    let (stored,) = fetch_one!(store, (i64,), "SELECT MAX(fold_version) FROM read_models")?;
    if stored >= FOLD_VERSION {
        return Ok(None);
    }
    platform_rebuild(store, watch).await.map(Some)
}

async fn mark_current(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "UPDATE read_models SET fold_version = $1 WHERE fold_version < $1";
    execute!(tx, sql, FOLD_VERSION)?;
    Ok(())
}

impl Rebuilt {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.rows += other.rows;
        self.mended += other.mended;
    }
}

/// Rows of tenants that have no roll.
fn stray(what: &str, table: &str) -> String {
    format!(
        "{what} FROM {table} WHERE NOT EXISTS (SELECT 1 FROM tenant_log WHERE tenant_log.tenant_id = {table}.tenant_id)"
    )
}

async fn strays(
    store: &Store,
    table: &'static str,
    id: &str,
    watch: &mut dyn Watch,
) -> Result<(), StoreError> {
    // Every row of the table is read, however long that takes.
    let mut snapshot = store.snapshot().await?;
    let sql = stray(&format!("SELECT {id}"), table);
    for (id,) in fetch_all!(&mut snapshot, (String,), &sql)? {
        watch.differs(Difference {
            table,
            id,
            how: How::EventsMissing,
        });
    }
    Ok(())
}

async fn delete_strays(
    store: &Store,
    table: &'static str,
    id: &str,
    watch: &mut dyn Watch,
) -> Result<u64, StoreError> {
    strays(store, table, id, watch).await?;
    let mut tx = store.begin_long().await?;
    let deleted = execute!(&mut tx, &stray("DELETE", table))?;
    tx.commit().await?;
    Ok(deleted)
}
