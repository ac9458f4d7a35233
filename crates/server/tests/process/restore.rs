//! A backup that is taken under load restores into an installation that works.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use chancery_event_store::{Backend, StoreLocation};
use chancery_testkit::stores::TestDatabase;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::server::{Server, arguments, chancery, output};

/// What clients of the first installation hold.
struct Before {
    client: String,
    secret: String,
    keys: Value,
}

const API: &str = "https://a.example";

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{value}")).to_owned()
}

async fn furnish(server: &Server) -> Before {
    let token = server.operator_token().await;
    let run = async |query: &str| server.graphql(&token, query).await.unwrap();
    run("mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { tenant { id } } }").await;
    run("mutation { createApi(input: {tenant: \"acme\", identifier: \"https://a.example\", name: \"A\", scopes: [{name: \"a\"}]}) { api { id } } }").await;
    let made = run("mutation { createClient(input: {tenant: \"acme\", name: \"c\", grants: [{api: \"https://a.example\", scopes: [\"a\"]}]}) { client { id } secret { plaintext } } }").await;
    server.checkpoint("acme").await;
    Before {
        client: text(&made, "/data/createClient/client/id"),
        secret: text(&made, "/data/createClient/secret/plaintext"),
        keys: server
            .get("/t/acme/oauth2/jwks")
            .await
            .json()
            .await
            .unwrap(),
    }
}

/// Asks for tokens and changes the tenant while `backup` runs, at least a few times before and after.
async fn under_load(server: Arc<Server>, before: &Before, backup: impl Future<Output = ()>) {
    let (stop, rounds) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let token = server.operator_token().await;
    let load = tokio::spawn({
        let (stop, rounds, server) = (stop.clone(), rounds.clone(), server.clone());
        let (client, secret) = (before.client.clone(), before.secret.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                server.token("acme", &client, &secret, API).await.unwrap();
                let create = format!(
                    "mutation {{ createClient(input: {{tenant: \"acme\", name: \"n{round}\"}}) {{ client {{ id }} }} }}"
                );
                let made = server.graphql(&token, &create).await.unwrap();
                assert!(made["errors"].is_null(), "{made}");
            }
        }
    });
    let wait_for = async |more: u64| {
        let until = rounds.load(Ordering::Relaxed) + more;
        while rounds.load(Ordering::Relaxed) < until {
            tokio::task::yield_now().await;
        }
    };
    wait_for(5).await;
    backup.await;
    wait_for(5).await;
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
}

/// The restored installation verifies, and what clients hold works there.
async fn works(directory: &Path, arguments: &[String], before: &Before) {
    let server = Server::start(directory, arguments);
    let keys: Value = server
        .get("/t/acme/oauth2/jwks")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(keys, before.keys, "what was signed before still verifies");
    let issued = server
        .token("acme", &before.client, &before.secret, API)
        .await;
    assert!(issued.is_ok(), "{issued:?}");
    let token = server.operator_token().await;
    let create =
        "mutation { createClient(input: {tenant: \"acme\", name: \"after\"}) { client { id } } }";
    let made = server.graphql(&token, create).await.unwrap();
    assert!(made["errors"].is_null(), "{made}");
    assert_eq!(server.terminate(), 0);

    let run = |command: &[&str]| {
        let mut run = chancery(directory);
        run.args(arguments).args(command);
        output(run)
    };
    let (status, told, faults) = run(&["projections", "check"]);
    assert_eq!(status, 0, "{told}{faults}");
    let (status, _, faults) = run(&["audit", "export", "--tenant", "acme", "-o", "acme.ndjson"]);
    assert_eq!(status, 0, "{faults}");
    let (status, told, faults) = run(&["audit", "verify", "acme.ndjson"]);
    assert_eq!(status, 0, "{told}{faults}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_files_taken_under_load_restores() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (
        first.path().join("chancery-data"),
        second.path().join("chancery-data"),
    );
    let server = Arc::new(Server::start(first.path(), &[]));
    let before = furnish(&server).await;
    let backup = async {
        fs::create_dir(&to).unwrap();
        // The roll first: activity that is newer than the roll does no harm.
        for name in ["chancery.db", "tokens.db"] {
            let (file, copy): (PathBuf, PathBuf) = (from.join(name), to.join(name));
            let url = format!("sqlite://{}", file.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let sql = format!("VACUUM INTO '{}'", copy.display());
            sqlx::query(&sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        for name in ["master.key", "operator.json"] {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    under_load(server.clone(), &before, backup).await;
    assert_eq!(server.terminate(), 0);
    works(second.path(), &[], &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_taken_under_load_restores() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let databases = (
        TestDatabase::empty(Backend::Postgres).await,
        TestDatabase::empty(Backend::Postgres).await,
    );
    let url = |database: &TestDatabase| match database.location() {
        StoreLocation::Postgres(url) => url.clone(),
        StoreLocation::Sqlite(path) => panic!("{path:?}"),
    };
    let run = |command: &mut Command| {
        let done = command.output().expect("the tools of PostgreSQL");
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{told}");
    };
    let dump = second.path().join("chancery.dump");
    let server = Arc::new(Server::start(
        first.path(),
        &arguments(first.path(), &databases.0),
    ));
    let before = furnish(&server).await;
    let backup = async {
        let mut command = Command::new("pg_dump");
        command
            .args(["--format=custom", "--no-owner", "--file"])
            .arg(&dump);
        command.arg(url(&databases.0));
        tokio::task::block_in_place(|| run(&mut command));
    };
    under_load(server.clone(), &before, backup).await;
    assert_eq!(server.terminate(), 0);

    let mut command = Command::new("pg_restore");
    command.args(["--no-owner", "--exit-on-error", "--dbname"]);
    run(command.arg(url(&databases.1)).arg(&dump));
    let data = second.path().join("chancery-data");
    fs::create_dir(&data).unwrap();
    let operator = first.path().join("chancery-data/operator.json");
    fs::copy(operator, data.join("operator.json")).unwrap();
    works(
        second.path(),
        &arguments(second.path(), &databases.1),
        &before,
    )
    .await;
}
