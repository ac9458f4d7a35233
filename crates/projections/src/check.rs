//! Every row of every read model against the fold of its events.

use std::fmt;

use chancery_domain::TenantId;
use chancery_event_store::{
    Connection, Reads, Snapshot, Store, StoreError, VaultTable, fetch_all, sqlx,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    fold::TenantRows,
    log,
    model::{Model, cells, columns},
    models::for_each_model,
    side::{self, for_each_side},
    vault,
    watch::Watch,
};

/// How many rows are read at once.
const PAGE: u32 = 1_000;

/// A row that is not what its events add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The read model's table.
    pub table: &'static str,
    /// The row's key.
    pub id: String,
    /// How it differs.
    #[serde(flatten)]
    pub how: How,
}

/// How a row differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum How {
    /// There are events and no row.
    RowMissing,
    /// There is a row in this tenant, and no events for it.
    EventsMissing,
    /// A member of the row is another one.
    Member {
        /// The column, or the place in the body: `body/policy/accessTokenSeconds`.
        member: String,
        /// What the row holds.
        stored: Option<String>,
        /// What its events add up to.
        folded: Option<String>,
    },
    /// It is there, and it does not do what it is for.
    Unusable {
        /// Why not.
        reason: String,
    },
}

impl Difference {
    /// Whether a rebuild puts it right. What is in the vault, and what was sealed, follows from no event.
    pub fn is_rebuilt(&self) -> bool {
        let kept = VaultTable::ALL
            .iter()
            .any(|table| table.name() == self.table);
        !kept && !matches!(self.how, How::Unusable { .. })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.table, self.id)?;
        match &self.how {
            How::RowMissing => f.write_str("there are events and no row"),
            How::EventsMissing => f.write_str("there is a row and no events for it"),
            How::Unusable { reason } => f.write_str(reason),
            How::Member {
                member,
                stored,
                folded,
            } => {
                let shown =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                write!(
                    f,
                    "`{member}` is {}, and the events add up to {}",
                    shown(stored),
                    shown(folded)
                )
            }
        }
    }
}

/// What a check has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Events that were folded.
    pub events: u64,
    /// Rows that they add up to.
    pub rows: u64,
}

/// Folds the tenant's roll and compares every row of every read model with it, and which rows the vault has,
/// as all are at one moment. Writers go on meanwhile. `watch` hears of every difference.
///
/// # Errors
/// [`StoreError`]; an event that cannot be read, or that is missing, ends the check.
pub async fn check(
    store: &Store,
    tenant: TenantId,
    watch: &mut dyn Watch,
) -> Result<Checked, StoreError> {
    let mut rows = TenantRows::new(tenant);
    let mut snapshot = fold_to_snapshot(store, &mut rows, watch).await?;
    let found = &mut |difference| watch.differs(difference);
    log::compare(&mut snapshot, &rows, found).await?;
    compare(&mut snapshot, &rows, found).await?;
    vault::compare(&mut snapshot, &rows, found).await?;
    Ok(Checked {
        events: rows.head().unsigned_abs(),
        rows: rows.count() as u64,
    })
}

/// Folds the roll without holding anything, then its last events in the view that it gives.
pub(crate) async fn fold_to_snapshot(
    store: &Store,
    rows: &mut TenantRows,
    watch: &mut dyn Watch,
) -> Result<Snapshot, StoreError> {
    rows.follow(store, |page| watch.folded(page.len() as u64))
        .await?;
    let mut snapshot = store.snapshot().await?;
    rows.follow(&mut snapshot, |page| watch.folded(page.len() as u64))
        .await?;
    Ok(snapshot)
}

/// Compares all rows of the tenant in this view, which must be as old as `rows`.
pub(crate) async fn compare(
    view: &mut Snapshot,
    rows: &TenantRows,
    found: &mut (dyn FnMut(Difference) + Send),
) -> Result<(), StoreError> {
    let mut connection = view.source().connection().await?;
    for_each_model!(Model => compare_model::<Model>(&mut connection, rows, found).await?);
    for_each_side!(Side => side::compare::<Side>(&mut connection, rows, found).await?);
    Ok(())
}

async fn compare_model<M: Model>(
    connection: &mut Connection<'_>,
    rows: &TenantRows,
    found: &mut (dyn FnMut(Difference) + Send),
) -> Result<(), StoreError> {
    let columns = columns::<M>();
    let sql = format!(
        "SELECT {{cells}} FROM {table} WHERE tenant_id = $1 AND {table}.{id} > $2 ORDER BY {table}.{id} LIMIT $3",
        table = M::TABLE,
        id = M::ID
    );
    let sql = as_cells(connection, &columns, &sql);
    let differs = |id: &str, how| Difference {
        table: M::TABLE,
        id: id.to_owned(),
        how,
    };
    let mut folded = M::of(rows).iter().peekable();
    let mut after = String::new();
    loop {
        let tenant = rows.tenant().to_string();
        let page = fetch_all!(
            &mut *connection,
            Gathered,
            &sql,
            tenant,
            &*after,
            i64::from(PAGE)
        )?;
        let page = gathered(M::TABLE, page)?;
        for Cells(stored) in &page {
            let id = stored
                .first()
                .and_then(Option::as_deref)
                .unwrap_or_default();
            // Both come in the order of their ids.
            while let Some((missing, _)) = folded.next_if(|(next, _)| *next.to_string() < *id) {
                found(differs(&missing.to_string(), How::RowMissing));
            }
            match folded.next_if(|(next, _)| next.to_string() == id) {
                None => found(differs(id, How::EventsMissing)),
                Some((key, row)) => {
                    let cells = cells::<M>(*key, row);
                    for ((name, stored), cell) in columns.iter().zip(stored).zip(cells) {
                        compare_cell(
                            name,
                            stored.as_deref(),
                            cell.into_text().as_deref(),
                            &mut |how| {
                                found(differs(id, how));
                            },
                        );
                    }
                }
            }
            id.clone_into(&mut after);
        }
        if page.len() < PAGE as usize {
            break;
        }
    }
    for (missing, _) in folded {
        found(differs(&missing.to_string(), How::RowMissing));
    }
    Ok(())
}

