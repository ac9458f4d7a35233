//! The service: it trusts the tokens of every tenant of the server, and nobody without one.

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use chancery_sdk::{AuthLayer, Caller, Permission, Permitted, Require, Verifier};
use serde_json::{Value, json};

use super::AUDIENCE;
use crate::BoxError;

struct ReadStudents;

impl Permission for ReadStudents {
    const REQUIRE: Require = Require::new().all_scopes(&["read:students"]);
}

struct Administer;

impl Permission for Administer {
    const REQUIRE: Require = Require::new()
        .all_scopes(&["admin:students"])
        .all_roles(&["registrar"]);
}

/// The service, for callers who have their tokens from this server.
pub fn router(base: &str) -> Result<Router, BoxError> {
    let verifier = Verifier::builder()
        .tenants_of(base)
        .audience(AUDIENCE)
        .build()?;
    Ok(Router::new()
        .route("/protected", get(protected))
        .route("/students", get(students))
        .route("/admin", get(admin))
        .route("/tenants/{tenant}/students", get(students_of))
        .layer(AuthLayer::new(verifier)))
}

/// For everybody with a good token.
async fn protected(caller: Caller) -> Json<Value> {
    Json(json!({
        "client": caller.client_id(),
        "tenant": caller.tenant(),
        "scopes": caller.scopes().to_string(),
        "roles": caller.roles(),
    }))
}

/// For those who may read.
async fn students(_: Permitted<ReadStudents>) -> Json<Value> {
    Json(json!(["Ada", "Grace"]))
}

/// For registrars.
async fn admin(caller: Permitted<Administer>) -> Json<Value> {
    Json(json!({"administrator": caller.client_id()}))
}

/// For those who may read, of their own tenant. Another tenant's students are none that there are.
async fn students_of(
    caller: Permitted<ReadStudents>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    if caller.tenant() == Some(tenant.as_str()) {
        Ok(students(caller).await)
    } else {
        Err(StatusCode::NOT_FOUND)
    }
}
