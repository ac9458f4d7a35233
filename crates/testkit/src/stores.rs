//! Fresh databases for tests, on both stores: made for one test, gone with it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that has no database cannot go on"
)]

use std::{
    hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState},
    ops::Deref,
    thread,
};

use chancery_event_store::{Backend, Store, StoreConfig, StoreLocation, migrations};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// Where the tests find PostgreSQL: the address of a server on which they may create databases.
const ENVIRONMENT: &str = "CHANCERY_TEST_POSTGRES";

/// Makes two tests of one: `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// on_both_stores! {
///     async fn an_event_is_final(store: TestStore) { … }
/// }
/// ```
#[macro_export]
macro_rules! on_both_stores {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: $type:ty) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($store: $type) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story($crate::stores::TestStore::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story($crate::stores::TestStore::postgres().await).await;
            }
        }
    )*};
}

/// Both stores, each fresh and migrated, for a test that loops over them.
pub async fn stores() -> [TestStore; 2] {
    [TestStore::sqlite().await, TestStore::postgres().await]
}

/// A store with a database of its own. It derefs to the [`Store`].
pub struct TestStore {
    store: Store,
    database: TestDatabase,
}

impl TestStore {
    /// A migrated SQLite file.
    pub async fn sqlite() -> Self {
        Self::on(TestDatabase::migrated(Backend::Sqlite).await).await
    }

    /// A migrated PostgreSQL database.
    pub async fn postgres() -> Self {
        Self::on(TestDatabase::migrated(Backend::Postgres).await).await
    }

    async fn on(database: TestDatabase) -> Self {
        let store = Store::connect(&database.config())
            .await
            .expect("the test's own database");
        Self { store, database }
    }

    /// The database behind the store.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// A second store on the same database, as another process would have it.
    pub async fn another(&self) -> Store {
        Store::connect(&self.database.config())
            .await
            .expect("the test's own database")
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A database, deleted when this is dropped.
pub struct TestDatabase {
    location: StoreLocation,
    guard: Guard,
}

enum Guard {
    #[expect(dead_code, reason = "kept for its Drop")]
    File(TempDir),
    Database(PostgresDatabase),
}

impl TestDatabase {
    /// A database with nothing in it.
    pub async fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let directory = TempDir::new().expect("a temporary directory");
                let location = StoreLocation::Sqlite(directory.path().join("chancery.db"));
                Self {
                    location,
                    guard: Guard::File(directory),
                }
            }
            Backend::Postgres => PostgresDatabase::create("template0").await.into(),
        }
    }

    /// A database with this binary's schema.
    pub async fn migrated(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let database = Self::empty(backend).await;
                database.migrate().await;
                database
            }
            Backend::Postgres => PostgresDatabase::create(&template().await).await.into(),
        }
    }

    async fn migrate(&self) {
        let store = Store::connect(&self.config())
            .await
            .expect("the test's own database");
        store.migrate().await.expect("the migrations");
        store.close().await;
    }

    /// Where it is.
    pub fn location(&self) -> &StoreLocation {
        &self.location
    }

    /// How to connect to it: with few connections, since many tests run at once.
    pub fn config(&self) -> StoreConfig {
        let mut config = StoreConfig::new(self.location.clone());
        config.max_connections = 8;
        config
    }
}

impl From<PostgresDatabase> for TestDatabase {
    fn from(database: PostgresDatabase) -> Self {
        let location = StoreLocation::Postgres(on_server(&database.0));
        Self {
            location,
            guard: Guard::Database(database),
        }
    }
}

/// A PostgreSQL database by name.
struct PostgresDatabase(String);

impl PostgresDatabase {
    async fn create(template: &str) -> Self {
        let name = format!("chancery_test_{:016x}", random());
        let mut server = server().await;
        run(
            &mut server,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )
        .await;
        Self(name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        at_last(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.0));
    }
}

/// A role of PostgreSQL that may log in and nothing else, deleted when this is dropped: after the database
/// in which something was granted to it.
pub struct TestRole(String);

impl TestRole {
    /// A new one.
    pub async fn new() -> Self {
        let role = Self(format!("chancery_test_{:016x}", random()));
        run(
            &mut server().await,
            &format!("CREATE ROLE {} LOGIN", role.0),
        )
        .await;
        role
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A database's address, for this role.
    pub fn of(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").expect("an address");
        let (_, at) = rest.split_once('@').expect("an address that names a user");
        format!("{scheme}://{}@{at}", self.0)
    }
}

impl Drop for TestRole {
    fn drop(&mut self) {
        at_last(format!("DROP ROLE IF EXISTS {}", self.0));
    }
}

/// Runs a statement on a thread and a runtime of its own: the test's may be ending. What stays behind does
/// no harm, so nothing is made of a failure.
fn at_last(statement: String) {
    let ended = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut server = PgConnection::connect(&on_server("postgres"))
                .await
                .map_err(std::io::Error::other)?;
            sqlx::raw_sql(&statement)
                .execute(&mut server)
                .await
                .map_err(std::io::Error::other)
        })
    });
    let _ = ended.join();
}

/// The migrated database that the tests' own are copied from, made once for each server and set of
/// migrations. It gets its name when it is whole.
async fn template() -> String {
    let mut digest = DefaultHasher::new();
    migrations(Backend::Postgres).for_each(|sql| sql.hash(&mut digest));
    let name = format!("chancery_template_{:016x}", digest.finish());
    let mut server = server().await;
    run(&mut server, "SELECT pg_advisory_lock(7163082334074663545)").await;
    let found: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_optional(&mut server)
        .await
        .expect("the list of databases");
    if found.is_none() {
        let database = TestDatabase::empty(Backend::Postgres).await;
        database.migrate().await;
        if let Guard::Database(PostgresDatabase(made)) = &database.guard {
            run(
                &mut server,
                &format!("ALTER DATABASE {made} RENAME TO {name}"),
            )
            .await;
        }
    }
    // The session's end is the lock's end.
    server.close().await.expect("to close a connection");
    name
}

async fn server() -> PgConnection {
    PgConnection::connect(&on_server("postgres"))
        .await
        .expect("the PostgreSQL server of the tests")
}

async fn run(server: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(statement)
        .execute(server)
        .await
        .expect(statement);
}

/// The server's address with the name of one of its databases.
fn on_server(database: &str) -> String {
    let Ok(server) = std::env::var(ENVIRONMENT) else {
        panic!("run the tests with `cargo xtask test`, which sets {ENVIRONMENT}");
    };
    let (address, parameters) = server
        .split_once('?')
        .map_or((&*server, None), |(address, rest)| (address, Some(rest)));
    let (base, _) = address
        .rsplit_once('/')
        .expect("an address that ends in the name of a database");
    match parameters {
        Some(parameters) => format!("{base}/{database}?{parameters}"),
        None => format!("{base}/{database}"),
    }
}

/// Names must differ between processes and threads; the standard library seeds its hashers so.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
