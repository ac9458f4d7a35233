use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Invalid;
use crate::json::JsonObject;

/// What a public key may say of itself (RFC 7517, section 4; RFC 7518, section 6; RFC 8037), each as
/// text.
const TEXTS: &[&str] = &[
    "kty", "use", "alg", "kid", "crv", "x", "y", "n", "e", "x5u", "x5t", "x5t#S256",
];

/// The same, each as a list of texts.
const LISTS: &[&str] = &["key_ops", "x5c"];

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
    let right = if TEXTS.contains(&name) {
        value.is_string()
    } else if LISTS.contains(&name) {
        value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string))
    } else if PRIVATE.contains(&name) {
        return Err(Invalid::new(
            "private_jwk",
            format!("must be a public key, and `{name}` belongs to a private or shared one"),
        ));
    } else {
        return Err(Invalid::new(
            "jwk_member",
            format!("must have the members of a public key only, which `{name}` is not"),
        ));
    };
    if right {
        return Ok(());
    }
    Err(Invalid::new(
        "jwk_value",
        format!("the member `{name}` must be text, or a list of texts for `key_ops` and `x5c`"),
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
        let texts = TEXTS.iter().map(|name| (*name, json_schema!({"type": "string"})));
        let lists = LISTS
            .iter()
            .map(|name| (*name, json_schema!({"type": "array", "items": {"type": "string"}})));
        let properties: Map<String, Value> = texts
            .chain(lists)
            .map(|(name, schema)| (name.to_owned(), schema.into()))
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
        assert_eq!(rule(with("key_ops", json!(["verify"]))), "none");
    }

    #[test]
    fn a_private_member_is_refused_on_every_way_in() {
        for name in PRIVATE {
            let key = with(name, "AQAB");
            assert!(serde_json::from_value::<PublicJwk>(key.clone()).is_err(), "{name}");
            assert_eq!(rule(key), "private_jwk", "{name}");
        }
    }

    #[test]
    fn nothing_is_hidden_in_other_members_or_values() {
        assert_eq!(rule(with("D", "AQAB")), "jwk_member");
        assert_eq!(rule(with("note", "AQAB")), "jwk_member");
        assert_eq!(rule(with("x", json!({"d": "AQAB"}))), "jwk_value");
        assert_eq!(rule(with("key_ops", json!([{"d": "AQAB"}]))), "jwk_value");
        assert_eq!(rule(json!({"x": "x"})), "jwk");
        assert_eq!(rule(json!("EC")), "json_object");
    }
}
