use chancery_domain::{ApiId, ClientId, CommandId};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value, json};

use super::*;

fn stream() -> impl Strategy<Value = StreamId> {
    let id = any::<[u8; 16]>();
    prop_oneof![
        id.prop_map(|id| StreamId::Tenant(TenantId::from_bytes(id))),
        any::<[u8; 16]>().prop_map(|id| StreamId::KeyRing(TenantId::from_bytes(id))),
        any::<[u8; 16]>().prop_map(|id| StreamId::Api(ApiId::from_bytes(id))),
        any::<[u8; 16]>().prop_map(|id| StreamId::Client(ClientId::from_bytes(id))),
        any::<[u8; 16]>().prop_map(|id| StreamId::SecretRotation(ClientId::from_bytes(id))),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(|id| Actor::Client(ClientId::from_bytes(id))),
        Just(Actor::Steward),
        "\\PC{0,12}|[\"\\\\\n\t\u{7f}🌙]{0,5}".prop_map(Actor::Cli),
        Just(Actor::Installation),
    ]
}

fn payload() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}|[\n\"\\\\é🌙]{0,4}".prop_map(Value::from),
        vec("\\PC{0,4}", 0..3).prop_map(Value::from),
    ];
    vec(("\\PC{0,6}", value), 0..5)
        .prop_map(|members| canonical(&members.into_iter().collect::<Map<_, _>>()))
}

prop_compose! {
    /// Any entry, also of a type that no version knows.
    pub(crate) fn entry()(
        ids: ([u8; 16], [u8; 16]),
        // Greater integers have no exact text in this form of JSON.
        numbers in (1..9_007_199_254_740_992_i64, 1..9_007_199_254_740_992_i64, 1..u32::MAX),
        recorded_at in any::<i64>().prop_map(Timestamp::from_micros),
        stream in stream(),
        event_type in "[A-Z][A-Za-z]{0,12}",
        payload in payload(),
        actor in actor(),
        command_id in option::of("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        trace_id in option::of("[0-9a-f]{32}"),
    ) -> Entry {
        Entry {
            id: EventId::from_bytes(ids.0),
            tenant: TenantId::from_bytes(ids.1),
            tenant_seq: numbers.0,
            recorded_at,
            stream,
            sequence: numbers.1,
            event_type,
            version: numbers.2,
            payload,
            actor,
            command_id: command_id.map(|id| id.parse::<CommandId>().unwrap()),
            trace_id,
        }
    }
}

/// The line of the contract's example, made by another hand.
fn example() -> Value {
    json!({
        "actor": {"id": "installation", "type": "cli"},
        "aggregate_id": TenantId::from_bytes([7; 16]).to_string(),
        "aggregate_seq": 1,
        "aggregate_type": "tenant",
        "command_id": "0190163d-8694-739b-aea5-966c26f8ad91",
        "id": EventId::from_bytes([1; 16]).to_string(),
        "payload": {"slug": "acme"},
        "recorded_at": "2026-11-20T17:00:00.123456Z",
        "tenant_id": TenantId::from_bytes([7; 16]).to_string(),
        "tenant_seq": 1,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "type": "TenantCreated",
        "version": 1,
    })
}

fn read(value: &Value) -> Result<Entry, LineFault> {
    Line::read(canonical(value).as_bytes()).and_then(|line| line.entry())
}

#[test]
fn a_line_of_the_contract_is_read_and_written_again() {
    let entry = read(&example()).unwrap();
    assert_eq!(entry.recorded_at.to_string(), "2026-11-20T17:00:00.123456Z");
    assert_eq!(entry.actor, Actor::Cli("installation".to_owned()));
    assert_eq!(write(&entry), canonical(&example()));
}

#[test]
fn absent_values_are_left_out() {
    let mut line = example();
    for name in ["command_id", "trace_id"] {
        line.as_object_mut().unwrap().remove(name);
    }
    let entry = read(&line).unwrap();
    assert_eq!((entry.command_id, &entry.trace_id), (None, &None));
    assert_eq!(write(&entry), canonical(&line));
}

#[test]
fn every_other_member_must_be_there() {
    for name in example().as_object().unwrap().keys() {
        let mut line = example();
        line.as_object_mut().unwrap().remove(name);
        let optional = ["command_id", "trace_id"].contains(&name.as_str());
        match read(&line) {
            Err(LineFault::Missing(missing)) => assert_eq!(missing, name),
            other => assert!(optional && other.is_ok(), "{name}: {other:?}"),
        }
        let mut line = example();
        line[name] = Value::Null;
        assert!(
            matches!(read(&line), Err(LineFault::Member(..))),
            "{name}: null"
        );
    }
}

#[test]
fn a_member_holds_what_it_should() {
    for (name, value) in [
        ("tenant_seq", json!(0)),
        ("tenant_seq", json!(-1)),
        ("tenant_seq", json!(1.5)),
        ("tenant_seq", json!("1")),
        ("aggregate_seq", json!(0)),
        ("version", json!(4_294_967_296_i64)),
        (
            "tenant_id",
            json!(ClientId::from_bytes([7; 16]).to_string()),
        ),
        (
            "aggregate_id",
            json!(ClientId::from_bytes([7; 16]).to_string()),
        ),
        ("aggregate_type", json!("nothing")),
        ("id", json!("event_1")),
        ("payload", json!([])),
        ("payload", json!("{}")),
        ("actor", json!({"id": "x"})),
        ("actor", json!({"id": "x", "type": "cli", "more": 1})),
        ("actor", json!({"id": "x", "type": "nobody"})),
        ("actor", json!({"id": 1, "type": "cli"})),
        ("command_id", json!("not a uuid")),
        ("trace_id", json!(1)),
        ("recorded_at", json!("2026-11-20T17:00:00Z")),
        ("recorded_at", json!("2026-11-20T17:00:00.123456+00:00")),
        ("recorded_at", json!("2026-11-20t17:00:00.123456Z")),
        ("recorded_at", json!("2026-02-30T17:00:00.123456Z")),
        ("recorded_at", json!("2016-12-31T23:59:60.000000Z")),
        ("recorded_at", json!("2026-11-20T17:00:00.1234560Z")),
    ] {
        let mut line = example();
        line[name] = value.clone();
        assert!(
            matches!(read(&line), Err(LineFault::Member(..))),
            "{name}: {value}"
        );
    }
    let mut line = example();
    line["extra"] = json!(1);
    assert_eq!(read(&line), Err(LineFault::Unknown("\"extra\"".to_owned())));
}

proptest! {
    #[test]
    fn a_line_is_read_as_it_was_written(entry in entry()) {
        let text = write(&entry);
        prop_assert_eq!(&serde_json_canonicalizer::to_string(&serde_json::from_str::<Value>(&text).unwrap()).unwrap(), &text);
        let line = Line::read(text.as_bytes()).unwrap();
        prop_assert_eq!(line.as_str(), &text);
        let again = line.entry().unwrap();
        prop_assert_eq!(&again, &entry);
        prop_assert_eq!(write(&again), text);
    }

    /// Whatever stands in a file: what is taken as a line has one entry, and the entry has one line.
    #[test]
    fn no_changed_line_is_the_line_of_the_same_entry(entry in entry(), at: prop::sample::Index, flip in 1..=255_u8) {
        let mut bytes = write(&entry).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(line) = Line::read(&bytes) {
            prop_assert_ne!(line.leaf(), Hash::leaf(write(&entry).as_bytes()));
            if let Ok(other) = line.entry() {
                prop_assert_ne!(&other, &entry);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..60)) {
        let _ = Line::read(&bytes);
    }
}
