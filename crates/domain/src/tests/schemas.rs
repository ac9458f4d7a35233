//! JSON Schemas of the events' payloads, generated from the types.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{files, golden};
use crate::{
    api::ApiEvent, client::ClientEvent, event::Event, key_ring::KeyRingEvent,
    secret_rotation::SecretRotationEvent, tenant::TenantEvent,
};

fn file(name: &str, version: u32) -> String {
    format!("{name}.v{version}.json")
}

/// The schemas of the payloads of an aggregate's events, by type.
fn payloads<E: JsonSchema>() -> BTreeMap<String, Value> {
    let root = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<E>();
    let variants = root.get("oneOf").and_then(Value::as_array).unwrap().iter();
    let definitions = root.get("$defs").and_then(Value::as_object).unwrap();
    variants
        .map(|variant| {
            let name = variant["properties"]["type"]["const"].as_str().unwrap();
            let mut schema = variant["properties"]["payload"].clone();
            schema["$schema"] = root.get("$schema").unwrap().clone();
            schema["description"] = variant["description"].clone();
            let used = reachable(&schema, definitions);
            if !used.is_empty() {
                schema["$defs"] = used.into();
            }
            (name.to_owned(), without_null(schema))
        })
        .collect()
}

/// The schema of the payload of this type, in its current version.
pub(super) fn of(name: &str) -> Value {
    let (_, _, version) = Event::kinds()
        .filter(|(_, other, _)| *other == name)
        .max_by_key(|(_, _, version)| *version)
        .unwrap();
    let mut all = [
        payloads::<TenantEvent>(),
        payloads::<KeyRingEvent>(),
        payloads::<ApiEvent>(),
        payloads::<ClientEvent>(),
        payloads::<SecretRotationEvent>(),
    ];
    let found = all.iter_mut().find_map(|schemas| schemas.remove(name));
    let mut schema = found.unwrap_or_else(|| panic!("{name} has no schema"));
    schema["title"] = json!(format!("{name}, version {version}"));
    sorted(schema)
}

/// Those definitions that a schema names, directly or by way of others.
fn reachable(schema: &Value, definitions: &Map<String, Value>) -> Map<String, Value> {
    let mut used = Map::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(name) = reference(value)
                    && used
                        .insert(name.to_owned(), definitions[name].clone())
                        .is_none()
                {
                    open.push(&definitions[name]);
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    used
}

/// The name of the definition that a schema refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// What is absent is left out of a payload, never null.
fn without_null(schema: Value) -> Value {
    match schema {
        Value::Object(mut members) => {
            if members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            if let Some(types) = members.get("type").and_then(Value::as_array) {
                let mut types = types.iter().filter(|name| *name != "null").cloned();
                let only = types.next().unwrap();
                assert_eq!(types.next(), None, "a value of one type, or absent");
                members.insert("type".to_owned(), only);
            }
            if let Some(Value::Array(mut either)) = members.remove("anyOf") {
                either.retain(|schema| schema["type"] != "null");
                match either.as_slice() {
                    [Value::Object(only)] => members.extend(only.clone()),
                    _ => panic!("a value of one shape, or absent: {either:?}"),
                }
            }
            members
                .into_iter()
                .map(|(name, member)| (name, without_null(member)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        other => other,
    }
}

/// The same with the members in order of their names, however `serde_json` was built.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, sorted(member)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// What a schema refers to, or the schema itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    reference(schema).map_or(schema, |name| &root["$defs"][name])
}

/// Calls `visit` with each object that a payload consists of, its path and its schema. What a value
/// type takes as a whole, like a public key, is one value.
fn objects(
    root: &Value,
    schema: &Value,
    payload: &Value,
    path: &str,
    visit: &mut impl FnMut(&str, &Value, &Value),
) {
    if reference(schema) == Some("PublicJwk") {
        return;
    }
    let schema = resolved(root, schema);
    if let Some(properties) = schema["properties"].as_object() {
        visit(path, schema, payload);
        for (name, property) in properties {
            if let Some(member) = payload.get(name) {
                objects(root, property, member, &format!("{path}/{name}"), visit);
            }
        }
    }
    for (index, item) in payload.as_array().into_iter().flatten().enumerate() {
        objects(
            root,
            &schema["items"],
            item,
            &format!("{path}/{index}"),
            visit,
        );
    }
}

/// The fields that a payload could have and has nowhere.
pub(super) fn absent_fields(schema: &Value, payload: &Value) -> Vec<String> {
    let (mut possible, mut present) = (BTreeSet::new(), BTreeSet::new());
    objects(schema, schema, payload, "", &mut |path, schema, object| {
        let of_items = path.replace(|digit: char| digit.is_ascii_digit(), "");
        let named = |name: &String| format!("{of_items}/{name}");
        possible.extend(schema["properties"].as_object().unwrap().keys().map(named));
        present.extend(object.as_object().unwrap().keys().map(named));
    });
    possible.difference(&present).cloned().collect()
}

/// The fields that a payload has and need not have.
pub(super) fn spare_fields(schema: &Value, payload: &Value) -> Vec<String> {
    let mut spare = Vec::new();
    objects(schema, schema, payload, "", &mut |path, schema, object| {
        let required = schema["required"].as_array();
        let is_required = |name: &String| required.is_some_and(|all| all.contains(&json!(name)));
        let members = object.as_object().unwrap().keys();
        spare.extend(
            members
                .filter(|name| !is_required(name))
                .map(|name| format!("{path}/{name}")),
        );
    });
    spare
}

/// The schema of a type and version that is no longer written is only on disk.
pub(super) fn of_version(name: &str, version: u32) -> Value {
    if golden::is_current(name, version) {
        of(name)
    } else {
        serde_json::from_str(&files::read(&file(name, version)).unwrap()).unwrap()
    }
}

#[test]
fn generated_schemas_are_those_of_the_types() {
    let mut expected = BTreeSet::new();
    for (_, name, version) in Event::kinds() {
        let file = file(name, version);
        if golden::is_current(name, version) {
            let text = format!("{}\n", serde_json::to_string_pretty(&of(name)).unwrap());
            if files::read(&file).as_ref() != Some(&text) {
                assert!(
                    files::may_write(),
                    "{file} differs from the type: run `cargo xtask bless`"
                );
                files::write(&file, &text);
            }
        }
        expected.insert(file);
    }
    assert_eq!(files::names(""), expected, "no schema without its event");
}

#[test]
fn every_golden_payload_fits_its_schema() {
    for (_, name, version) in Event::kinds() {
        let schema: Value =
            serde_json::from_str(&files::read(&file(name, version)).unwrap()).unwrap();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        for payload in golden::payloads(name, version) {
            let errors: Vec<_> = validator
                .iter_errors(&payload)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, [""; 0], "{name}");
        }
        assert!(
            !validator.is_valid(&json!({"unknown": 1})),
            "{name} is closed"
        );
    }
}
