use sqlx::{Postgres, Sqlite, Transaction};

use crate::{
    database::{Database, Pools},
    error::StoreError,
    postgres,
    query::{Connection, Held, Reads, Source},
    store::Store,
};

/// The store as it was at one moment, for as long as this is kept: what is committed meanwhile is not
/// seen, and nobody waits for it. It can only read.
///
/// Keep it for seconds, not for hours: while it lives, PostgreSQL cannot clear away old versions of
/// rows, nor SQLite fold its log into the file.
#[derive(Debug)]
pub struct Snapshot(View);

#[derive(Debug)]
enum View {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Store {
    /// The store as it is at the first read. No statement in it is stopped for being slow.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.database.view(postgres::BEGIN_SNAPSHOT).await
    }
}

impl Database {
    /// The database as it is at the first read, for a page: each statement in it is stopped where it is slow,
    /// like any other.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.view(postgres::BEGIN_VIEW).await
    }

    async fn view(&self, begin: &'static str) -> Result<Snapshot, StoreError> {
        Ok(Snapshot(match &self.pools {
            Pools::Postgres(pool) => View::Postgres(pool.begin_with(begin).await?),
            Pools::Sqlite { readers, .. } => View::Sqlite(readers.begin().await?),
        }))
    }
}

impl<'a> Reads<'a> for &'a mut Snapshot {
    fn source(self) -> Source<'a> {
        Source::Lent(match &mut self.0 {
            View::Postgres(tx) => Connection::Postgres(Held::Lent(&mut **tx)),
            View::Sqlite(tx) => Connection::Sqlite(Held::Lent(&mut **tx)),
        })
    }
}
