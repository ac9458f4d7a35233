//! The tenant whose clients ask for tokens: made through GraphQL, as an operator would.

use std::{
    fs,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::{error::Error, installation::Installation, load::Requests, process::PATIENCE};

/// How many clients are made at a time.
const AT_ONCE: usize = 32;

/// What every client asks for.
pub(crate) const SCOPES: &str = "orders:read orders:write";

/// Whose scopes they are.
const API: &str = "https://orders.example";

/// A tenant with its one API, which has no limits.
pub(crate) struct Tenant {
    pub(crate) slug: String,
    pub(crate) id: String,
    /// The API's id.
    pub(crate) api: String,
}

impl Tenant {
    /// Where its clients ask.
    pub(crate) fn endpoint(&self, name: &str) -> String {
        format!("/t/{}/oauth2/{name}", self.slug)
    }
}

/// A client of the tenant.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Client {
    /// A token request over HTTP/1.1, whole.
    pub(crate) fn request(&self, host: &str, path: &str) -> Vec<u8> {
        self.post(host, path, &client_credentials())
    }

    /// A token request with a secret that was never issued.
    pub(crate) fn wrong_request(&self, host: &str, path: &str) -> Vec<u8> {
        let (kept, last) = self.secret.split_at(self.secret.len() - 1);
        let other = if last == "a" { "b" } else { "a" };
        let wrong = Self {
            id: self.id.clone(),
            secret: format!("{kept}{other}"),
        };
        wrong.request(host, path)
    }

    /// This form, by this client.
    pub(crate) fn post(&self, host: &str, path: &str, form: &str) -> Vec<u8> {
        self.post_with(host, path, "", form)
    }

    /// The same with these further headers, which are lines.
    pub(crate) fn post_with(&self, host: &str, path: &str, headers: &str, form: &str) -> Vec<u8> {
        let basic = STANDARD.encode(format!("{}:{}", self.id, self.secret));
        post(
            host,
            path,
            &format!("authorization: Basic {basic}\r\n{headers}"),
            "application/x-www-form-urlencoded",
            form,
        )
    }
}

/// Token requests of these clients in turn.
pub(crate) fn requests(clients: &[Client], host: &str, path: &str) -> Requests {
    clients
        .iter()
        .map(|client| client.request(host, path))
        .collect()
}

/// The form of a token request, but for who asks.
pub(crate) fn client_credentials() -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", SCOPES)
        .finish()
}

