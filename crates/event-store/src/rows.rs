//! Many rows into one table, by few statements that are always the same text and so are prepared once.

use chancery_domain::Timestamp;
use sqlx::{Database, Encode, Type, query::Query};

use crate::{error::StoreError, tx::Tx};

/// How many rows one statement takes on SQLite, the greatest first: a text for each of these is kept prepared, and
/// any number of rows is put together of them. It binds at most 32,766 values; no table here has more than a
/// dozen columns.
const AT_ONCE: [usize; 3] = [64, 8, 1];

/// What one column of one row holds. It may come from the vault, so it has no `Debug`.
pub enum Cell {
    /// Text, or NULL.
    Text(Option<String>),
    /// A number, or NULL.
    Integer(Option<i64>),
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// A moment, or none.
    pub fn time(time: Option<Timestamp>) -> Self {
        Self::Integer(time.map(Timestamp::micros))
    }

    /// How many there are.
    pub fn count(count: usize) -> Self {
        Self::Integer(Some(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// As either store writes it when it casts the column to text.
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.map(|number| number.to_string()),
        }
    }
}

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub struct Insert<'a> {
    /// The table.
    pub table: &'a str,
    /// Its columns, in the order of the rows' cells.
    pub columns: &'a [&'a str],
    /// What is read from the rows, which are `given` and have the columns' names: `given.*`, or an expression for
    /// each column.
    pub values: &'a str,
    /// What to do with a row that is there: `ON CONFLICT …`, or nothing.
    pub conflict: &'a str,
}

impl<'a> Insert<'a> {
    /// Rows as they are, none of which may be there.
    pub fn into(table: &'a str, columns: &'a [&'a str]) -> Self {
        Self {
            table,
            columns,
            values: "given.*",
            conflict: "",
        }
    }

    /// One statement for any number of rows: a list of values for each column.
    fn postgres(&self, row: &[Cell]) -> String {
        let lists: Vec<_> = (1..)
            .zip(row)
            .map(|(place, cell)| match cell {
                Cell::Text(_) => format!("${place}::text[]"),
                Cell::Integer(_) => format!("${place}::bigint[]"),
            })
            .collect();
        let Self {
            table,
            values,
            conflict,
            ..
        } = self;
        let (columns, lists) = (self.columns.join(", "), lists.join(", "));
        format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM UNNEST({lists}) AS given({columns}) {conflict}"
        )
    }

    /// One for so many rows. Its places have no numbers: numbered ones are names there, and for each of thousands
    /// all the names before it would be looked through.
    fn sqlite(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let Self {
            table,
            values,
            conflict,
            ..
        } = self;
        let (columns, rows) = (self.columns.join(", "), vec![row; rows].join(", "));
        // Without a condition SQLite takes the ON of a conflict for that of a join.
        format!(
            "WITH given({columns}) AS (VALUES {rows}) INSERT INTO {table} ({columns}) SELECT {values} FROM given \
             WHERE true {conflict}"
        )
    }
}

impl Tx {
    /// Writes these rows, each with a cell for every column and cells of one kind in each column. On PostgreSQL
    /// no two of them may conflict with each other.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Misuse`] where a row has other cells.
    pub async fn insert(
        &mut self,
        insert: &Insert<'_>,
        rows: Vec<Vec<Cell>>,
    ) -> Result<(), StoreError> {
        if rows.iter().any(|row| row.len() != insert.columns.len()) {
            return Err(StoreError::Misuse(format!(
                "a row of {} has not {} cells",
                insert.table,
                insert.columns.len()
            )));
        }
        let Some(first) = rows.first() else {
            return Ok(());
        };
        match self {
            Self::Postgres(tx) => {
                let sql = insert.postgres(first);
                let mut query = sqlx::query(&sql);
                for column in columns(rows)? {
                    query = match column {
                        Column::Text(values) => query.bind(values),
                        Column::Integer(values) => query.bind(values),
                    };
                }
                query.execute(&mut **tx).await?;
            }
            Self::Sqlite(tx) => {
                let mut left = rows.into_iter();
                for size in AT_ONCE {
                    let sql = (left.len() >= size).then(|| insert.sqlite(size));
                    while let Some(sql) = sql.as_ref().filter(|_| left.len() >= size) {
                        let some = left.by_ref().take(size);
                        let query = bind(sqlx::query(sql), some.flatten());
                        query.execute(&mut **tx).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// All that the rows have in one column.
enum Column {
    Text(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
}

fn columns(rows: Vec<Vec<Cell>>) -> Result<Vec<Column>, StoreError> {
    let mut columns: Vec<_> = rows
        .first()
        .into_iter()
        .flatten()
        .map(|cell| match cell {
            Cell::Text(_) => Column::Text(Vec::with_capacity(rows.len())),
            Cell::Integer(_) => Column::Integer(Vec::with_capacity(rows.len())),
        })
        .collect();
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            match (column, cell) {
                (Column::Text(values), Cell::Text(text)) => values.push(text),
                (Column::Integer(values), Cell::Integer(number)) => values.push(number),
                _ => {
                    return Err(StoreError::Misuse(
                        "a column has text in one row and a number in another".to_owned(),
                    ));
                }
            }
        }
    }
    Ok(columns)
}

fn bind<'q, DB: Database>(
    query: Query<'q, DB, DB::Arguments<'q>>,
    cells: impl Iterator<Item = Cell>,
) -> Query<'q, DB, DB::Arguments<'q>>
where
    Option<String>: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
{
    cells.fold(query, |query, cell| match cell {
        Cell::Text(text) => query.bind(text),
        Cell::Integer(number) => query.bind(number),
    })
}
