//! `keys rotate-master` by the binary: killed at every step beside a running server, and with few rights.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chancery_crypto::{MasterKey, SealContext, Sealed, Sealer};
use chancery_event_store::{
    Backend, Sealing, Sealings, Store, StoreConfig, StoreLocation, fetch_all,
};
use chancery_testkit::stores::{TestDatabase, TestRole};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::{
    export::audit,
    server::{Server, arguments, chancery, on_both_stores, output},
};

const API: &str = "urn:x:one";

/// An installation with something of every kind that is sealed, and the master keys that it may have.
struct Office<'a> {
    directory: &'a Path,
    location: StoreLocation,
    /// What `serve` and `rotate-master` are started with, once there is a new key.
    arguments: Vec<String>,
    client: (String, String),
    hmac: (String, String),
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{value:#}")).to_owned()
}

/// A key of its owner's is followed by one in another file, and both are configured. One that was generated
/// needs nothing.
fn with_new_key(directory: &Path, arguments: &[String]) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    if let Some(file) = arguments.last_mut() {
        let before = std::mem::replace(file, directory.join("new.key").display().to_string());
        fs::write(&*file, "0Zr9cKc5fkN8ZdVh0LmQxMPa5S6eqBvVqQ0Zb1yWb1E=\n").unwrap();
        let both = format!("master_key_previous_file = {}\n", json!(before));
        fs::write(directory.join("chancery.toml"), both).unwrap();
    }
    arguments
}

fn location(directory: &Path, arguments: &[String]) -> StoreLocation {
    let url = arguments
        .iter()
        .position(|argument| argument == "--database-url");
    match url {
        Some(at) => StoreLocation::Postgres(arguments[at + 1].clone()),
        None => StoreLocation::Sqlite(directory.join("chancery-data/chancery.db")),
    }
}