/// A request over HTTP/1.1, whole. `headers` are lines.
pub(crate) fn post(host: &str, path: &str, headers: &str, content: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-type: {content}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The operator of a server that was just started.
pub(crate) struct Operator {
    http: reqwest::Client,
    graphql: String,
    token: String,
}

impl Operator {
    /// With the credential that the server leaves in its data directory, which is there when it is ready.
    pub(crate) async fn of(installation: &Installation) -> Result<Self, Error> {
        let http = reqwest::Client::new();
        let address = installation.address;
        let ready = format!("http://{address}/readyz");
        let begin = Instant::now();
        while !http.get(&ready).send().await?.status().is_success() {
            if begin.elapsed() > PATIENCE {
                return Err(Error::Wrong("the server did not get ready".into()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let file = installation.directory().join("operator.json");
        let read = fs::read(&file).map_err(Error::io(format!("read {}", file.display())))?;
        let credential: Value = serde_json::from_slice(&read)?;
        let field = |name: &str| text(&credential[name]);
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
            token: text(&issued["access_token"]),
        })
    }

    /// A tenant with this policy beside that of no limits.
    pub(crate) async fn tenant(&self, slug: &str, mut policy: Value) -> Result<Tenant, Error> {
        policy["rateLimit"] = json!({"client": null});
        let tenant = json!({"slug": slug, "displayName": slug, "policy": policy});
        let tenant = self
            .mutation("createTenant", "tenant { id }", tenant)
            .await?;
        let scopes: Vec<_> = SCOPES
            .split(' ')
            .map(|name| json!({"name": name}))
            .collect();
        let api = json!({"tenant": slug, "identifier": API, "name": "Orders", "scopes": scopes});
        let api = self.mutation("createApi", "api { id }", api).await?;
        Ok(Tenant {
            slug: slug.to_owned(),
            id: text(&tenant["tenant"]["id"]),
            api: text(&api["api"]["id"]),
        })
    }

    /// So many clients with a secret.
    pub(crate) async fn clients(
        &self,
        tenant: &Tenant,
        clients: usize,
    ) -> Result<Vec<Client>, Error> {
        self.create(tenant, clients, &json!({})).await
    }

    /// A client that serves the API, and so may ask about its tokens.
    pub(crate) async fn serving(&self, tenant: &Tenant) -> Result<Client, Error> {
        let mut made = self.create(tenant, 1, &json!({"serves": [API]})).await?;
        made.pop()
            .ok_or_else(|| Error::Wrong("no client was made".into()))
    }

    /// So many clients with this key and no secret, which cost no hash: those that are there and are not
    /// asked for, or those that authenticate with the key.
    pub(crate) async fn with_key(
        &self,
        tenant: &Tenant,
        jwks: &Value,
        clients: usize,
    ) -> Result<Vec<String>, Error> {
        let more = json!({"authMethod": "PRIVATE_KEY_JWT", "jwks": jwks});
        let made = self.create(tenant, clients, &more).await?;
        Ok(made.into_iter().map(|client| client.id).collect())
    }

    /// For each of these clients a secret that was good for a moment.
    pub(crate) async fn revoked(&self, clients: &[Client]) -> Result<Vec<Client>, Error> {
        let revoked = async |client: &Client| {
            let asked = json!({"client": client.id});
            let issued = self
                .mutation("issueClientSecret", "secret { id plaintext }", asked)
                .await?;
            let secret = &issued["secret"];
            let asked = json!({"client": client.id, "secret": secret["id"], "reason": "bench"});
            self.mutation("revokeClientSecret", "client { id }", asked)
                .await?;
            Ok::<_, Error>(Client {
                id: client.id.clone(),
                secret: text(&secret["plaintext"]),
            })
        };
        stream::iter(clients)
            .map(revoked)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn create(
        &self,
        tenant: &Tenant,
        clients: usize,
        more: &Value,
    ) -> Result<Vec<Client>, Error> {
        let create = async |number: usize| {
            let mut client = new_client(&tenant.slug, &format!("client {number}"));
            for (name, value) in more.as_object().into_iter().flatten() {
                client[name] = value.clone();
            }
            let created = self
                .mutation("createClient", "client { id } secret { plaintext }", client)
                .await?;
            Ok::<_, Error>(Client {
                id: text(&created["client"]["id"]),
                secret: text(&created["secret"]["plaintext"]),
            })
        };
        stream::iter(0..clients)
            .map(create)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn mutation(&self, name: &str, fields: &str, input: Value) -> Result<Value, Error> {
        let mut data = self.ask(&mutation(name, fields, &input)).await?;
        Ok(data[name].take())
    }

    /// What GraphQL answers to `{"query", "variables"}`.
    pub(crate) async fn ask(&self, question: &Value) -> Result<Value, Error> {
        let mut answer: Value = self
            .http
            .post(&self.graphql)
            .bearer_auth(&self.token)
            .json(question)
            .send()
            .await?
            .json()
            .await?;
        if let Some(errors) = answer.get("errors") {
            return Err(Error::Wrong(format!("{}: {errors}", question["query"])));
        }
        Ok(answer["data"].take())
    }

    /// The same as a request over HTTP/1.1, whole.
    pub(crate) fn request(&self, host: &str, question: &Value) -> Vec<u8> {
        let bearer = format!("authorization: Bearer {}\r\n", self.token);
        post(
            host,
            "/graphql",
            &bearer,
            "application/json",
            &question.to_string(),
        )
    }
}

/// The input of `createClient` for a client that may ask for everything.
pub(crate) fn new_client(slug: &str, name: &str) -> Value {
    let scopes: Vec<_> = SCOPES.split(' ').collect();
    json!({"tenant": slug, "name": name, "grants": [{"api": API, "scopes": scopes}]})
}

/// A mutation as it is sent to GraphQL.
pub(crate) fn mutation(name: &str, fields: &str, input: &Value) -> Value {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let query = format!("mutation M($input: {kind}!) {{ {name}(input: $input) {{ {fields} }} }}");
    json!({"query": query, "variables": {"input": input}})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
