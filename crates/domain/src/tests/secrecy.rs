//! No event can hold a secret, a hash of one, or a private key: the types leave no room for it.

use serde_json::Value;

use super::{golden, schemas};
use crate::event::Event;

/// What is private or shared in a JSON Web Key.
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// Parts of names that a field would have if it held what must not be here.
const SUSPICIOUS: &[&str] = &[
    "plain", "verifier", "private", "password", "sealed", "hash", "phc", "master",
];

/// The only values whose members are the operator's own. The documentation of the admin API says
/// that they are recorded for ever.
const OPEN: &[&str] = &["JsonObject", "CustomClaims"];

/// Goes through everything that a schema allows, under the name that it has there.
fn scan(name: &str, schema: &Value, faults: &mut Vec<String>) {
    let Some(members) = schema.as_object() else {
        return;
    };
    let mut fault = |what: &str| faults.push(format!("{name}: {what}"));
    match schema["type"].as_str() {
        Some("object") if !OPEN.contains(&name) && schema["additionalProperties"] != false => {
            fault("an object that is open");
        }
        Some("string") if !is_bounded(schema) => fault("a text of any length and form"),
        None if !["$ref", "oneOf", "anyOf", "allOf", "const", "enum"]
            .iter()
            .any(|keyword| members.contains_key(*keyword)) =>
        {
            fault("a value of any type");
        }
        _ => {}
    }
    for (property, inner) in schema["properties"].as_object().into_iter().flatten() {
        if PRIVATE.contains(&property.as_str())
            || SUSPICIOUS.iter().any(|part| property.contains(part))
            || (property.contains("secret") && !is_known(property, inner))
        {
            faults.push(format!("{name}: a field `{property}`"));
        }
        scan(property, inner, faults);
    }
    for (definition, inner) in schema["$defs"].as_object().into_iter().flatten() {
        scan(definition, inner, faults);
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        for inner in schema[keyword].as_array().into_iter().flatten() {
            scan(name, inner, faults);
        }
    }
    if let Some(items) = members.get("items") {
        scan(name, items, faults);
    }
}

fn is_bounded(schema: &Value) -> bool {
    ["pattern", "format", "maxLength", "enum", "const"]
        .iter()
        .any(|keyword| schema.get(keyword).is_some())
}

/// A field that speaks of secrets and holds an id or a number.
fn is_known(property: &str, schema: &Value) -> bool {
    match property {
        "secret" => schema["$ref"] == "#/$defs/SecretId",
        "secret_lifetime_days" | "secret_rotation_days" | "max_live_secrets" => {
            schema["type"] == "integer"
        }
        _ => false,
    }
}

#[test]
fn no_type_of_an_event_leaves_room_for_a_secret() {
    for (_, name, _) in
        Event::kinds().filter(|(_, name, version)| golden::is_current(name, *version))
    {
        let mut faults = Vec::new();
        scan(name, &schemas::of(name), &mut faults);
        assert_eq!(faults, [""; 0], "{name}");
    }
}

#[test]
fn the_scan_finds_what_it_looks_for() {
    let found = |schema: Value| {
        let mut faults = Vec::new();
        scan("Test", &schema, &mut faults);
        faults
    };
    let object = |name: &str, property: Value| {
        serde_json::json!({
            "type": "object", "properties": {name: property}, "additionalProperties": false,
        })
    };
    let bounded = serde_json::json!({"type": "string", "maxLength": 9});
    assert_eq!(found(object("name", bounded.clone())), [""; 0]);
    for name in [
        "verifier",
        "plaintext",
        "secret",
        "client_secret",
        "d",
        "sealed_key",
    ] {
        assert_eq!(found(object(name, bounded.clone())).len(), 1, "{name}");
    }
    for value in [
        serde_json::json!({"type": "string"}),
        serde_json::json!({"type": "object"}),
        serde_json::json!({}),
        serde_json::json!({"type": "array", "items": {"type": "string"}}),
    ] {
        assert_eq!(found(object("name", value)).len(), 1);
    }
}
