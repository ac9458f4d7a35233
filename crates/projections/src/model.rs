//! What a read model is: its table, and what each column holds. One description serves the row that a
//! change saves, the comparison with the roll and the rebuild.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use chancery_domain::{Fold, Invalid, Row, TenantId};
pub(crate) use chancery_event_store::Cell;
use chancery_event_store::{Backend, Insert, StoreError, Tx, execute, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, body, for_many, for_places, json_list, pairs, places_list},
    fold::TenantRows,
};

/// A read model.
pub(crate) trait Model {
    /// What its rows are known by.
    type Id: Copy + Ord + Send + Sync + Display + FromStr<Err = Invalid>;
    /// What its rows add up to.
    type State: Fold;

    /// Its table.
    const TABLE: &'static str;
    /// Its key.
    const ID: &'static str;
    /// The columns for what queries filter and sort by, beside those that every read model has.
    const OWN: &'static [&'static str];

    /// What the columns of [`Self::OWN`] hold.
    fn own(state: &Self::State) -> Vec<Cell>;

    /// The rows of this read model among all those of a tenant.
    fn of(rows: &TenantRows) -> &BTreeMap<Self::Id, Row<Self::State>>;
}

/// The names of all columns: the key first, the body last.
pub(crate) fn columns<M: Model>() -> Vec<&'static str> {
    let tenant = (M::ID != "tenant_id").then_some("tenant_id");
    [M::ID]
        .into_iter()
        .chain(tenant)
        .chain(M::OWN.iter().copied())
        .chain(["version", "created_at", "changed_at", "body"])
        .collect()
}

/// What the columns hold, in the order of [`columns`].
pub(crate) fn cells<M: Model>(id: M::Id, row: &Row<M::State>) -> Vec<Cell> {
    let tenant = (M::ID != "tenant_id").then(|| Cell::text(row.tenant.to_string()));
    [Cell::text(id.to_string())]
        .into_iter()
        .chain(tenant)
        .chain(M::own(&row.state))
        .chain([
            Cell::Integer(Some(row.version)),
            Cell::Integer(Some(row.created_at.micros())),
            Cell::Integer(Some(row.changed_at.micros())),
            Cell::text(body(row)),
        ])
        .collect()
}

/// Those of these rows that are there, each by its tenant and id.
pub(crate) async fn rows<M: Model>(
    tx: &mut Tx,
    places: &[(TenantId, M::Id)],
) -> Result<BTreeMap<M::Id, Row<M::State>>, StoreError> {
    let (table, id) = (M::TABLE, M::ID);
    let columns =
        format!("{table}.{id} AS id, {table}.tenant_id, version, created_at, changed_at, body");
    let found = match places {
        [] => Vec::new(),
        [(tenant, one)] => {
            let sql = format!("SELECT {columns} FROM {table} WHERE tenant_id = $2 AND {id} = $1");
            let (one, tenant) = (one.to_string(), tenant.to_string());
            let found = fetch_optional!(&mut *tx, BodyRow, &sql, one, tenant)?;
            found.into_iter().collect()
        }
        places => {
            let sql = for_places(backend(tx), &columns, table, id);
            fetch_all!(&mut *tx, BodyRow, &sql, places_list(places))?
        }
    };
    Ok(pairs(found)?.into_iter().collect())
}

/// Saves rows, new ones or the next state of those that are there.
pub(crate) async fn save<'a, M: Model>(
    tx: &mut Tx,
    rows: impl IntoIterator<Item = (M::Id, &'a Row<M::State>)>,
) -> Result<(), StoreError>
where
    M::State: 'a,
{
    let columns = columns::<M>();
    let follow: Vec<_> = columns
        .iter()
        .filter(|column| ![M::ID, "tenant_id", "created_at"].contains(column))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let conflict = format!(
        "ON CONFLICT ({}) DO UPDATE SET {}",
        M::ID,
        follow.join(", ")
    );
    let insert = Insert {
        conflict: &conflict,
        ..Insert::into(M::TABLE, &columns)
    };
    let rows = rows.into_iter().map(|(id, row)| cells::<M>(id, row));
    tx.insert(&insert, rows.collect()).await
}

/// How many rows are put in place of others at once.
pub(crate) const ROWS_PER_INSERT: usize = 500;

/// Puts these rows of the tenant where there may be others under the same ids: deletes, then inserts,
/// so that two rows may exchange what must be unique. An id without a row is deleted only, and only
/// where it is the tenant's.
pub(crate) async fn replace<M: Model>(
    tx: &mut Tx,
    rows: &TenantRows,
    ids: impl IntoIterator<Item = String>,
) -> Result<u64, StoreError> {
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    let mut count = 0;
    for id in ids {
        count += 1;
        let row = id
            .parse()
            .ok()
            .and_then(|id| Some((id, M::of(rows).get(&id)?)));
        match row {
            Some(row) => kept.push(row),
            None => gone.push(id),
        }
    }
    let delete = format!("DELETE FROM {} WHERE {} IN {{ids}}", M::TABLE, M::ID);
    let delete = |rest: &str| for_many(backend(tx), &format!("{delete}{rest}"));
    let (any, of_tenant) = (delete(""), delete(" AND tenant_id = $2"));
    for ids in gone.chunks(ROWS_PER_INSERT) {
        let tenant = rows.tenant().to_string();
        execute!(tx, &of_tenant, json_list(ids), tenant)?;
    }
    for rows in kept.chunks(ROWS_PER_INSERT) {
        let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
        execute!(tx, &any, json_list(&ids))?;
    }
    let columns = columns::<M>();
    let insert = Insert::into(M::TABLE, &columns);
    for rows in kept.chunks(ROWS_PER_INSERT) {
        let cells = rows.iter().map(|(id, row)| cells::<M>(*id, row));
        tx.insert(&insert, cells.collect()).await?;
    }
    Ok(count)
}

pub(crate) fn backend(tx: &Tx) -> Backend {
    match tx {
        Tx::Postgres(_) => Backend::Postgres,
        Tx::Sqlite(_) => Backend::Sqlite,
    }
}
