//! A service, and one that calls it.

pub mod caller;
pub mod service;

use serde_json::json;

use crate::{
    BoxError,
    setup::{Created, Operator},
};

/// The tenant.
pub const TENANT: &str = "school";
/// The service, as tokens name it.
pub const AUDIENCE: &str = "https://students.example";

/// Makes a tenant, the API in it, and a client that may do everything there.
pub async fn set_up(operator: &Operator, tenant: &str) -> Result<Created, BoxError> {
    operator.tenant(tenant, json!({})).await?;
    operator
        .api(json!({
            "tenant": tenant,
            "identifier": AUDIENCE,
            "name": "Students",
            "scopes": [{"name": "read:students"}, {"name": "admin:students"}],
            "roles": [{"name": "registrar", "scopes": ["admin:students"]}],
        }))
        .await?;
    operator
        .client(json!({
            "tenant": tenant,
            "name": "portal",
            "grants": [{
                "api": AUDIENCE,
                "scopes": ["read:students", "admin:students"],
                "roles": ["registrar"],
            }],
        }))
        .await
}
