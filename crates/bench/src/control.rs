//! The control: what a token costs when nothing is checked and nothing is stored. It reads the same
//! form and the same header, makes the same claims, and signs with a key that was parsed once.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chancery_crypto::{Algorithm, Entropy, SigningKey, SystemEntropy};
use clap::Args;
use serde::Serialize;

use crate::error::Error;

/// What every token grants.
const SCOPE: &str = "orders:read orders:write";

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// What to sign with.
    #[arg(long)]
    algorithm: String,
}

struct Control {
    key: SigningKey,
    entropy: SystemEntropy,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    client_id: &'a str,
    tenant_id: &'a str,
    aud: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    scope: &'a str,
    scopes: [&'a str; 2],
    r#type: &'a str,
    credential_id: &'a str,
}

#[derive(Serialize)]
struct Issued<'a> {
    access_token: String,
    token_type: &'a str,
    expires_in: u64,
    scope: &'a str,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let algorithm = match options.algorithm.as_str() {
        "ES256" => Algorithm::Es256,
        "RS256" => Algorithm::Rs256,
        "EDDSA" => Algorithm::EdDsa,
        other => return Err(Error::Wrong(format!("there is no control for {other}"))),
    };
    let (key, _) = SigningKey::generate(algorithm, "key_01kqffb7e1fhmveswj7mgeyzvs")
        .map_err(|error| Error::Wrong(error.to_string()))?;
    let state = Arc::new(Control {
        key,
        entropy: SystemEntropy::new(),
    });
    // The server's path, so that both get the same requests.
    let router = Router::new()
        .route("/t/{slug}/oauth2/token", post(token))
        .with_state(state);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start the control"))?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(options.listen)
            .await
            .map_err(Error::io(format!("listen on {}", options.listen)))?;
        axum::serve(listener, router)
            .await
            .map_err(Error::io("serve the control"))
    })
}

async fn token(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(StatusCode::UNAUTHORIZED)?;
    let (client, _secret) = basic.split_once(':').ok_or(StatusCode::UNAUTHORIZED)?;
    let mut grant_type = None;
    for (name, value) in url::form_urlencoded::parse(&body) {
        if name == "grant_type" {
            grant_type = Some(value);
        }
    }
    if grant_type.as_deref() != Some("client_credentials") {
        return Err(StatusCode::BAD_REQUEST);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the control is no part of the server"
    )]
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .as_secs();
    let entropy: &dyn Entropy = &control.entropy;
    let claims = Claims {
        iss: "http://127.0.0.1:8080/t/bench-es256",
        sub: client,
        client_id: client,
        tenant_id: "tenant_01kqffb7e1fhmveswj7mgeyzvs",
        aud: "https://orders.example",
        iat: now,
        nbf: now,
        exp: now + 3_600,
        jti: uuid::Builder::from_random_bytes(entropy.bytes())
            .into_uuid()
            .to_string(),
        scope: SCOPE,
        scopes: ["orders:read", "orders:write"],
        r#type: "m2m",
        credential_id: "secret_01kqffb7e1fhmveswj7mgeyzvs",
    };
    let claims = serde_json::to_vec(&claims).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let access_token = control
        .key
        .sign_jwt(&claims)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let issued = Json(Issued {
        access_token,
        token_type: "Bearer",
        expires_in: 3_600,
        scope: SCOPE,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], issued).into_response())
}
