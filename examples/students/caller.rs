//! The caller: a service that calls another one.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::post};
use chancery_sdk::{TokenClient, TokenRequest, middleware::BearerToken};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::{Value, json};

use super::{AUDIENCE, TENANT};
use crate::{BoxError, setup::Created};

struct Caller {
    service: String,
    /// With everything that was granted.
    full: ClientWithMiddleware,
    /// With the right to read alone.
    reading: ClientWithMiddleware,
}

/// The caller, as this client of this issuer, calling the service there.
pub fn router(issuer: &str, client: Created, service: &str) -> Result<Router, BoxError> {
    let tokens = TokenClient::builder()
        .issuer(issuer)
        .client_id(client.client_id)
        .secret(client.secret)
        .audience(AUDIENCE)
        .build()?;
    let bearer = BearerToken::new(tokens).only_for([service])?;
    let with = |bearer| {
        ClientBuilder::new(reqwest::Client::new())
            .with(bearer)
            .build()
    };
    let caller = Caller {
        service: service.to_owned(),
        reading: with(
            bearer
                .clone()
                .with_request(TokenRequest::new().scopes("read:students")),
        ),
        full: with(bearer),
    };
    Ok(Router::new()
        .route("/m2m/run", post(run))
        .with_state(Arc::new(caller)))
}

/// Calls every route and reports.
async fn run(State(caller): State<Arc<Caller>>) -> Json<Value> {
    let own = format!("/tenants/{TENANT}/students");
    let calls = [
        ("everything", &caller.full, "/protected"),
        ("everything", &caller.full, "/students"),
        ("everything", &caller.full, "/admin"),
        ("everything", &caller.full, own.as_str()),
        ("everything", &caller.full, "/tenants/another/students"),
        ("reading", &caller.reading, "/students"),
        ("reading", &caller.reading, "/admin"),
    ];
    let mut report = Vec::new();
    for (with, http, path) in calls {
        let answer = call(http, &format!("{}{path}", caller.service)).await;
        let answer = answer.unwrap_or_else(|error| json!({"error": error.to_string()}));
        report.push(json!({"with": with, "path": path, "answer": answer}));
    }
    Json(Value::Array(report))
}

async fn call(http: &ClientWithMiddleware, url: &str) -> Result<Value, BoxError> {
    let answer = http.get(url).send().await?;
    let status = answer.status().as_u16();
    let body = answer.text().await?;
    let body: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    Ok(json!({"status": status, "body": body}))
}
