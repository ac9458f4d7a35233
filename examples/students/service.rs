//! The service: it lets in the callers of its own tenant, and on one route those of every tenant.
//!
//! Another tenant of the server may name an API of its own like this one, and its scopes and roles like
//! these: what a token says is worth what its issuer is worth. So who trusts several issuers must look at
//! the tenant of each caller, and who need not, trusts one.

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use chancery_sdk::{AuthLayer, Caller, Permission, Permitted, Require, Verifier};
use serde_json::{Value, json};

use super::AUDIENCE;
use crate::BoxError;

struct ReadStudents;

impl Permission for ReadStudents {
    const REQUIRE: Require<'_> = Require::new().all_scopes(&["read:students"]);
}

struct Administer;

impl Permission for Administer {
    const REQUIRE: Require<'_> = Require::new()
        .all_scopes(&["admin:students"])
        .all_roles(&["registrar"]);
}

/// The service of the tenant with this issuer, with a route for every tenant of the server.
pub fn router(base: &str, issuer: &str) -> Result<Router, BoxError> {
    let own = Verifier::builder()
        .issuer(issuer)
        .audience(AUDIENCE)
        .build()?;
    let every = Verifier::builder()
        .tenants_of(base)
        .audience(AUDIENCE)
        .build()?;
    let for_every_tenant = Router::new()
        .route("/tenants/{tenant}/students", get(students_of))
        .layer(AuthLayer::new(every));
    Ok(Router::new()
        .route("/protected", get(protected))
        .route("/students", get(students))
        .route("/admin", get(admin))
        .layer(AuthLayer::new(own))
        .merge(for_every_tenant))
}

/// For everybody with a good token of this tenant.
async fn protected(caller: Caller) -> Json<Value> {
    Json(json!({
        "client": caller.client_id(),
        "issuer": caller.issuer(),
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

/// For those who may read, of whichever tenant they are, and then its students alone. Another tenant's are
/// none that there are.
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
