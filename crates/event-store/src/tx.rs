use sqlx::{Postgres, Sqlite, Transaction};

use crate::{
    database::{Database, Pools},
    error::StoreError,
    postgres,
    query::{Connection, Held, Reads, Source},
    sqlite,
    store::Store,
};

/// A transaction: the only way to write. Dropped without a commit, it is rolled back.
///
/// After an error nothing may be committed: PostgreSQL has given the transaction up by then, and
/// would answer the commit with a rollback.
#[derive(Debug)]
pub enum Tx {
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
    /// On SQLite, where it is the only writer.
    Sqlite(Transaction<'static, Sqlite>),
}

impl Store {
    /// Begins a transaction. On SQLite this waits until no other is open, so nothing else may be
    /// awaited while it is: never a query on the store inside a transaction.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.database.begin().await
    }
}

impl Store {
    /// Begins one that gives up what it does not get soon: a lock within two seconds, a statement within three. On
    /// SQLite there is one lock, and who has begun has it.
    pub async fn begin_brief(&self) -> Result<Tx, StoreError> {
        self.database.begin_brief().await
    }

    /// Begins a transaction that may write for as long as it takes: for maintenance, which holds a
    /// lock for many rows.
    pub async fn begin_long(&self) -> Result<Tx, StoreError> {
        self.database.begin_long().await
    }
}

impl Database {
    /// Begins a transaction: see [`Store::begin`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match &self.pools {
            Pools::Postgres(pool) => Tx::Postgres(pool.begin_with(postgres::BEGIN).await?),
            Pools::Sqlite { writer, .. } => {
                let _waits = self.waiting.begin();
                Tx::Sqlite(writer.begin_with(sqlite::BEGIN).await?)
            }
        })
    }

    /// Begins one that gives up soon: see [`Store::begin_brief`].
    pub async fn begin_brief(&self) -> Result<Tx, StoreError> {
        Ok(match &self.pools {
            Pools::Postgres(pool) => Tx::Postgres(pool.begin_with(postgres::BEGIN_BRIEF).await?),
            Pools::Sqlite { .. } => return self.begin().await,
        })
    }

    /// Begins one that a server may lose that crashes within moments, as a whole, although it said that it was
    /// committed: for what is done again then, since all that it was made of is still there. On SQLite none is lost.
    /// On PostgreSQL it finds rows by indexes alone, whatever the tables were like when its statements were planned.
    pub async fn begin_losable(&self) -> Result<Tx, StoreError> {
        Ok(match &self.pools {
            Pools::Postgres(pool) => Tx::Postgres(pool.begin_with(postgres::BEGIN_LOSABLE).await?),
            Pools::Sqlite { .. } => return self.begin().await,
        })
    }

    /// Begins one without a limit of time: see [`Store::begin_long`].
    pub async fn begin_long(&self) -> Result<Tx, StoreError> {
        Ok(match &self.pools {
            Pools::Postgres(pool) => Tx::Postgres(pool.begin_with(postgres::BEGIN_LONG).await?),
            Pools::Sqlite { .. } => return self.begin().await,
        })
    }
}

impl Tx {
    /// Makes everything durable and visible.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything, and waits until it is undone.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) => tx.rollback().await?,
            Self::Sqlite(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

impl<'a> Reads<'a> for &'a mut Tx {
    fn source(self) -> Source<'a> {
        Source::Lent(match self {
            Tx::Postgres(tx) => Connection::Postgres(Held::Lent(&mut **tx)),
            Tx::Sqlite(tx) => Connection::Sqlite(Held::Lent(&mut **tx)),
        })
    }
}
