//! Where the tables are, and their migrations.

use chancery_event_store::{
    Backend, Database, Migration, Migrations, StoreError, fetch_one, migrations,
};

const STEPS: &[Migration] = migrations!("token_log/":
    1 = "0001_activity",
    2 = "0002_refresh_tokens",
    3 = "0003_segments",
    4 = "0004_compression",
    5 = "0005_inline",
    6 = "0006_client_days",
    7 = "0007_words",
    8 = "0008_put_together",
    9 = "0009_uses",
    10 = "0010_looked_for_once",
);

/// The schema that the tables are in, as it stands before their names.
#[derive(Clone, Debug)]
pub(crate) struct Schema(String);

impl Schema {
    /// On PostgreSQL `token_log`, beside the installation's own schema: where that is not `public`
    /// its name comes first, so that several installations fit into one database. On SQLite a file
    /// has one, which is called `main`.
    pub(crate) async fn of(database: &Database) -> Result<Self, StoreError> {
        if database.backend() == Backend::Sqlite {
            return Ok(Self("main".to_owned()));
        }
        let (current,) = fetch_one!(database, (Option<String>,), "SELECT current_schema()::text")?;
        match current.as_deref() {
            Some("public") => Ok(Self("token_log".to_owned())),
            Some(other) => Ok(Self(format!("{other}_token_log"))),
            None => Err(StoreError::Unsupported(
                "the database has no schema that the search path names; create it, or set the \
                 role's search_path"
                    .to_owned(),
            )),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn migrations(&self) -> Result<Migrations, StoreError> {
        Migrations::within(STEPS, self.0.clone())
    }
}
