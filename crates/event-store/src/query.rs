//! A query is written once and runs on both stores, on the store itself or within a transaction.

use std::ops::{Deref, DerefMut};

use sqlx::{Database, PgPool, Postgres, Sqlite, SqlitePool, pool::PoolConnection};

use crate::error::StoreError;

/// What can be read from: a `&Store`, or a `&mut Tx`, whose own writes are then seen.
///
/// Not an async function: a caller that is generic over it would have a future whose `Send` the
/// compiler cannot see in a spawned task.
pub trait Reads<'a>: Send {
    /// Where a connection comes from.
    fn source(self) -> Source<'a>;
}

/// Where a connection comes from.
pub enum Source<'a> {
    /// A pool of PostgreSQL connections.
    Postgres(&'a PgPool),
    /// A pool of SQLite connections.
    Sqlite(&'a SqlitePool),
    /// Somebody who has one.
    Lent(Connection<'a>),
}

impl<'a> Source<'a> {
    /// A connection, until it is dropped.
    pub async fn connection(self) -> Result<Connection<'a>, StoreError> {
        Ok(match self {
            Self::Postgres(pool) => Connection::Postgres(Held::Pooled(pool.acquire().await?)),
            Self::Sqlite(pool) => Connection::Sqlite(Held::Pooled(pool.acquire().await?)),
            Self::Lent(connection) => connection,
        })
    }
}

/// A connection of either store, for the macros.
pub enum Connection<'a> {
    /// To PostgreSQL.
    Postgres(Held<'a, Postgres>),
    /// To SQLite.
    Sqlite(Held<'a, Sqlite>),
}

/// A connection that is either taken from the pool or lent by a transaction.
pub enum Held<'a, DB: Database> {
    /// Goes back to the pool.
    Pooled(PoolConnection<DB>),
    /// Goes back to the transaction.
    Lent(&'a mut DB::Connection),
}

impl<DB: Database> Deref for Held<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Lent(connection) => connection,
        }
    }
}

impl<DB: Database> DerefMut for Held<'_, DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Lent(connection) => connection,
        }
    }
}

impl<'a> Reads<'a> for &'a mut Connection<'_> {
    fn source(self) -> Source<'a> {
        Source::Lent(match self {
            Connection::Postgres(held) => Connection::Postgres(Held::Lent(&mut **held)),
            Connection::Sqlite(held) => Connection::Sqlite(Held::Lent(&mut **held)),
        })
    }
}

/// At most one row: `fetch_optional!(on, Row, "SELECT … WHERE id = $1", id)` gives
/// `Result<Option<Row>, StoreError>`. `on` is a `&Store` or a `&mut Tx` (write `&mut *tx` to use `tx`
/// again), `Row` derives `sqlx::FromRow` or is a tuple. For reading only: SQLite refuses a write here.
#[macro_export]
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_optional, true, $on, $row, $sql $(, $bind)*)
    };
}

/// Every row: like [`fetch_optional!`], and gives `Result<Vec<Row>, StoreError>`.
#[macro_export]
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_all, true, $on, $row, $sql $(, $bind)*)
    };
}

/// Like [`fetch_all!`], planned anew for these values: for a statement of which PostgreSQL cannot tell, without
/// them, how little there is to walk over.
#[macro_export]
macro_rules! fetch_all_anew {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_all, false, $on, $row, $sql $(, $bind)*)
    };
}

/// Exactly one row: like [`fetch_optional!`], and gives `Result<Row, StoreError>`.
#[macro_export]
macro_rules! fetch_one {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_one, true, $on, $row, $sql $(, $bind)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __fetch {
    ($fetch:ident, $kept:expr, $on:expr, $row:ty, $sql:expr $(, $bind:expr)*) => {
        match $crate::Reads::source($on).connection().await {
            Ok($crate::Connection::Postgres(mut held)) => {
                $crate::sqlx::query_as::<_, $row>($sql)$(.bind($bind))*
                    .persistent($kept)
                    .$fetch(&mut *held)
                    .await
                    .map_err($crate::StoreError::from)
            }
            Ok($crate::Connection::Sqlite(mut held)) => {
                $crate::sqlx::query_as::<_, $row>($sql)$(.bind($bind))*
                    .persistent($kept)
                    .fetch_all(&mut *held)
                    .await
                    .map_err($crate::StoreError::from)
                    .and_then($crate::taken::$fetch)
            }
            Err(error) => Err(error),
        }
    };
}

/// A statement that writes: `execute!(tx, "INSERT …", a, b)` gives `Result<u64, StoreError>`, the
/// number of rows. There is no such macro for a `Store`: only a [`Tx`](crate::Tx) can write.
#[macro_export]
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {{
        let tx: &mut $crate::Tx = $tx;
        match tx {
            $crate::Tx::Postgres(tx) => $crate::sqlx::query($sql)$(.bind($bind))*
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
            $crate::Tx::Sqlite(tx) => $crate::sqlx::query($sql)$(.bind($bind))*
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
        }
        .map_err($crate::StoreError::from)
    }};
}