impl<'a> Office<'a> {
    async fn furnish(directory: &'a Path, arguments: &[String]) -> Self {
        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let run = async |query: &str| {
            let answer = server.graphql(&token, query).await.unwrap();
            assert!(answer["errors"].is_null(), "{answer:#}");
            answer["data"].clone()
        };
        run(
            r#"mutation { createTenant(input: {slug: "acme", displayName: "Acme", policy:
            {allowedAuthMethods: [CLIENT_SECRET_BASIC, CLIENT_SECRET_JWT]}}) { tenant { id } } }"#,
        )
        .await;
        run(
            r#"mutation { createApi(input: {tenant: "acme", identifier: "urn:x:one", name: "One",
            scopes: [{name: "a"}]}) { api { id } } }"#,
        )
        .await;
        let client = async |method: &str| {
            let create = format!(
                r#"mutation {{ createClient(input: {{tenant: "acme", name: "one", authMethod: {method},
                grants: [{{api: "urn:x:one", scopes: ["a"]}}]}}) {{ client {{ id }} secret {{ plaintext }} }} }}"#
            );
            let made = run(&create).await;
            let of = |pointer| text(&made, pointer);
            (
                of("/createClient/client/id"),
                of("/createClient/secret/plaintext"),
            )
        };
        let (client, hmac) = (
            client("CLIENT_SECRET").await,
            client("CLIENT_SECRET_JWT").await,
        );
        assert_eq!(server.terminate(), 0);
        let office = Self {
            directory,
            location: location(directory, arguments),
            arguments: with_new_key(directory, arguments),
            client,
            hmac,
        };
        office.is_exported();
        office
    }

    /// Signs the roll's checkpoint, with a key that is made when it is needed first.
    fn is_exported(&self) {
        let words = ["export", "--tenant", "acme", "-o", "acme.ndjson"];
        let (status, _, stderr) = audit(self.directory, &self.arguments, &words);
        assert_eq!(status, 0, "{stderr}");
    }

    /// Where a process finds master keys.
    fn key_files(&self) -> Vec<PathBuf> {
        let data = self.directory.join("chancery-data");
        let files = match self.location {
            StoreLocation::Sqlite(_) => {
                ["master.key", "master.next.key"].map(|name| data.join(name))
            }
            StoreLocation::Postgres(_) => {
                ["postgres-master.key", "new.key"].map(|name| self.directory.join(name))
            }
        };
        files.into_iter().filter(|file| file.exists()).collect()
    }

    /// How far it is: what each key has sealed, and which files are there. Every value opens with the keys
    /// that a process finds now.
    async fn state(&self) -> BTreeSet<String> {
        let store = StoreConfig::new(self.location.clone());
        let store = Store::connect(&store).await.unwrap();
        let mut keys = self
            .key_files()
            .into_iter()
            .map(|file| MasterKey::from_base64(&fs::read_to_string(file).unwrap()).unwrap());
        let sealer = Sealer::new(keys.next().unwrap(), keys.next());
        let mut state = BTreeSet::new();
        for which in Sealings::ALL {
            let rows = store.platform_sealings(which, "", "", 1_000).await.unwrap();
            assert!(!rows.is_empty(), "{which:?}: nothing is sealed");
            for row in rows {
                let sealed = Sealed {
                    master_key_id: row.master_key_id.clone(),
                    bytes: row.sealed.clone(),
                };
                let opened = sealer.open(&place(which, &row), &sealed);
                assert!(
                    opened.is_ok(),
                    "{} {}: {:?}",
                    row.purpose,
                    row.id,
                    opened.err()
                );
                state.insert(format!("{} under {}", row.id, row.master_key_id));
            }
        }
        store.close().await;
        let data = fs::read_dir(self.directory.join("chancery-data")).unwrap();
        let names = data.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // What a killed process leaves half-made is of no use to anybody.
        state.extend(names.filter(|name| name.ends_with(".key") && !name.starts_with('.')));
        state
    }

    fn rotate(&self) -> Command {
        let mut command = chancery(self.directory);
        command
            .args(&self.arguments)
            .args(["keys", "rotate-master"]);
        command
    }

    /// The server gives out tokens to clients of either kind.
    async fn serves(&self, server: &Server) {
        server.operator_token().await;
        let issued = server
            .token("acme", &self.client.0, &self.client.1, API)
            .await;
        assert!(issued.is_ok(), "{issued:?}");
        let issued = server.token_by("acme", &self.assertion(server), API).await;
        assert!(issued.is_ok(), "{issued:?}");
    }

    fn assertion(&self, server: &Server) -> String {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let claims = json!({
            "iss": self.hmac.0, "sub": self.hmac.0, "aud": format!("{}/t/acme", server.url),
            "exp": now.as_secs() + 60, "jti": now.as_nanos().to_string(),
        });
        let key = EncodingKey::from_secret(self.hmac.1.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    }
}

/// Where a value belongs: what its seal is bound to.
fn place(which: Sealings, row: &Sealing) -> SealContext {
    match (which, &*row.purpose) {
        (Sealings::Installation, _) => SealContext::installation_key(&row.id),
        (Sealings::Secrets, _) => SealContext::client_secret(&row.tenant, &row.id),
        (Sealings::Keys, "note-key") => SealContext::note_key(&row.tenant, &row.id),
        (Sealings::Keys, _) => SealContext::signing_key(&row.tenant, &row.id),
    }
}

/// A library that kills its process at one of its steps.
fn killer(directory: &Path) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/kill_at.c");
    let library = directory.join("kill_at.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
    let made = compiler
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(made.success());
    library
}

