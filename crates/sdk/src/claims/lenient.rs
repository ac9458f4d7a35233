//! Claims that are taken as they come: of another type, they are not there.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A text.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// A text, or an array of texts or of objects with a `value`, as SCIM has it (RFC 9068, section 2.2.3.1).
pub(super) fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let name = |item| match item {
        Value::String(name) => Some(name),
        Value::Object(mut members) => match members.remove("value") {
            Some(Value::String(name)) => Some(name),
            _ => None,
        },
        _ => None,
    };
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => Some(items.into_iter().filter_map(name).collect()),
        _ => None,
    })
}
