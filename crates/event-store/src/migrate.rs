use sqlx::{Executor, raw_sql};

use crate::{
    config::Backend,
    error::StoreError,
    execute, fetch_all, fetch_one, postgres,
    query::Reads,
    sqlite,
    store::{Pools, Store},
    tx::Tx,
};

struct Migration {
    version: i64,
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! migrations {
    ($($version:literal = $name:literal,)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../../migrations/postgres/", $name, ".sql")),
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $name, ".sql")),
        },)*]
    };
}

/// Numbered from 1 without a gap; once released, never changed.
const MIGRATIONS: &[Migration] = migrations! {
    1 = "0001_events",
    2 = "0002_read_models",
    3 = "0003_seals",
};

/// The schema of this binary.
const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// How the store's schema compares with this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaStatus {
    /// The schema that this binary works with.
    Current,
    /// Older, or 0 where nothing is there yet: migrate first.
    Older {
        /// The store's schema.
        found: i64,
        /// The schema of this binary.
        needed: i64,
    },
    /// Newer: this binary may issue tokens and must change nothing.
    Newer {
        /// The store's schema.
        found: i64,
        /// The schema of this binary.
        known: i64,
    },
}

/// The SQL of every migration, in order.
pub fn migrations(backend: Backend) -> impl Iterator<Item = &'static str> {
    MIGRATIONS
        .iter()
        .map(move |migration| migration.text(backend))
}

impl Migration {
    fn text(&self, backend: Backend) -> &'static str {
        match backend {
            Backend::Postgres => self.postgres,
            Backend::Sqlite => self.sqlite,
        }
    }
}

/// What was applied, with its whole text: so a difference can be shown, and nothing has to be hashed.
const SCHEMA_TABLE: &str = "CREATE TABLE IF NOT EXISTS chancery_schema \
     (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, sql TEXT NOT NULL)";

impl Store {
    /// How the store's schema compares with this binary.
    pub async fn schema_status(&self) -> Result<SchemaStatus, StoreError> {
        let applied = applied(self, self.backend()).await?;
        compare(&applied, self.backend())
    }

    /// Brings the store to this binary's schema, in one transaction: all of it, or nothing. Where
    /// several processes start at once, one does it and the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let _held;
        let mut tx = match &self.0 {
            Pools::Postgres { pool, .. } => {
                let mut tx = Tx::Postgres(pool.begin_with(postgres::BEGIN_LONG).await?);
                execute!(&mut tx, postgres::LOCK_MIGRATIONS)?;
                tx
            }
            Pools::Sqlite { lock, .. } => {
                _held = lock.hold().await?;
                self.begin().await?
            }
        };
        let found = applied(&mut tx, self.backend()).await?;
        match compare(&found, self.backend())? {
            SchemaStatus::Current => return tx.rollback().await,
            SchemaStatus::Newer { found, known } => {
                return Err(StoreError::SchemaNewer { found, known });
            }
            SchemaStatus::Older { .. } => {}
        }
        execute!(&mut tx, SCHEMA_TABLE)?;
        for migration in &MIGRATIONS[found.len()..] {
            tracing::info!(
                version = migration.version,
                name = migration.name,
                "migrating"
            );
            apply(&mut tx, migration, self.backend()).await?;
        }
        tx.commit().await
    }
}

async fn apply(tx: &mut Tx, migration: &Migration, backend: Backend) -> Result<(), StoreError> {
    let text = migration.text(backend);
    match tx {
        Tx::Postgres(tx) => tx.execute(raw_sql(text)).await.map(drop)?,
        Tx::Sqlite(tx) => tx.execute(raw_sql(text)).await.map(drop)?,
    }
    execute!(
        tx,
        "INSERT INTO chancery_schema (version, name, sql) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        text
    )?;
    Ok(())
}

type Applied = (i64, String, String);

async fn applied<'a>(on: impl Reads<'a>, backend: Backend) -> Result<Vec<Applied>, StoreError> {
    let mut connection = on.source().connection().await?;
    let has_schema = match backend {
        Backend::Postgres => postgres::HAS_SCHEMA,
        Backend::Sqlite => sqlite::HAS_SCHEMA,
    };
    let (tables,) = fetch_one!(&mut connection, (i64,), has_schema)?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    fetch_all!(
        &mut connection,
        Applied,
        "SELECT version, name, sql FROM chancery_schema ORDER BY version"
    )
}

/// Compares what was applied with what this binary has, text by text.
fn compare(applied: &[Applied], backend: Backend) -> Result<SchemaStatus, StoreError> {
    for (migration, (version, name, sql)) in MIGRATIONS.iter().zip(applied) {
        if migration.version != *version || migration.text(backend) != sql {
            return Err(StoreError::SchemaChanged {
                version: *version,
                name: name.clone(),
            });
        }
    }
    let found = applied.last().map_or(0, |(version, _, _)| *version);
    Ok(match found.cmp(&KNOWN) {
        std::cmp::Ordering::Less => SchemaStatus::Older {
            found,
            needed: KNOWN,
        },
        std::cmp::Ordering::Equal => SchemaStatus::Current,
        std::cmp::Ordering::Greater => SchemaStatus::Newer {
            found,
            known: KNOWN,
        },
    })
}

/// Whether this binary may write with the store's schema.
pub(crate) fn refuse_newer(found: i64) -> Result<(), StoreError> {
    if found > KNOWN {
        Err(StoreError::SchemaNewer {
            found,
            known: KNOWN,
        })
    } else {
        Ok(())
    }
}