on_both_stores! {
    /// Killed at each thing that it tells a file or the database, from wherever the kill before has left it,
    /// and the server beside it started anew at every state that this comes to: all that is sealed opens
    /// with the keys that are there, and tokens are issued. In the end the new key alone is enough.
    async fn a_rotation_that_is_killed_at_every_step(directory: &Path, arguments: &[String]) {
        let office = Office::furnish(directory, arguments).await;
        let library = killer(directory);
        let mut server = Server::start(directory, &office.arguments);
        let mut states = vec![office.state().await];
        let generated = arguments.is_empty();
        let is_on_its_way = |state: &BTreeSet<String>| state.contains("master.next.key");
        let (mut kills, mut step) = (0, 1);
        loop {
            let mut rotate = office.rotate();
            rotate.env("LD_PRELOAD", &library).env("KILL_AT", step.to_string());
            let done = rotate.stdin(Stdio::null()).output().unwrap();
            if done.status.code() == Some(0) {
                break;
            }
            let told = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.signal(), Some(9), "at step {step}: {told}");
            kills += 1;
            let state = office.state().await;
            if states.last() == Some(&state) {
                office.serves(&server).await;
                step += 1;
            } else {
                states.push(state);
                assert_eq!(server.terminate(), 0);
                server = Server::start(directory, &office.arguments);
                office.serves(&server).await;
                office.is_exported();
                let mut lately = states.iter().rev().map(is_on_its_way);
                if generated && lately.next() == Some(false) && lately.next() == Some(true) {
                    // Killed when all was done: begun again it would be another rotation.
                    break;
                }
                // From here on the way is shorter by what is done already.
                step = (step - 6_i64).max(1);
            }
        }
        // The next key, the installation's, two tables; and two files, where the key was generated.
        assert!(states.len() >= if generated { 5 } else { 3 }, "{states:#?}");
        assert!(kills >= 15, "{kills}");
        office.serves(&server).await;
        assert_eq!(server.terminate(), 0);

        if !generated {
            fs::remove_file(directory.join("chancery.toml")).unwrap();
            fs::rename(directory.join("postgres-master.key"), directory.join("old")).unwrap();
        }
        office.state().await;
        office.serves(&Server::start(directory, &office.arguments)).await;
        office.is_exported();
        if !generated {
            let mut old = chancery(directory);
            old.args(&arguments[..2]).args(["--master-key-file", "old", "serve"]);
            let (status, _, told) = output(old);
            assert_eq!(status, 2, "{told}");
        }
    }
}

/// The statements of the operations guide that make a role for it.
fn guide(role: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let guide = fs::read_to_string(path).unwrap();
    let (_, after) = guide.split_once("CREATE ROLE chancery_keys").unwrap();
    let (block, _) = after.split_once("```").unwrap();
    let statements = block.split(';').skip(1).map(str::trim);
    let statements = statements.filter(|statement| !statement.is_empty());
    statements
        .map(|statement| statement.replace("chancery_keys", role))
        .collect()
}

/// A role that owns nothing and holds what the guide says, and nothing less, is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_owns_nothing_and_has_what_the_guide_says() {
    // Dropped in the other order: a role can go when nothing is granted to it any more.
    let role = TestRole::new().await;
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let arguments = arguments(directory.path(), &database);
    let mut office = Office::furnish(directory.path(), &arguments).await;
    let StoreLocation::Postgres(url) = &office.location else {
        panic!("{:?}", office.location)
    };
    let mut owner = PgConnection::connect(url).await.unwrap();
    let (name,): (String,) = sqlx::query_as("SELECT current_database()::text")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    let mut run = async |statement: &str| {
        sqlx::raw_sql(statement)
            .execute(&mut owner)
            .await
            .expect(statement);
    };
    run(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC")).await;
    let before = office.state().await;
    office.arguments[1] = role.of(url);
    let statements = guide(role.name());
    assert!(statements.len() >= 4, "{statements:?}");
    for statement in statements {
        let (status, _, told) = output(office.rotate());
        assert_ne!(status, 0, "enough without: {statement}");
        assert!(told.contains("permission denied"), "{told}");
        assert_eq!(office.state().await, before);
        run(&statement.replace("DATABASE chancery", &format!("DATABASE {name}"))).await;
    }
    let server = Server::start(directory.path(), &{
        let mut arguments = office.arguments.clone();
        arguments[1].clone_from(url);
        arguments
    });
    let (status, told, faults) = output(office.rotate());
    assert_eq!(status, 0, "{told}{faults}");
    let after = office.state().await;
    assert!(
        before.is_disjoint(&after) && before.len() == after.len(),
        "{after:#?}"
    );
    office.serves(&server).await;
    let store = StoreConfig::new(StoreLocation::Postgres(role.of(url)));
    let store = Store::connect(&store).await.unwrap();
    let events = fetch_all!(&store, (i64,), "SELECT COUNT(*) FROM events");
    assert!(events.is_err(), "the roll is none of its business");
}
