//! A backup that is taken under load restores into an installation that works.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use chancery_event_store::{Backend, StoreLocation};
use chancery_testkit::stores::TestDatabase;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use tokio::task::JoinSet;

use crate::server::{Server, arguments, chancery, client, output};

/// What clients of the first installation hold, and what auditors do.
pub(crate) struct Before {
    /// Their tenant.
    slug: &'static str,
    /// The base of the issuer, which the restored installation keeps.
    public_url: String,
    client: String,
    secret: String,
    keys: Value,
    /// A token, its refresh token, a token that was revoked, and a refresh token that was used.
    access: String,
    refresh: String,
    revoked: String,
    used: String,
    /// Who vouches for the roll, and how it was.
    verifier: String,
    checkpoint: String,
}

impl Before {
    /// What the client is answered at this endpoint.
    async fn ask(&self, server: &Server, endpoint: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/t/{}/oauth2/{endpoint}", server.url, self.slug);
        let request = client().build().unwrap().post(url).form(form);
        let request = request.basic_auth(&self.client, Some(&self.secret));
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn is_active(&self, server: &Server, token: &str) -> bool {
        let (status, told) = self.ask(server, "introspect", &[("token", token)]).await;
        assert_eq!(status, 200, "{told}");
        told["active"] == true
    }

    async fn refresh(&self, server: &Server, token: &str) -> (u16, Value) {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.ask(server, "token", &form).await
    }

    /// A token is as good as it was, a refresh token once, and what was revoked or used stays so.
    pub(crate) async fn holds(&self, server: &Server) {
        assert!(self.is_active(server, &self.access).await);
        assert!(!self.is_active(server, &self.revoked).await);
        let (status, refreshed) = self.refresh(server, &self.refresh).await;
        assert_eq!(status, 200, "{refreshed}");
        let successor = text(&refreshed, "/refresh_token");
        let (status, refreshed) = self.refresh(server, &successor).await;
        assert_eq!(status, 200, "{refreshed}");
        for used in [&self.refresh, &self.used] {
            let (status, again) = self.refresh(server, used).await;
            assert_eq!((status, &again["error"]), (400, &"invalid_grant".into()));
        }
    }
}

/// Of each client that is made meanwhile, the id and the secret.
type Made = Vec<(String, String)>;

const API: &str = "https://a.example";

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// A tenant with this slug, in which this is held.
pub(crate) async fn furnish(server: &Server, slug: &'static str) -> Before {
    let token = server.operator_token().await;
    let run = async |query: &str| {
        let query = query.replace("\"acme\"", &format!("\"{slug}\""));
        server.graphql(&token, &query).await.unwrap()
    };
    run("mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\", policy: {refreshTokenSeconds: 3600}}) { tenant { id } } }").await;
    run("mutation { createApi(input: {tenant: \"acme\", identifier: \"https://a.example\", name: \"A\", scopes: [{name: \"a\"}]}) { api { id } } }").await;
    let made = run("mutation { createClient(input: {tenant: \"acme\", name: \"c\", grants: [{api: \"https://a.example\", scopes: [\"a\"]}]}) { client { id } secret { plaintext } } }").await;
    let checkpoint = server.checkpoint(slug).await;
    let get = async |path: &str| server.get(path).await.text().await.unwrap();
    let mut before = Before {
        slug,
        public_url: server.url.clone(),
        client: text(&made, "/data/createClient/client/id"),
        secret: text(&made, "/data/createClient/secret/plaintext"),
        keys: serde_json::from_str(&get(&format!("/t/{slug}/oauth2/jwks")).await).unwrap(),
        access: String::new(),
        refresh: String::new(),
        revoked: String::new(),
        used: String::new(),
        verifier: get(&format!("/t/{slug}/roll/key")).await,
        checkpoint,
    };
    let grant = [("grant_type", "client_credentials")];
    let (_, issued) = before.ask(server, "token", &grant).await;
    before.access = text(&issued, "/access_token");
    before.refresh = text(&issued, "/refresh_token");
    let (_, issued) = before.ask(server, "token", &grant).await;
    before.revoked = text(&issued, "/access_token");
    let (status, _) = before
        .ask(server, "revoke", &[("token", &before.revoked)])
        .await;
    assert_eq!(status, 200);
    let (_, issued) = before.ask(server, "token", &grant).await;
    before.used = text(&issued, "/refresh_token");
    let (status, refreshed) = before.refresh(server, &before.used).await;
    assert_eq!(status, 200, "{refreshed}");
    before
}

/// Makes clients and asks for a token for each, eight at a time, while `backup` runs, and some times before and after. Gives
/// the clients that were made before it was done: those of which it was known when it began come first, and are so many.
async fn under_load(
    server: Arc<Server>,
    before: &Before,
    backup: impl Future<Output = ()>,
) -> (usize, Made) {
    let (stop, rounds) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let token = server.operator_token().await;
    let made = Arc::new(Mutex::new(Made::new()));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (stop, rounds, server) = (stop.clone(), rounds.clone(), server.clone());
        let (token, all) = (token.clone(), made.clone());
        // A client of its own for each token: one alone would come to its rate limit.
        let (mut client, mut secret) = (before.client.clone(), before.secret.clone());
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                server.token("acme", &client, &secret, API).await.unwrap();
                let create = format!(
                    "mutation {{ createClient(input: {{tenant: \"acme\", name: \"n{round}\", grants: [{{api: \"{API}\", scopes: [\"a\"]}}]}}) {{ client {{ id }} secret {{ plaintext }} }} }}"
                );
                let made = server.graphql(&token, &create).await.unwrap();
                [client, secret] = ["client/id", "secret/plaintext"]
                    .map(|at| text(&made, &format!("/data/createClient/{at}")));
                let made = (client.clone(), secret.clone());
                all.lock().unwrap().push(made);
            }
        });
    }
    let mut load_goes_on = async || {
        let until = rounds.load(Ordering::Relaxed) + 40;
        while rounds.load(Ordering::Relaxed) < until {
            if let Some(failed) = load.try_join_next() {
                failed.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    load_goes_on().await;
    let known = made.lock().unwrap().len();
    backup.await;
    let made = made.lock().unwrap().clone();
    load_goes_on().await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    (known, made)
}

/// The restored installation verifies, and what clients hold works there.
async fn works(
    directory: &Path,
    arguments: &[String],
    before: &Before,
    (known, made): (usize, Made),
) {
    let mut settings = arguments.to_vec();
    settings.extend(["--public-url".to_owned(), before.public_url.clone()]);
    let mut server = Server::start(directory, &settings);
    // Nobody is where its URL leads to any more.
    server.url.clone_from(&server.address);
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
    // Of the clients that were made meanwhile the backup has those that came before its moment, and no half of one.
    assert!(known >= 4, "{known}");
    // Nor are so many asked for in vain that the address may ask no more.
    for (number, (id, secret)) in made.iter().take(known + 100).enumerate() {
        if let Err(status) = server.token("acme", id, secret, API).await {
            assert_eq!(status, 401);
            assert!(number >= known, "{id} is not there, and was made before");
        }
    }
    before.holds(&server).await;
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
    // An auditor finds what they have kept.
    fs::write(directory.join("checkpoint"), &before.checkpoint).unwrap();
    let mut verify = chancery(directory);
    verify.args(["audit", "verify", "acme.ndjson", "--key"]);
    verify.args([before.verifier.trim(), "--checkpoint", "checkpoint"]);
    let (status, told, faults) = output(verify);
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
    let before = furnish(&server, "acme").await;
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
    let made = under_load(server.clone(), &before, backup).await;
    assert_eq!(server.terminate(), 0);
    works(second.path(), &[], &before, made).await;
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
    let before = furnish(&server, "acme").await;
    let backup = async {
        let mut command = Command::new("pg_dump");
        command
            .args(["--format=custom", "--no-owner", "--file"])
            .arg(&dump);
        command.arg(url(&databases.0));
        tokio::task::block_in_place(|| run(&mut command));
    };
    let made = under_load(server.clone(), &before, backup).await;
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
        made,
    )
    .await;
}
