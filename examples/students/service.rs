//! The service: what it has belongs to one tenant, but for what every tenant has of its own.

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

/// The service of the tenant whose issuer this is, at this server.
///
/// Each tenant of a server names its APIs, scopes and roles as it likes, also as another does. So what is one
/// tenant's trusts one issuer; and what trusts them all looks at the tenant of each caller.
pub fn router(base: &str, issuer: &str) -> Result<Router, BoxError> {
    let of_one = Verifier::builder()
        .issuer(issuer)
        .audience(AUDIENCE)
        .build()?;
    let of_all = Verifier::builder()
        .tenants_of(base)
        .audience(AUDIENCE)
        .build()?;
    let for_one = Router::new()
        .route("/students", get(students))
        .route("/admin", get(admin))
        .layer(AuthLayer::new(of_one));
    let for_all = Router::new()
        .route("/protected", get(protected))
        .route("/tenants/{tenant}/students", get(students_of))
        .layer(AuthLayer::new(of_all));
    Ok(for_one.merge(for_all))
}

/// For everybody with a good token, of any tenant: it tells of nothing but the caller.
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
