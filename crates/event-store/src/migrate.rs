use sqlx::{Executor, raw_sql};

use crate::{
    config::Backend,
    database::{Database, Pools},
    error::StoreError,
    execute, fetch_all, fetch_one, postgres,
    query::Reads,
    sqlite,
    store::Store,
    tx::Tx,
};

/// One step of a schema: a number, and its text on either store.
#[derive(Debug)]
pub struct Migration {
    /// From 1, without a gap.
    pub version: i64,
    /// The name of its file, without the ending.
    pub name: &'static str,
    /// Its text on PostgreSQL.
    pub postgres: &'static str,
    /// Its text on SQLite.
    pub sqlite: &'static str,
}

/// Every step of one schema. Once released, none is ever changed.
#[derive(Clone, Debug)]
pub struct Migrations {
    steps: &'static [Migration],
    /// On PostgreSQL, the schema in which the tables are made; none for the one that connections
    /// are in.
    schema: Option<String>,
}

/// The steps of a schema from files of one name in `migrations/postgres` and `migrations/sqlite`,
/// below the folder given: `migrations!("folder/": 1 = "0001_name", …)`.
#[macro_export]
macro_rules! migrations {
    ($folder:literal: $($version:literal = $name:literal),* $(,)?) => {
        &[$($crate::Migration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../../migrations/postgres/", $folder, $name, ".sql")),
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $folder, $name, ".sql")),
        },)*]
    };
}

/// The store's own.
const STEPS: &[Migration] = migrations!("":
    1 = "0001_events",
    2 = "0002_read_models",
    3 = "0003_seals",
    4 = "0004_agenda",
    5 = "0005_console",
    6 = "0006_secret_numbers",
    7 = "0007_order",
    8 = "0008_vouched_sessions",
    9 = "0009_seen_sessions",
    10 = "0010_last_seen_from",
);

/// The schema of this binary.
const KNOWN: i64 = STEPS[STEPS.len() - 1].version;

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
    STEPS.iter().map(move |migration| migration.text(backend))
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

impl Migrations {
    /// The steps of the tables that connections see without being told where to look.
    pub const fn new(steps: &'static [Migration]) -> Self {
        Self {
            steps,
            schema: None,
        }
    }

    /// The same in a schema of their own on PostgreSQL; it is made where it is missing. The name
    /// must be lower-case letters, digits and underscores. On SQLite a file has one schema.
    pub fn within(steps: &'static [Migration], schema: String) -> Result<Self, StoreError> {
        postgres::check_schema_name(&schema)?;
        Ok(Self {
            steps,
            schema: Some(schema),
        })
    }

    fn known(&self) -> i64 {
        self.steps.last().map_or(0, |step| step.version)
    }

    /// Makes the tables' own schema the one that this transaction works in.
    async fn enter(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if let (Some(schema), Tx::Postgres(_)) = (&self.schema, &tx) {
            execute!(tx, &format!("SET LOCAL search_path TO {schema}"))?;
        }
        Ok(())
    }

    async fn make_schema(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let (Some(schema), Tx::Postgres(_)) = (&self.schema, &tx) else {
            return Ok(());
        };
        // Asked first, since making one needs a privilege even where it is there.
        let (found,) = fetch_one!(
            &mut *tx,
            (i64,),
            "SELECT COUNT(*) FROM pg_namespace WHERE nspname = $1",
            schema
        )?;
        if found == 0 {
            execute!(tx, &format!("CREATE SCHEMA {schema}"))?;
        }
        Ok(())
    }

    /// Compares what was applied with what this binary has, text by text.
    fn compare(&self, applied: &[Applied], backend: Backend) -> Result<SchemaStatus, StoreError> {
        for (migration, (version, name, sql)) in self.steps.iter().zip(applied) {
            if migration.version != *version || migration.text(backend) != sql {
                return Err(StoreError::SchemaChanged {
                    version: *version,
                    name: name.clone(),
                });
            }
        }
        let found = applied.last().map_or(0, |(version, _, _)| *version);
        let known = self.known();
        Ok(match found.cmp(&known) {
            std::cmp::Ordering::Less => SchemaStatus::Older {
                found,
                needed: known,
            },
            std::cmp::Ordering::Equal => SchemaStatus::Current,
            std::cmp::Ordering::Greater => SchemaStatus::Newer { found, known },
        })
    }
}

impl Store {
    /// How the store's schema compares with this binary.
    pub async fn schema_status(&self) -> Result<SchemaStatus, StoreError> {
        self.database.schema_status(&Migrations::new(STEPS)).await
    }

    /// Brings the store to this binary's schema, in one transaction: all of it, or nothing. Where
    /// several processes start at once, one does it and the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.database.migrate(&Migrations::new(STEPS)).await
    }
}

impl Database {
    /// How the schema compares with these migrations.
    pub async fn schema_status(&self, to: &Migrations) -> Result<SchemaStatus, StoreError> {
        let applied = match (&self.pools, &to.schema) {
            (Pools::Postgres(_), Some(_)) => {
                let mut tx = self.begin().await?;
                to.enter(&mut tx).await?;
                let applied = applied(&mut tx, self.backend()).await?;
                tx.rollback().await?;
                applied
            }
            _ => applied(self, self.backend()).await?,
        };
        to.compare(&applied, self.backend())
    }

    /// Applies what is missing of these migrations, in one transaction: see [`Store::migrate`].
    pub async fn migrate(&self, to: &Migrations) -> Result<(), StoreError> {
        let _held;
        let mut tx = match &self.pools {
            Pools::Postgres(pool) => {
                let mut tx = Tx::Postgres(pool.begin_with(postgres::BEGIN_LONG).await?);
                execute!(&mut tx, postgres::LOCK_MIGRATIONS)?;
                tx
            }
            Pools::Sqlite { lock, .. } => {
                _held = lock.hold().await?;
                self.begin().await?
            }
        };
        to.enter(&mut tx).await?;
        let found = applied(&mut tx, self.backend()).await?;
        match to.compare(&found, self.backend())? {
            SchemaStatus::Current => return tx.rollback().await,
            SchemaStatus::Newer { found, known } => {
                return Err(StoreError::SchemaNewer { found, known });
            }
            SchemaStatus::Older { .. } => {}
        }
        to.make_schema(&mut tx).await?;
        execute!(&mut tx, SCHEMA_TABLE)?;
        for migration in &to.steps[found.len()..] {
            tracing::info!(
                schema = to.schema,
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
