//! A connection that one task keeps from one statement to the next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection as _, Postgres, Sqlite, pool::PoolConnection};
use tokio::{sync::Notify, time::Instant};

use crate::{
    database::{Database, Pools},
    error::StoreError,
    query::{Connection, Held},
};

/// A connection that rested for longer is looked at before it is used: the server may have gone meanwhile.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Who waits for a connection to write with, and how somebody who keeps one hears of it.
#[derive(Default)]
pub(crate) struct Waiting {
    many: AtomicUsize,
    one_more: Notify,
}

impl Waiting {
    /// Somebody waits, until what this gives is dropped.
    pub(crate) fn begin(&self) -> Waits<'_> {
        self.many.fetch_add(1, Ordering::SeqCst);
        self.one_more.notify_waiters();
        Waits(self)
    }

    fn any(&self) -> bool {
        self.many.load(Ordering::SeqCst) > 0
    }
}

pub(crate) struct Waits<'a>(&'a Waiting);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.many.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection for statements that write and are each a transaction by itself.
///
/// A pool looks at a connection each time it is given back, which is one more way to the database and back, and on
/// SQLite nobody can write meanwhile. Whoever writes all the time keeps theirs, and gives it back when somebody
/// else waits ([`rest`](Self::rest), [`wanted`](Self::wanted)), before it begins a transaction or after an error
/// ([`give_back`](Self::give_back)).
pub struct Kept {
    database: Database,
    waiting: Arc<Waiting>,
    held: Option<(Pooled, Instant)>,
}

enum Pooled {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Kept {
    /// None yet, of this database.
    pub fn of(database: &Database) -> Self {
        Self {
            waiting: database.waiting.clone(),
            database: database.clone(),
            held: None,
        }
    }

    /// The connection, taken from the pool where none is kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there is none to be had.
    pub async fn connection(&mut self) -> Result<Connection<'_>, StoreError> {
        let rested = |(_, since): &(Pooled, Instant)| since.elapsed() > TRUSTED_FOR;
        if self.held.as_ref().is_some_and(rested) && !self.answers().await {
            self.held = None;
        }
        let taken = match self.held.take() {
            Some((pooled, _)) => pooled,
            None => self.take().await?,
        };
        let (pooled, _) = self.held.insert((taken, Instant::now()));
        Ok(match pooled {
            Pooled::Postgres(held) => Connection::Postgres(Held::Lent(&mut **held)),
            Pooled::Sqlite(held) => Connection::Sqlite(Held::Lent(&mut **held)),
        })
    }

    async fn take(&self) -> Result<Pooled, StoreError> {
        Ok(match &self.database.pools {
            Pools::Postgres(pool) => Pooled::Postgres(pool.acquire().await?),
            Pools::Sqlite { writer, .. } => Pooled::Sqlite(writer.acquire().await?),
        })
    }

    /// A file does not go away from an open connection, so only a server is asked.
    async fn answers(&mut self) -> bool {
        match &mut self.held {
            Some((Pooled::Postgres(held), _)) => held.ping().await.is_ok(),
            _ => true,
        }
    }

    /// A statement is done: the connection stays here, unless somebody waits for it.
    pub fn rest(&mut self) {
        if self.waiting.any() {
            self.give_back();
        } else if let Some((_, since)) = &mut self.held {
            *since = Instant::now();
        }
    }

    /// Back to the pool, which closes it where it is broken.
    pub fn give_back(&mut self) {
        self.held = None;
    }

    /// Ends when somebody waits for the connection that is kept. May be dropped at any time.
    pub async fn wanted(&self) {
        if self.held.is_none() {
            return std::future::pending().await;
        }
        let one_more = self.waiting.one_more.notified();
        if !self.waiting.any() {
            one_more.await;
        }
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("database", &self.database)
            .field("held", &self.held.is_some())
            .finish_non_exhaustive()
    }
}
