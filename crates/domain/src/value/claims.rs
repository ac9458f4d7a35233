use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Invalid;
use crate::json::JsonObject;

/// What a token or an introspection answer says itself, and configuration must not.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "client_id",
    "tenant_id",
    "aud",
    "iat",
    "nbf",
    "exp",
    "jti",
    "scope",
    "scopes",
    "roles",
    "type",
    "credential_id",
    "active",
    "token_type",
    "username",
    "cnf",
    "act",
    "may_act",
    "azp",
];

/// Claims that a client or an API adds to its tokens: a JSON object up to 4 KiB, without any claim
/// that Chancery sets itself, in any letter case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CustomClaims(JsonObject);

impl CustomClaims {
    /// Takes configured claims, or says what is wrong with them.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        let claims = JsonObject::parse(value, 4096)?;
        if let Some(name) = claims.members().keys().find(|name| Self::is_reserved(name)) {
            return Err(Invalid::new(
                "reserved_claim",
                format!("must not set the claim `{name}`, which Chancery sets itself"),
            ));
        }
        Ok(Self(claims))
    }

    /// Whether a claim of this name is one that Chancery sets itself, in any letter case.
    ///
    /// Unicode case folding could turn another name into a reserved one (`ſub`), so the name is brought
    /// to lower case, and to upper case and back.
    pub fn is_reserved(name: &str) -> bool {
        let folded = name.to_lowercase().to_uppercase().to_lowercase();
        RESERVED.contains(&folded.as_str())
    }

    /// The claims.
    pub fn members(&self) -> &Map<String, Value> {
        self.0.members()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn registered_claims_cannot_be_configured_in_any_letter_case() {
        for name in RESERVED {
            for name in [
                (*name).to_owned(),
                name.to_uppercase(),
                name.replace('s', "ſ"),
            ] {
                let refused = CustomClaims::parse(json!({ &name: 1 })).unwrap_err();
                assert_eq!(refused.rule, "reserved_claim", "{name}");
            }
        }
        assert!(CustomClaims::parse(json!({"plan": "gold", "region": ["eu"]})).is_ok());
    }
}
