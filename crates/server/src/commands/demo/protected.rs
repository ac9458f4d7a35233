//! A resource server as a tenant would write it: it knows the issuer, fetches the key set, and lets
//! a `jsonwebtoken` decide.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::exit::Failure;

/// The identifier of the demo's API.
pub(super) const AUDIENCE: &str = "https://orders.example";

#[derive(Clone)]
struct Orders {
    issuer: String,
    keys: JwkSet,
}

/// Starts the resource server on a free port and gives its URL.
pub(super) async fn start(issuer: &str) -> Result<String, Failure> {
    let keys = reqwest::get(format!("{issuer}/oauth2/jwks"))
        .await
        .map_err(Failure::system)?;
    let keys = keys.json().await.map_err(Failure::system)?;
    let orders = Orders {
        issuer: issuer.to_owned(),
        keys,
    };
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(Failure::system)?;
    let url = format!(
        "http://{}/orders",
        listener.local_addr().map_err(Failure::system)?
    );
    let router = Router::new().route("/orders", get(list)).with_state(orders);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn list(
    State(orders): State<Orders>,
    headers: HeaderMap,
) -> Result<Json<Value>, (StatusCode, String)> {
    let unauthorized = |reason: String| (StatusCode::UNAUTHORIZED, reason);
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| unauthorized("a bearer token is missing".to_owned()))?;
    let claims = verify(&orders, token).map_err(unauthorized)?;
    let scopes = claims["scopes"].as_array().map_or(&[][..], Vec::as_slice);
    if !scopes.contains(&json!("orders:read")) {
        return Err((
            StatusCode::FORBIDDEN,
            "this needs the scope orders:read".to_owned(),
        ));
    }
    Ok(Json(
        json!({"tenant": claims["tenant_id"], "orders": ["one", "two"]}),
    ))
}

/// The claims, or why the token is not good here.
fn verify(orders: &Orders, token: &str) -> Result<Value, String> {
    let words = |error: jsonwebtoken::errors::Error| error.to_string();
    let header = jsonwebtoken::decode_header(token).map_err(words)?;
    let key = header
        .kid
        .and_then(|kid| orders.keys.find(&kid))
        .ok_or_else(|| format!("{} has no key with the token's kid", orders.issuer))?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[&orders.issuer]);
    validation.set_audience(&[AUDIENCE]);
    let key = DecodingKey::from_jwk(key).map_err(words)?;
    let token = jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(words)?;
    Ok(token.claims)
}
