use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Invalid;
use crate::json::JsonObject;

/// What a public key says of itself, as text (RFC 7517, section 4; RFC 7518, section 6; RFC 8037).
const PUBLIC: &[&str] = &["kty", "use", "alg", "kid", "crv", "x", "y", "n", "e"];

/// What makes a key private or shared: named so that the answer can say it.
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The most that a key may take as compact JSON, in bytes.
const MAX_BYTES: usize = 4_096;

/// A public key as a JSON Web Key (RFC 7517).
///
/// It cannot hold a private or a shared one: members are taken by name, and those that are not named
/// here are refused, when a key comes in and when it is read back alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "JsonObject", into = "JsonObject")]
pub struct PublicJwk(JsonObject);

impl PublicJwk {
    /// Takes a public key, or says what is wrong with it.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        JsonObject::parse(value, MAX_BYTES)?.try_into()
    }

    /// The members.
    pub fn members(&self) -> &Map<String, Value> {
        self.0.members()
    }
}

impl TryFrom<JsonObject> for PublicJwk {
    type Error = Invalid;

    fn try_from(object: JsonObject) -> Result<Self, Invalid> {
        if !object.members().contains_key("kty") {
            return Err(Invalid::new("jwk", "must be a JSON Web Key with a `kty`"));
        }
        for (name, value) in object.members() {
            check(name, value)?;
        }
        Ok(Self(object))
    }
}

fn check(name: &str, value: &Value) -> Result<(), Invalid> {
    if PRIVATE.contains(&name) {
        return Err(Invalid::new(
            "private_jwk",
            format!("must be a public key, and `{name}` belongs to a private or shared one"),
        ));
    }
    if PUBLIC.contains(&name) && value.is_string() {
        return Ok(());
    }
    Err(Invalid::new(
        "jwk_member",
        format!(
            "must have only the members {}, each as text, which `{name}` is not",
            PUBLIC.join(", ")
        ),
    ))
}

impl From<PublicJwk> for JsonObject {
    fn from(jwk: PublicJwk) -> Self {
        jwk.0
    }
}

impl JsonSchema for PublicJwk {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicJwk".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let properties: Map<String, Value> = PUBLIC
            .iter()
            .map(|name| {
                let text = json_schema!({"type": "string", "maxLength": MAX_BYTES});
                ((*name).to_owned(), text.into())
            })
            .collect();
        json_schema!({
            "type": "object",
            "description": "A public key as a JSON Web Key (RFC 7517)",
            "properties": properties,
            "required": ["kty"],
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(name: &str, value: impl Into<Value>) -> Value {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"});
        key[name] = value.into();
        key
    }

    fn rule(key: Value) -> &'static str {
        PublicJwk::parse(key).map_or_else(|invalid| invalid.rule, |_| "none")
    }

    #[test]
    fn a_public_key_is_taken_and_read_back() {
        let key = PublicJwk::parse(with("kid", "key_1")).unwrap();
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PublicJwk>(&text).unwrap(), key);
        assert_eq!(key.members()["kid"], "key_1");
    }

    #[test]
    fn a_private_member_is_refused_on_every_way_in() {
        for name in PRIVATE {
            let key = with(name, "AQAB");
            assert!(
                serde_json::from_value::<PublicJwk>(key.clone()).is_err(),
                "{name}"
            );
            assert_eq!(rule(key), "private_jwk", "{name}");
        }
    }

    #[test]
    fn nothing_is_hidden_in_other_members_or_values() {
        assert_eq!(rule(with("D", "AQAB")), "jwk_member");
        assert_eq!(rule(with("note", "AQAB")), "jwk_member");
        assert_eq!(rule(with("x", json!({"d": "AQAB"}))), "jwk_member");
        assert_eq!(rule(with("x5c", json!([{"d": "AQAB"}]))), "jwk_member");
        assert_eq!(rule(json!({"x": "x"})), "jwk");
        assert_eq!(rule(json!("EC")), "json_object");
    }
}
