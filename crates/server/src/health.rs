//! Liveness and readiness.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use chancery_event_store::Store;
use serde_json::json;

/// How long the store may take to answer before the server calls itself not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many tenants an alarm names.
const ALARMS: u32 = 10;

/// `/healthz`: the process answers. `/readyz`: it can do its work.
pub(crate) fn routes(store: Store) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready).with_state(store))
}

/// What is at no URL of ours (RFC 9457).
pub(crate) async fn nothing_here() -> impl IntoResponse {
    let problem = json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing at this URL; the explorer is at /graphql, a tenant's metadata at /.well-known/oauth-authorization-server/t/{slug}",
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::NOT_FOUND, kind, problem.to_string())
}

async fn ready(State(store): State<Store>) -> impl IntoResponse {
    let looked = async {
        store.ping().await?;
        store.platform_seal_faults(ALARMS).await
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(Ok(stopped)) if stopped.is_empty() => (StatusCode::OK, Json(json!({"status": "ready"}))),
        // Tokens are as good as before, so it is ready; but somebody has to look.
        Ok(Ok(stopped)) => {
            let stopped: Vec<_> = stopped
                .iter()
                .map(|(tenant, _)| tenant.to_string())
                .collect();
            let body = json!({
                "status": "ready",
                "alarm": "the rolls of these tenants are not as they were sealed; the log says more",
                "tenants": stopped,
            });
            (StatusCode::OK, Json(body))
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the store does not answer");
            not_ready("the store cannot be reached; the log says why")
        }
        Err(_) => not_ready("the store does not answer in time"),
    }
}

fn not_ready(reason: &str) -> (StatusCode, Json<serde_json::Value>) {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({"status": "not ready", "reason": reason})),
    )
}
