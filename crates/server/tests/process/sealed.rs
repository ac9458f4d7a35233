//! An installation with something of every kind that is sealed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use chancery_crypto::{MasterKey, SealContext, Sealed, Sealer};
use chancery_event_store::{Sealing, Sealings, Store, StoreConfig, StoreLocation};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::{
    export::audit,
    server::{Server, chancery},
};

const API: &str = "urn:x:one";

/// An installation with something of every kind that is sealed, and the master keys that it may have.
pub(crate) struct Office<'a> {
    directory: &'a Path,
    pub(crate) location: StoreLocation,
    /// What `serve` and `rotate-master` are started with, once there is a new key.
    pub(crate) arguments: Vec<String>,
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
    pub(crate) async fn furnish(directory: &'a Path, arguments: &[String]) -> Self {
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
        server.checkpoint("acme").await;
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
    pub(crate) fn is_exported(&self) {
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
    pub(crate) async fn state(&self) -> BTreeSet<String> {
        let store = StoreConfig::new(self.location.clone());
        let store = Store::connect(&store).await.unwrap();
        let mut keys = self
            .key_files()
            .into_iter()
            .map(|file| MasterKey::from_base64(&fs::read_to_string(file).unwrap()).unwrap());
        let under = Sealer::new(keys.next().unwrap(), keys.next());
        let mut state = BTreeSet::new();
        for which in Sealings::ALL {
            let rows = store.platform_sealings(which, "", "", 1_000).await.unwrap();
            assert!(!rows.is_empty(), "{which:?}: nothing is sealed");
            for row in rows {
                let sealed = Sealed {
                    master_key_id: row.master_key_id.clone(),
                    bytes: row.sealed.clone(),
                };
                let opened = under.open(&place(which, &row), &sealed);
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
        let is_key = |name: &String| name.starts_with("master") && !name.starts_with('.');
        state.extend(names.filter(is_key));
        state
    }

    pub(crate) fn rotate(&self) -> Command {
        let mut command = chancery(self.directory);
        command
            .args(&self.arguments)
            .args(["keys", "rotate-master"]);
        command
    }

    /// A token of the client that sends its secret, or the status.
    pub(crate) async fn token(&self, server: &Server) -> Result<String, u16> {
        let (client, secret) = &self.client;
        server.token("acme", client, secret, API).await
    }

    /// The server gives out tokens to clients of either kind.
    pub(crate) async fn serves(&self, server: &Server) {
        server.operator_token().await;
        let issued = self.token(server).await;
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
