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

/// Makes the tenant, the API, and a client that may do everything there.
pub async fn set_up(operator: &Operator) -> Result<Created, BoxError> {
    operator.tenant(TENANT, json!({})).await?;
    operator
        .api(json!({
            "tenant": TENANT,
            "identifier": AUDIENCE,
            "name": "Students",
            "scopes": [{"name": "read:students"}, {"name": "admin:students"}],
            "roles": [{"name": "registrar", "scopes": ["admin:students"]}],
        }))
        .await?;
    operator
        .client(json!({
            "tenant": TENANT,
            "name": "portal",
            "grants": [{
                "api": AUDIENCE,
                "scopes": ["read:students", "admin:students"],
                "roles": ["registrar"],
            }],
        }))
        .await
}
