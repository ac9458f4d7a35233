//! What an operator does: a tenant, an API, clients. By GraphQL, with the credential of `operator.json`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chancery_sdk::{Secret, TokenClient, middleware::BearerToken};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::BoxError;

/// An operator of the whole platform.
#[derive(Debug)]
pub struct Operator {
    http: ClientWithMiddleware,
    graphql: String,
    base: String,
}

/// A client that was made, with its secret, which is shown this once.
#[derive(Debug)]
pub struct Created {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
}

/// The first argument of the program, or where `chancery serve` writes it.
pub fn operator_file() -> PathBuf {
    let given = std::env::args_os().nth(1);
    given.map_or_else(|| "chancery-data/operator.json".into(), PathBuf::from)
}

impl Operator {
    /// Reads the credential that the server wrote at its first start.
    pub fn from_file(path: &Path) -> Result<Self, BoxError> {
        #[derive(Deserialize)]
        struct Credential {
            issuer: String,
            graphql_endpoint: String,
            audience: String,
            client_id: String,
            client_secret: String,
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            format!("{path}: {error}; start `chancery serve` here, or name its operator.json")
        })?;
        let credential: Credential = serde_json::from_str(&text)?;
        let tokens = TokenClient::builder()
            .issuer(credential.issuer.as_str())
            .client_id(credential.client_id)
            .secret(credential.client_secret)
            .audience(credential.audience)
            .build()?;
        let graphql = credential.graphql_endpoint;
        // A server that hangs holds up nobody for longer.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            http: ClientBuilder::new(http)
                .with(BearerToken::new(tokens).only_for([&graphql])?)
                .build(),
            base: graphql.trim_end_matches("/graphql").to_owned(),
            graphql,
        })
    }

    /// The server that it operates.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The issuer of a tenant.
    pub fn issuer(&self, tenant: &str) -> String {
        format!("{}/t/{tenant}", self.base)
    }

    /// Makes a tenant, unless it is there.
    pub async fn tenant(&self, slug: &str, policy: Value) -> Result<(), BoxError> {
        let input = json!({"slug": slug, "displayName": slug, "policy": policy});
        let made = self
            .mutation("createTenant", "CreateTenantInput", "tenant { id }", input)
            .await;
        unless_it_is_there(made, "SLUG_TAKEN")
    }

    /// Makes an API, unless it is there.
    pub async fn api(&self, api: Value) -> Result<(), BoxError> {
        let made = self
            .mutation("createApi", "CreateApiInput", "api { id }", api)
            .await;
        unless_it_is_there(made, "IDENTIFIER_TAKEN")
    }

    /// Makes a client that ends tomorrow.
    pub async fn client(&self, mut client: Value) -> Result<Created, BoxError> {
        client["expiresInDays"] = json!(1);
        let fields = "client { id } secret { plaintext }";
        let made = self
            .mutation("createClient", "CreateClientInput", fields, client)
            .await?;
        Ok(Created {
            client_id: text(&made, "/client/id")?,
            secret: text(&made, "/secret/plaintext")?.into(),
        })
    }

    /// Gives a client another secret. The one before works on for so long.
    pub async fn rotate(&self, client_id: &str, overlap_seconds: u32) -> Result<Secret, BoxError> {
        let input = json!({"client": client_id, "overlapSeconds": overlap_seconds});
        let fields = "secret { plaintext }";
        let rotated = self
            .mutation(
                "rotateClientSecret",
                "RotateClientSecretInput",
                fields,
                input,
            )
            .await?;
        Ok(text(&rotated, "/secret/plaintext")?.into())
    }

    async fn mutation(
        &self,
        name: &str,
        kind: &str,
        fields: &str,
        input: Value,
    ) -> Result<Value, BoxError> {
        let query =
            format!("mutation M($input: {kind}!) {{ {name}(input: $input) {{ {fields} }} }}");
        let body = json!({"query": query, "variables": {"input": input}});
        let answer: Value = self
            .http
            .post(&self.graphql)
            .json(&body)
            .send()
            .await?
            .json()
            .await?;
        match answer.pointer("/errors/0") {
            None => Ok(answer["data"][name].clone()),
            Some(error) => Err(error.to_string().into()),
        }
    }
}

fn unless_it_is_there(made: Result<Value, BoxError>, refusal: &str) -> Result<(), BoxError> {
    match made {
        Err(error) if !error.to_string().contains(refusal) => Err(error),
        _ => Ok(()),
    }
}

fn text(value: &Value, pointer: &str) -> Result<String, BoxError> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    Ok(text.ok_or("the answer lacks a member")?.to_owned())
}