/// A row, every column as text.
pub(crate) struct Cells(pub(crate) Vec<Option<String>>);

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Cells
where
    usize: sqlx::ColumnIndex<R>,
    Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        (0..row.len())
            .map(|column| row.try_get(column))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Rows as they come: one by one, or on SQLite all of a page as one text, since each row that is handed over goes from
/// one thread to another there, which takes longer than to read it.
enum Gathered {
    One(Cells),
    All(String),
}

impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for Gathered {
    fn from_row(row: &'r sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        sqlx::FromRow::from_row(row).map(Self::One)
    }
}

impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for Gathered {
    fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
        sqlx::Row::try_get(row, 0).map(Self::All)
    }
}

/// The statement with these columns as text in place of `{cells}`, for rows that are [`Gathered`].
fn as_cells(connection: &Connection<'_>, columns: &[&str], sql: &str) -> String {
    let cells = |as_name: fn(&str) -> String| {
        let cells: Vec<_> = columns
            .iter()
            .map(|column| format!("CAST({column} AS TEXT){}", as_name(column)))
            .collect();
        sql.replace("{cells}", &cells.join(", "))
    };
    match connection {
        Connection::Postgres(_) => cells(|_| String::new()),
        Connection::Sqlite(_) => format!(
            "SELECT json_group_array(json_array({})) FROM ({})",
            columns.join(", "),
            cells(|column| format!(" AS {column}"))
        ),
    }
}

/// The rows, by their first column: what gathers them promises no order.
fn gathered(table: &str, rows: Vec<Gathered>) -> Result<Vec<Cells>, StoreError> {
    let mut cells = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Gathered::One(row) => cells.push(row),
            Gathered::All(text) => {
                let rows: Vec<Vec<Option<String>>> =
                    serde_json::from_str(&text).map_err(|error| {
                        StoreError::Corrupt(format!("rows of {table} cannot be read: {error}"))
                    })?;
                cells.extend(rows.into_iter().map(Cells));
                cells.sort_by(|Cells(one), Cells(other)| one.first().cmp(&other.first()));
            }
        }
    }
    Ok(cells)
}

pub(crate) fn compare_cell(
    name: &str,
    stored: Option<&str>,
    folded: Option<&str>,
    found: &mut dyn FnMut(How),
) {
    if stored == folded {
        return;
    }
    let parse = |text: Option<&str>| serde_json::from_str::<Value>(text?).ok();
    if name == "body"
        && let (Some(stored), Some(folded)) = (parse(stored), parse(folded))
        && stored != folded
    {
        return compare_json(name, Some(&stored), Some(&folded), found);
    }
    found(How::Member {
        member: name.to_owned(),
        stored: stored.map(ToOwned::to_owned),
        folded: folded.map(ToOwned::to_owned),
    });
}

/// Names the members that differ, as deep as both sides are objects.
fn compare_json(
    place: &str,
    stored: Option<&Value>,
    folded: Option<&Value>,
    found: &mut dyn FnMut(How),
) {
    if stored == folded {
        return;
    }
    if let (Some(Value::Object(left)), Some(Value::Object(right))) = (stored, folded) {
        for name in left.keys() {
            compare_json(
                &format!("{place}/{name}"),
                left.get(name),
                right.get(name),
                found,
            );
        }
        for name in right.keys().filter(|name| !left.contains_key(*name)) {
            compare_json(&format!("{place}/{name}"), None, right.get(name), found);
        }
        return;
    }
    found(How::Member {
        member: place.to_owned(),
        stored: stored.map(Value::to_string),
        folded: folded.map(Value::to_string),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(stored: &str, folded: &str) -> Vec<String> {
        let mut found = Vec::new();
        compare_cell("body", Some(stored), Some(folded), &mut |how| {
            let How::Member {
                member,
                stored,
                folded,
            } = how
            else {
                return;
            };
            found.push(format!("{member} {stored:?} {folded:?}"));
        });
        found
    }

    #[test]
    fn the_member_that_differs_is_named() {
        assert_eq!(
            members(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1,"c":2}}"#),
            [""; 0]
        );
        assert_eq!(
            members(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1,"c":3,"d":4}}"#),
            [
                r#"body/a/c Some("2") Some("3")"#,
                r#"body/a/d None Some("4")"#
            ]
        );
        assert_eq!(members(r#"{"a":1}"#, "{}"), [r#"body/a Some("1") None"#]);
    }

    #[test]
    fn a_body_with_the_same_members_in_another_spelling_differs_too() {
        assert_eq!(members(r#"{"a": 1}"#, r#"{"a":1}"#).len(), 1);
        assert_eq!(members("no JSON", r#"{"a":1}"#).len(), 1);
    }
}
