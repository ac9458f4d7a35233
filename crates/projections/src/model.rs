//! What a read model is: its table, and what each column holds. One description serves the row that a
//! change saves, the comparison with the roll and the rebuild.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use chancery_domain::{Fold, Invalid, Row, Timestamp};
use chancery_event_store::{Backend, StoreError, Tx, execute, sqlx};
use sqlx::{Database, Encode, Type, query::Query};

use crate::{
    body::{body, for_many, json_list},
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

/// What one column of one row holds.
pub(crate) enum Cell {
    Text(Option<String>),
    Integer(Option<i64>),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    pub(crate) fn time(time: Option<Timestamp>) -> Self {
        Self::Integer(time.map(Timestamp::micros))
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Integer(Some(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// As either store writes it when it casts the column to text.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.map(|number| number.to_string()),
        }
    }
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

/// Saves a row, a new one or the next state of one.
pub(crate) async fn save<M: Model>(
    tx: &mut Tx,
    id: M::Id,
    row: &Row<M::State>,
) -> Result<(), StoreError> {
    let follow: Vec<_> = columns::<M>()
        .into_iter()
        .filter(|column| ![M::ID, "tenant_id", "created_at"].contains(column))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let sql = format!(
        "{} ON CONFLICT ({}) DO UPDATE SET {}",
        insert_into(backend(tx), M::TABLE, &columns::<M>(), 1),
        M::ID,
        follow.join(", ")
    );
    run(tx, &sql, cells::<M>(id, row), true).await
}

/// How many rows one statement takes. PostgreSQL binds at most 65,535 values, SQLite 32,766.
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
    for rows in kept.chunks(ROWS_PER_INSERT) {
        let cells = rows.iter().flat_map(|(id, row)| cells::<M>(*id, row));
        let whole = rows.len() == ROWS_PER_INSERT;
        let sql = insert_into(backend(tx), M::TABLE, &columns::<M>(), rows.len());
        run(tx, &sql, cells.collect(), whole).await?;
    }
    Ok(count)
}

pub(crate) fn backend(tx: &Tx) -> Backend {
    match tx {
        Tx::Postgres(_) => Backend::Postgres,
        Tx::Sqlite(_) => Backend::Sqlite,
    }
}

/// The statement that inserts so many rows. On SQLite its places have no numbers: numbered ones are names
/// there, and for each of thousands all the names before it would be looked through.
pub(crate) fn insert_into(backend: Backend, table: &str, columns: &[&str], rows: usize) -> String {
    let width = columns.len();
    let place = |number: usize| match backend {
        Backend::Postgres => format!("${number}"),
        Backend::Sqlite => "?".to_owned(),
    };
    let values: Vec<_> = (0..rows)
        .map(|row| {
            let cells: Vec<_> = (1..=width).map(|n| place(row * width + n)).collect();
            format!("({})", cells.join(", "))
        })
        .collect();
    format!(
        "INSERT INTO {table} ({}) VALUES {}",
        columns.join(", "),
        values.join(", ")
    )
}

pub(crate) async fn run(
    tx: &mut Tx,
    sql: &str,
    cells: Vec<Cell>,
    prepared: bool,
) -> Result<(), StoreError> {
    match tx {
        Tx::Postgres(tx) => {
            let query = bind(sqlx::query(sql), cells).persistent(prepared);
            query.execute(&mut **tx).await.map(drop)?;
        }
        Tx::Sqlite(tx) => {
            let query = bind(sqlx::query(sql), cells).persistent(prepared);
            query.execute(&mut **tx).await.map(drop)?;
        }
    }
    Ok(())
}

fn bind<'q, DB: Database>(
    query: Query<'q, DB, DB::Arguments<'q>>,
    cells: Vec<Cell>,
) -> Query<'q, DB, DB::Arguments<'q>>
where
    Option<String>: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
{
    cells.into_iter().fold(query, |query, cell| match cell {
        Cell::Text(text) => query.bind(text),
        Cell::Integer(number) => query.bind(number),
    })
}
