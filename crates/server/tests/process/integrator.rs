//! Somebody who was given what the integrators' guide begins with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::server::{Server, output};

/// A client's id and secret.
type Client = (String, String);

/// One client for each way to authenticate, at a tenant with refresh tokens and an API.
pub(crate) struct Integrator {
    issuer: String,
    pub(crate) client: Client,
    jwt_client: Client,
    key_client: String,
    key: PathBuf,
    token: Value,
}

impl Integrator {
    pub(crate) async fn welcome(server: &Server, directory: &Path) -> Self {
        let operator = server.operator_token().await;
        let graphql = async |query: &str| {
            let answer = server.graphql(&operator, query).await.unwrap();
            assert!(answer.get("errors").is_none(), "{answer:#}");
            answer["data"].clone()
        };
        graphql(
            r#"mutation { createTenant(input: {slug: "acme", displayName: "Acme", policy: {
               refreshTokenSeconds: 3600, rateLimit: {client: {requests: 100000, windowSeconds: 60, enforce: true}},
               allowedAuthMethods: [CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, CLIENT_SECRET_JWT, PRIVATE_KEY_JWT]
               }}) { tenant { id } } }"#,
        )
        .await;
        graphql(
            r#"mutation { createApi(input: {tenant: "acme", identifier: "https://orders.example", name: "Orders",
               scopes: [{name: "orders:read"}, {name: "orders:write"}]}) { api { id } } }"#,
        )
        .await;
        let key = directory.join("client-key.pem");
        let jwk = generate(&key);
        let create = async |name: &str, method: &str| {
            let query = format!(
                r#"mutation {{ createClient(input: {{tenant: "acme", name: "{name}", {method},
                   grants: [{{api: "https://orders.example", scopes: ["orders:read", "orders:write"]}}]}})
                   {{ client {{ id }} secret {{ plaintext }} }} }}"#
            );
            let created = graphql(&query).await;
            let text = |pointer: &str| {
                created
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            };
            (
                text("/createClient/client/id").unwrap(),
                text("/createClient/secret/plaintext").unwrap_or_default(),
            )
        };
        let client = create("one", "authMethod: CLIENT_SECRET").await;
        let jwt_client = create("two", "authMethod: CLIENT_SECRET_JWT").await;
        let (key_client, _) = create(
            "three",
            &format!("authMethod: PRIVATE_KEY_JWT, jwks: {{keys: [{jwk}]}}"),
        )
        .await;
        let issuer = format!("{}/t/acme", server.url);
        let token = reqwest::Client::new()
            .post(format!("{issuer}/oauth2/token"))
            .basic_auth(&client.0, Some(&client.1))
            .form(&[("grant_type", "client_credentials")]);
        let token = token.send().await.unwrap().json().await.unwrap();
        Self {
            issuer,
            client,
            jwt_client,
            key_client,
            key,
            token,
        }
    }

    /// By the names that the guide has for it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let token = |name: &str| self.token[name].as_str().unwrap().to_owned();
        vec![
            ("ISSUER", self.issuer.clone()),
            ("CLIENT_ID", self.client.0.clone()),
            ("CLIENT_SECRET", self.client.1.clone()),
            ("JWT_CLIENT_ID", self.jwt_client.0.clone()),
            ("JWT_CLIENT_SECRET", self.jwt_client.1.clone()),
            ("KEY_CLIENT_ID", self.key_client.clone()),
            ("KEY_FILE", self.key.to_str().unwrap().to_owned()),
            ("KEY_ID", "one".to_owned()),
            ("TOKEN", token("access_token")),
            ("REFRESH_TOKEN", token("refresh_token")),
        ]
    }
}

/// A new private key in a file, made as the guide says, and its public half as GraphQL takes it.
fn generate(file: &Path) -> String {
    let public = file.with_extension("der");
    let mut make = Command::new("openssl");
    make.args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    make.arg("-out").arg(file);
    let mut publish = Command::new("openssl");
    publish.args(["pkey", "-pubout", "-outform", "DER"]);
    publish.arg("-in").arg(file).arg("-out").arg(&public);
    for command in [make, publish] {
        let (status, _, complained) = output(command);
        assert_eq!(status, 0, "{complained}");
    }
    // The point is the last of what is there.
    let public = fs::read(public).unwrap();
    let point = &public[public.len() - 64..];
    let [x, y] = [&point[..32], &point[32..]].map(|part| json!(URL_SAFE_NO_PAD.encode(part)));
    format!(r#"{{kty: "EC", crv: "P-256", alg: "ES256", kid: "one", x: {x}, y: {y}}}"#)
}
