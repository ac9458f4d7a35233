//! Two processes of the server on one PostgreSQL, behind one public URL: what is used at one is used.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::{Algorithm, SigningKey};
use chancery_event_store::Backend;
use chancery_testkit::stores::TestDatabase;
use futures_util::future::join_all;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use crate::server::{Server, arguments, client};

/// How often each thing is done at both at once.
const ROUNDS: usize = 8;

const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

struct Two {
    servers: [Server; 2],
    http: reqwest::Client,
}

/// A client's id and secret.
type Client = (String, String);

impl Two {
    fn start(directory: &Path, database: &TestDatabase) -> Self {
        let mut settings = arguments(directory, database);
        let first = Server::start(directory, &settings);
        settings.extend(["--public-url".to_owned(), first.url.clone()]);
        let second = Server::start(directory, &settings);
        assert_ne!(first.address, second.address);
        Self {
            servers: [first, second],
            http: client().build().unwrap(),
        }
    }

    /// What the admin API of the first of them answers.
    async fn graphql(&self, token: &str, query: &str) -> Value {
        let answer = self.servers[0].graphql(token, query).await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    /// What the second one answers to a token request by an assertion.
    async fn assert(&self, assertion: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", BEARER),
            ("client_assertion", assertion),
        ];
        self.ask(1, "token", None, &form).await
    }

    /// What one of them answers.
    async fn ask(
        &self,
        at: usize,
        endpoint: &str,
        client: Option<&Client>,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let url = format!("{}/t/acme/oauth2/{endpoint}", self.servers[at].address);
        let mut request = self.http.post(url).form(form);
        if let Some((id, secret)) = client {
            request = request.basic_auth(id, Some(secret));
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The same at both, several times at once: the one that was given something, and the error of
    /// all others.
    async fn race(
        &self,
        client: Option<&Client>,
        form: &[(&str, &str)],
        status: u16,
        error: &str,
    ) -> Value {
        let asked = (0..6).map(|number| self.ask(number % 2, "token", client, form));
        let (won, lost): (Vec<_>, Vec<_>) = join_all(asked)
            .await
            .into_iter()
            .partition(|(status, _)| *status == 200);
        for (found, body) in &lost {
            assert_eq!(
                (*found, body["error"].as_str()),
                (status, Some(error)),
                "{body}"
            );
        }
        let [(_, body)] = <[_; 1]>::try_from(won).unwrap();
        body
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A tenant with refresh tokens, a client with a secret and one with a key.
async fn acme(server: &Server, jwk: &Value) -> (Client, String) {
    let token = server.operator_token().await;
    let graphql = async |query: &str| {
        let answer = server.graphql(&token, query).await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    };
    graphql(
        r#"mutation { createTenant(input: {slug: "acme", displayName: "Acme",
           policy: {refreshTokenSeconds: 3600}}) { tenant { id } } }"#,
    )
    .await;
    graphql(
        r#"mutation { createApi(input: {tenant: "acme", identifier: "urn:x:one", name: "One",
           scopes: [{name: "a"}, {name: "b"}]}) { api { id } } }"#,
    )
    .await;
    let grants = r#"grants: [{api: "urn:x:one", scopes: ["a", "b"]}]"#;
    let made = graphql(&format!(
        r#"mutation {{ createClient(input: {{tenant: "acme", name: "one", {grants}}}) {{
           client {{ id }} secret {{ plaintext }} }} }}"#
    ))
    .await;
    let made = &made["createClient"];
    let client = (
        text(&made["client"]["id"]),
        text(&made["secret"]["plaintext"]),
    );
    let x = &jwk["x"];
    let made = graphql(&format!(
        r#"mutation {{ createClient(input: {{tenant: "acme", name: "two", {grants},
           authMethod: PRIVATE_KEY_JWT, jwks: {{keys: [{{kty: "OKP", crv: "Ed25519", kid: "one", x: {x}}}]}}
           }}) {{ client {{ id }} }} }}"#
    ))
    .await;
    (client, text(&made["createClient"]["client"]["id"]))
}

