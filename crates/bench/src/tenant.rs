//! The tenant whose clients ask for tokens: made through GraphQL, as an operator would.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::error::Error;

/// A client of the tenant.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Client {
    /// A token request over HTTP/1.1, whole.
    pub(crate) fn request(&self, host: &str, path: &str) -> Vec<u8> {
        let basic = STANDARD.encode(format!("{}:{}", self.id, self.secret));
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
    /// With the credential that the server left in its data directory.
    pub(crate) async fn of(data_dir: &Path) -> Result<Self, Error> {
        let file = data_dir.join("operator.json");
        let text = fs::read(&file).map_err(Error::io(format!("read {}", file.display())))?;
        let credential: Value = serde_json::from_slice(&text)?;
        let field = |name: &str| credential[name].as_str().unwrap_or_default().to_owned();
        let http = reqwest::Client::new();
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
