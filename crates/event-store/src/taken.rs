//! What is asked for of the rows that a statement gave.
//!
//! SQLite gives the rows of a statement that writes before it commits, and says only at its end that it could not: on
//! a full disk, for example. sqlx ends a statement of which one row is wanted when it has that row, and then nobody
//! hears. So every statement is read to its end, and this is taken of it.

use crate::error::StoreError;

/// All of them.
pub fn fetch_all<Row>(rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    Ok(rows)
}

/// The first, if there is any.
pub fn fetch_optional<Row>(rows: Vec<Row>) -> Result<Option<Row>, StoreError> {
    Ok(rows.into_iter().next())
}

/// The first.
pub fn fetch_one<Row>(rows: Vec<Row>) -> Result<Row, StoreError> {
    let first = rows.into_iter().next();
    first.ok_or_else(|| sqlx::Error::RowNotFound.into())
}