fn assertion(key: &EncodingKey, client: &str, issuer: &str, jti: usize) -> String {
    let ends = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        + 60;
    let claims =
        json!({"iss": client, "sub": client, "aud": issuer, "exp": ends, "jti": jti.to_string()});
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encoded(&json!({"alg": "EdDSA"})), encoded(&claims));
    let algorithm = jsonwebtoken::Algorithm::EdDSA;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_or_revoked_at_one_process_is_so_at_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let two = Two::start(directory.path(), &database);
    let issuer = format!("{}/t/acme", two.servers[0].url);
    let (signing, pkcs8) = SigningKey::generate(Algorithm::EdDsa, "one").unwrap();
    let jwk = serde_json::to_value(signing.public_jwk()).unwrap();
    let (client, signer) = acme(&two.servers[0], &jwk).await;
    let (client, key) = (Some(&client), EncodingKey::from_ed_der(&pkcs8));

    // An assertion is good once.
    for round in 0..ROUNDS {
        let assertion = assertion(&key, &signer, &issuer, round);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", BEARER),
            ("client_assertion", &*assertion),
        ];
        two.race(None, &form, 401, "invalid_client").await;
    }

    // So is a refresh token, and its successor goes on.
    let grant = [("grant_type", "client_credentials")];
    let (_, mut latest) = two.ask(0, "token", client, &grant).await;
    let mut given = vec![text(&latest["access_token"])];
    for _ in 0..ROUNDS {
        let token = text(&latest["refresh_token"]);
        let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
        latest = two.race(client, &form, 400, "invalid_grant").await;
        given.push(text(&latest["access_token"]));
    }

    // What is revoked at one is gone at the other, with all that came from it.
    let token = text(&latest["refresh_token"]);
    for access in &given {
        let (_, found) = two.ask(1, "introspect", client, &[("token", access)]).await;
        assert_eq!(found["active"], true);
    }
    assert_eq!(
        two.ask(0, "revoke", client, &[("token", &token)]).await.0,
        200
    );
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    for at in [1, 0] {
        let (status, body) = two.ask(at, "token", client, &form).await;
        assert_eq!(
            (status, body["error"].as_str()),
            (400, Some("invalid_grant"))
        );
        for ended in given.iter().chain([&token]) {
            let (_, found) = two.ask(at, "introspect", client, &[("token", ended)]).await;
            assert_eq!(found, json!({"active": false}));
        }
    }
}

/// Ends clients and credentials at the one process, and asks the other at once, which has just used each.
async fn what_ends_at_one_process_ends_at_the_other(durability: &str) {
    let directory = tempfile::tempdir().unwrap();
    let settings = format!("[activity]\ndurability = \"{durability}\"\n");
    fs::write(directory.path().join("chancery.toml"), settings).unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let two = Two::start(directory.path(), &database);
    let issuer = format!("{}/t/acme", two.servers[0].url);
    let (signing, pkcs8) = SigningKey::generate(Algorithm::EdDsa, "one").unwrap();
    let jwk = serde_json::to_value(signing.public_jwk()).unwrap();
    let (_, signer) = acme(&two.servers[0], &jwk).await;
    let key = EncodingKey::from_ed_der(&pkcs8);
    let operator = two.servers[0].operator_token().await;
    let made = async |more: &str| {
        let query = format!(
            r#"mutation {{ createClient(input: {{tenant: "acme", name: "x", {more}
               grants: [{{api: "urn:x:one", scopes: ["a"]}}]}}) {{
               client {{ id }} secret {{ id plaintext }} }} }}"#
        );
        let made = two.graphql(&operator, &query).await["createClient"].clone();
        let secret = &made["secret"];
        let client = (text(&made["client"]["id"]), text(&secret["plaintext"]));
        (client, text(&secret["id"]))
    };
    let (api, _) = made(r#"serves: ["urn:x:one"],"#).await;
    let grant = [("grant_type", "client_credentials")];
    let told = async |token: &str| {
        let (_, found) = two
            .ask(1, "introspect", Some(&api), &[("token", token)])
            .await;
        found["active"] == true
    };
    for round in 0..3 {
        for (change, stays) in [
            (
                r#"disableClient(input: {client: "ID", reason: "x"})"#,
                false,
            ),
            (
                r#"revokeClientSecret(input: {client: "ID", secret: "SECRET", reason: "x"})"#,
                true,
            ),
            (
                r#"revokeClientSecret(input: {client: "ID", secret: "SECRET", reason: "x", compromised: true})"#,
                false,
            ),
        ] {
            let (client, secret) = made("").await;
            let (status, body) = two.ask(1, "token", Some(&client), &grant).await;
            assert_eq!(status, 200, "{body}");
            let token = text(&body["access_token"]);
            assert!(told(&token).await);
            let change = change.replace("ID", &client.0).replace("SECRET", &secret);
            two.graphql(
                &operator,
                &format!("mutation {{ {change} {{ client {{ id }} }} }}"),
            )
            .await;
            let (status, body) = two.ask(1, "token", Some(&client), &grant).await;
            assert_eq!(
                (status, &body["error"]),
                (401, &json!("invalid_client")),
                "{round}: {change}"
            );
            assert_eq!(told(&token).await, stays, "{round}: {change}");
        }
    }
    assert_eq!(
        two.assert(&assertion(&key, &signer, &issuer, 1)).await.0,
        200
    );
    let query = format!(r#"{{ client(id: "{signer}") {{ keys {{ id }} }} }}"#);
    let id = text(&two.graphql(&operator, &query).await["client"]["keys"][0]["id"]);
    let change = format!(
        r#"mutation {{ revokeClientKey(input: {{client: "{signer}", key: "{id}", reason: "x"}}) {{ client {{ id }} }} }}"#
    );
    two.graphql(&operator, &change).await;
    let (status, body) = two.assert(&assertion(&key, &signer, &issuer, 2)).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_process_ends_at_the_other_where_records_are_awaited() {
    what_ends_at_one_process_ends_at_the_other("before_response").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_process_ends_at_the_other_where_they_are_not() {
    what_ends_at_one_process_ends_at_the_other("async").await;
}
