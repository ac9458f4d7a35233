//! The tenant whose clients ask for tokens: made through GraphQL, as an operator would.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::{error::Error, process::PATIENCE};

/// How many clients are made at a time.
const AT_ONCE: usize = 32;

/// A client of the tenant.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Client {
    /// A token request over HTTP/1.1, whole.
    pub(crate) fn request(&self, host: &str, path: &str) -> Vec<u8> {
        self.request_with(&self.secret, host, path)
    }

    /// A token request with a secret that was never issued.
    pub(crate) fn wrong_request(&self, host: &str, path: &str) -> Vec<u8> {
        let (kept, last) = self.secret.split_at(self.secret.len() - 1);
        let other = if last == "a" { "b" } else { "a" };
        self.request_with(&format!("{kept}{other}"), host, path)
    }

    fn request_with(&self, secret: &str, host: &str, path: &str) -> Vec<u8> {
        let basic = STANDARD.encode(format!("{}:{secret}", self.id));
        let body = "grant_type=client_credentials&scope=orders%3Aread+orders%3Awrite";
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Basic {basic}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// The operator of a server that was just started.
pub(crate) struct Operator {
    http: reqwest::Client,
    graphql: String,
    token: String,
}

impl Operator {
    /// With the credential that the server leaves in its data directory, which is there when it is ready.
    pub(crate) async fn of(data_dir: &Path, address: SocketAddr) -> Result<Self, Error> {
        let http = reqwest::Client::new();
        let ready = format!("http://{address}/readyz");
        let begin = Instant::now();
        while !http.get(&ready).send().await?.status().is_success() {
            if begin.elapsed() > PATIENCE {
                return Err(Error::Wrong("the server did not get ready".into()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let file = data_dir.join("operator.json");
        let text = fs::read(&file).map_err(Error::io(format!("read {}", file.display())))?;
        let credential: Value = serde_json::from_slice(&text)?;
        let field = |name: &str| credential[name].as_str().unwrap_or_default().to_owned();
        let issued: Value = http
            .post(field("token_endpoint"))
            .basic_auth(field("client_id"), Some(field("client_secret")))
            .form(&[
                ("grant_type", "client_credentials"),
                ("audience", &field("audience")),
            ])
            .send()
            .await?
            .json()
            .await?;
        Ok(Self {
            http,
            graphql: field("graphql_endpoint"),
            token: issued["access_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })
    }

    /// A tenant that signs with this algorithm and sets no limits, and so many clients of it.
    pub(crate) async fn tenant(
        &self,
        slug: &str,
        algorithm: &str,
        clients: usize,
    ) -> Result<Vec<Client>, Error> {
        let policy = json!({"signingAlgorithm": algorithm, "rateLimit": {"client": null}});
        let tenant = json!({"slug": slug, "displayName": slug, "policy": policy});
        self.mutation("createTenant", "tenant { id }", tenant)
            .await?;
        let scopes = json!([{"name": "orders:read"}, {"name": "orders:write"}]);
        let api = json!({"tenant": slug, "identifier": "https://orders.example", "name": "Orders", "scopes": scopes});
        self.mutation("createApi", "api { id }", api).await?;
        let mut made = Vec::with_capacity(clients);
        for number in 0..clients {
            let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read", "orders:write"]}]);
            let client =
                json!({"tenant": slug, "name": format!("client {number}"), "grants": grants});
            let created = self
                .mutation("createClient", "client { id } secret { plaintext }", client)
                .await?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            made.push(Client {
                id: text(&created["client"]["id"]),
                secret: text(&created["secret"]["plaintext"]),
            });
        }
        Ok(made)
    }

    /// So many clients with this key and no secret, which cost no hash: those that are there and are not
    /// asked for, or those that authenticate with the key.
    pub(crate) async fn with_key(
        &self,
        slug: &str,
        jwks: &Value,
        clients: usize,
    ) -> Result<Vec<String>, Error> {
        let create = async |number: usize| {
            let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read", "orders:write"]}]);
            let client = json!({"tenant": slug, "name": format!("key {number}"), "grants": grants,
                "authMethod": "PRIVATE_KEY_JWT", "jwks": jwks});
            let created = self
                .mutation("createClient", "client { id }", client)
                .await?;
            let id = created["client"]["id"].as_str().unwrap_or_default();
            Ok::<_, Error>(id.to_owned())
        };
        stream::iter(0..clients)
            .map(create)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn mutation(&self, name: &str, fields: &str, input: Value) -> Result<Value, Error> {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let query =
            format!("mutation M($input: {kind}!) {{ {name}(input: $input) {{ {fields} }} }}");
        let mut answer: Value = self
            .http
            .post(&self.graphql)
            .bearer_auth(&self.token)
            .json(&json!({"query": query, "variables": {"input": input}}))
            .send()
            .await?
            .json()
            .await?;
        if let Some(errors) = answer.get("errors") {
            return Err(Error::Wrong(format!("{name}: {errors}")));
        }
        Ok(answer["data"][name].take())
    }
}
