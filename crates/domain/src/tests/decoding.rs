//! Whatever was stored: it is read as it was written, or refused with a reason.

use proptest::prelude::*;
use serde_json::Value;

use super::golden;
use crate::{
    event::{DecodeError, Event, decode, decode_text},
    json::canonical,
    testing::arbitrary,
};

/// Every payload with one member left out, at any depth, with the path of that member.
fn truncated(payload: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    if let Value::Object(members) = payload {
        for name in members.keys() {
            let mut less = members.clone();
            less.remove(name);
            all.push((format!("/{name}"), less.into()));
            for (path, inner) in truncated(&members[name]) {
                let mut changed = members.clone();
                changed.insert(name.clone(), inner);
                all.push((format!("/{name}{path}"), changed.into()));
            }
        }
    }
    all
}

fn minimal_or_full(name: &str, version: u32) -> Value {
    golden::payloads(name, version).pop().unwrap()
}

#[test]
fn a_payload_without_one_of_its_required_fields_is_refused() {
    for (_, name, version) in Event::kinds() {
        for (path, payload) in truncated(&minimal_or_full(name, version)) {
            // What is free inside: an operator's notes, claims, and all of a key but its `kty`.
            let free = ["/metadata/", "/custom_claims/", "/public_jwk/"];
            if free.iter().any(|start| path.starts_with(start)) && path != "/public_jwk/kty" {
                continue;
            }
            match decode(name, version, payload) {
                Err(DecodeError::Payload { .. }) => {}
                other => panic!("{name} without {path}: {other:?}"),
            }
        }
    }
}

#[test]
fn an_unknown_field_is_refused() {
    for (_, name, version) in Event::kinds() {
        let mut payload = minimal_or_full(name, version);
        payload["unknown"] = 1.into();
        let refused = decode(name, version, payload).unwrap_err();
        assert!(
            matches!(refused, DecodeError::Payload { .. }),
            "{name}: {refused}"
        );
        assert!(refused.to_string().contains("`unknown`"), "{refused}");
    }
}

#[test]
fn an_unknown_type_or_version_is_refused() {
    for (_, name, version) in Event::kinds() {
        let payload = minimal_or_full(name, version);
        for (name, version) in [
            (name, 0),
            (name, version + 1),
            (&*name.to_lowercase(), version),
            ("", version),
        ] {
            let refused = decode(name, version, payload.clone()).unwrap_err();
            let expected = DecodeError::Unknown {
                event_type: name.to_owned(),
                version,
            };
            assert_eq!(refused, expected);
        }
    }
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_written(event in arbitrary::event()) {
        let (name, version) = event.kind();
        let text = canonical(&event.payload());
        let again = decode(name, version, serde_json::from_str(&text).unwrap());
        prop_assert_eq!(again.as_ref(), Ok(&event));
        prop_assert_eq!(canonical(&again.unwrap().payload()), text);
    }

    /// Text and value are read alike, be they right or wrong.
    #[test]
    fn an_event_is_read_from_text_as_from_a_value(
        event in arbitrary::event(),
        other in proptest::sample::select(Event::kinds().collect::<Vec<_>>()),
        version in 0..3_u32,
    ) {
        let text = canonical(&event.payload());
        for (name, version) in [event.kind(), (other.1, version), ("Nothing", 1)] {
            let from_value = decode(name, version, serde_json::from_str(&text).unwrap());
            prop_assert_eq!(decode_text(name, version, &text), from_value);
        }
    }

    #[test]
    fn no_text_is_an_event_by_accident(text in "\\PC{0,40}") {
        for (_, name, version) in Event::kinds() {
            if let Ok(event) = decode_text(name, version, &text) {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{event:?}");
            }
        }
    }

    #[test]
    fn absent_values_are_left_out(event in arbitrary::event()) {
        let mut payload = event.payload();
        // Operators may note a null.
        for free in ["metadata", "custom_claims"] {
            payload.as_object_mut().unwrap().remove(free);
        }
        prop_assert!(!payload.to_string().contains(":null"), "{}", payload);
    }

    #[test]
    fn no_payload_panics(
        kind in proptest::sample::select(Event::kinds().collect::<Vec<_>>()),
        payload in arbitrary::json(),
        path in any::<proptest::sample::Index>(),
    ) {
        let (_, name, version) = kind;
        let _ = decode(name, version, payload.clone());
        // The same in the place of one of the right fields.
        let mut golden = minimal_or_full(name, version);
        if let Some(members) = golden.as_object_mut().filter(|members| !members.is_empty()) {
            let field = path.index(members.len());
            *members.values_mut().nth(field).unwrap() = payload;
            if let Ok(event) = decode(name, version, golden) {
                prop_assert_eq!(event.kind(), (name, version));
            }
        }
    }

    #[test]
    fn every_event_has_its_type_and_version_among_the_kinds(event in arbitrary::event()) {
        let (name, version) = event.kind();
        prop_assert!(Event::kinds().any(|kind| kind == (event.aggregate_type(), name, version)));
    }
}
