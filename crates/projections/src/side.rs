//! Side tables: what stands beside the rows of read models so that they can be found. Each holds only what
//! the rows hold themselves, so it is compared and rebuilt with them.

use std::collections::BTreeMap;

use chancery_event_store::{Connection, Insert, StoreError, Tx, execute, fetch_all};

use crate::{
    check::{Cells, Difference, How, compare_cell},
    fold::TenantRows,
    model::{Cell, ROWS_PER_INSERT},
};

/// A side table.
pub(crate) trait Side {
    /// Its name.
    const TABLE: &'static str;
    /// Its columns but `tenant_id`: those of the key first.
    const COLUMNS: &'static [&'static str];
    /// How many of them are the key, within a tenant.
    const KEYS: usize;

    /// What it holds for a tenant, in the order of the columns.
    fn of(rows: &TenantRows) -> Vec<Vec<Cell>>;
}

/// Does the same for every side table, under the name that is given to it.
macro_rules! for_each_side {
    ($side:ident => $do:expr) => {{
        {
            type $side = $crate::tenant_list::TenantTerms;
            $do;
        }
        {
            type $side = $crate::client_grants::ClientGrants;
            $do;
        }
        {
            type $side = $crate::counts::RowCounts;
            $do;
        }
        {
            type $side = $crate::agenda::Agenda;
            $do;
        }
    }};
}
pub(crate) use for_each_side;

/// Rows by their key, each cell as text.
type Keyed = BTreeMap<Vec<Option<String>>, Vec<Option<String>>>;

fn keyed<S: Side>(rows: impl IntoIterator<Item = Vec<Option<String>>>) -> Keyed {
    rows.into_iter()
        .map(|mut key| {
            let rest = key.split_off(S::KEYS);
            (key, rest)
        })
        .collect()
}

fn folded<S: Side>(rows: &TenantRows) -> Keyed {
    keyed::<S>(
        S::of(rows)
            .into_iter()
            .map(|cells| cells.into_iter().map(Cell::into_text).collect()),
    )
}

fn select<S: Side>() -> String {
    let as_text: Vec<_> = S::COLUMNS
        .iter()
        .map(|column| format!("CAST({column} AS TEXT)"))
        .collect();
    format!(
        "SELECT {} FROM {} WHERE tenant_id = $1",
        as_text.join(", "),
        S::TABLE
    )
}

/// Compares what the table holds for the tenant with what its events add up to.
pub(crate) async fn compare<S: Side>(
    connection: &mut Connection<'_>,
    rows: &TenantRows,
    found: &mut (dyn FnMut(Difference) + Send),
) -> Result<(), StoreError> {
    let stored = fetch_all!(connection, Cells, &select::<S>(), rows.tenant().to_string())?;
    let mut stored = keyed::<S>(stored.into_iter().map(|Cells(cells)| cells));
    let mut differs = |key: &[Option<String>], how| {
        let key: Vec<_> = key.iter().flatten().map(String::as_str).collect();
        found(Difference {
            table: S::TABLE,
            id: format!("{} of {}", key.join(", "), rows.tenant()),
            how,
        });
    };
    for (key, folded) in folded::<S>(rows) {
        let Some(stored) = stored.remove(&key) else {
            differs(&key, How::RowMissing);
            continue;
        };
        let names = S::COLUMNS.iter().skip(S::KEYS);
        for ((name, stored), folded) in names.zip(&stored).zip(&folded) {
            compare_cell(name, stored.as_deref(), folded.as_deref(), &mut |how| {
                differs(&key, how);
            });
        }
    }
    for key in stored.keys() {
        differs(key, How::EventsMissing);
    }
    Ok(())
}

/// Puts what the events add up to in place of all that the table holds for the tenant.
pub(crate) async fn replace<S: Side>(tx: &mut Tx, rows: &TenantRows) -> Result<(), StoreError> {
    let tenant = rows.tenant().to_string();
    let delete = format!("DELETE FROM {} WHERE tenant_id = $1", S::TABLE);
    execute!(tx, &delete, &*tenant)?;
    let columns: Vec<_> = ["tenant_id"].iter().chain(S::COLUMNS).copied().collect();
    let insert = Insert::into(S::TABLE, &columns);
    let mut left = S::of(rows).into_iter().peekable();
    while left.peek().is_some() {
        let some = left.by_ref().take(ROWS_PER_INSERT);
        let cells = some.map(|row| [Cell::text(&*tenant)].into_iter().chain(row).collect());
        tx.insert(&insert, cells.collect()).await?;
    }
    Ok(())
}
