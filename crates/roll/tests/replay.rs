//! A tenant as it was, and what changed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::sync::LazyLock;

use chancery_domain::{ApiId, ClientId, Entry, Recorded, StreamId, Timestamp};
use chancery_roll::{
    replay::{
        Difference, Kind, Moment, Replay, ReplayError, Snapshot, TenantState, View, What,
        replay_file,
    },
    testing::{BEGIN, Sample, export},
};
use proptest::prelude::*;
use serde_json::json;

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| Sample::new(5, 4).take(400).collect());
static FILE: LazyLock<String> = LazyLock::new(|| export(&ENTRIES, 1, &Sample::key()));

fn at(moments: &[Moment]) -> Result<Vec<Snapshot>, ReplayError> {
    replay_file(FILE.as_bytes(), moments.iter().copied(), |_| ())
}

fn view(moment: Moment) -> View {
    View::of(&at(&[moment]).unwrap()[0]).unwrap()
}

fn understood(entry: &Entry) -> Recorded {
    entry.clone().understood().unwrap()
}

/// A roll that says these things about one client, an hour apart.
fn story(events: &[(bool, &str, serde_json::Value)]) -> Vec<Entry> {
    let client = ClientId::new(BEGIN, [1; 10]);
    let events = events.iter().map(|(of_secrets, event_type, payload)| {
        let stream = if *of_secrets {
            StreamId::SecretRotation(client)
        } else {
            StreamId::Client(client)
        };
        (stream, *event_type, payload.clone())
    });
    roll(&events.collect::<Vec<_>>())
}

/// A roll that says these things, an hour apart.
fn roll(events: &[(StreamId, &str, serde_json::Value)]) -> Vec<Entry> {
    let mut entries: Vec<_> = Sample::new(1, 1).take(7).collect();
    for (event, number) in events.iter().zip(1..) {
        let (stream, event_type, payload) = event;
        let stream = *stream;
        let sequence = entries
            .iter()
            .filter(|entry| entry.stream == stream)
            .count()
            + 1;
        entries.push(Entry {
            tenant_seq: i64::try_from(entries.len()).unwrap() + 1,
            recorded_at: BEGIN.plus_seconds(3_600 * (number + 1)),
            stream,
            sequence: i64::try_from(sequence).unwrap(),
            event_type: (*event_type).to_owned(),
            payload: chancery_domain::json::canonical(payload),
            ..entries[0].clone()
        });
    }
    entries
}

fn hour(hours: i64) -> Timestamp {
    BEGIN.plus_seconds(3_600 * hours)
}

fn a_clients_life() -> Vec<Entry> {
    let secret = |number: u8| chancery_domain::SecretId::new(BEGIN, [number; 10]);
    let issued =
        |number: u8| json!({"secret": secret(number), "hint": "abcd", "issued_at": hour(3)});
    story(&[
        (
            false,
            "ClientCreated",
            json!({"name": "billing", "auth_method": "client_secret", "expires_at": hour(100)}),
        ),
        (true, "SecretIssued", json!({"issued": issued(1)})),
        (
            false,
            "ClientDescribed",
            json!({"name": "invoicing", "description": "Moved"}),
        ),
        (
            true,
            "SecretRotated",
            json!({"issued": issued(2), "retires": [{"secret": secret(1), "retires_at": hour(50)}]}),
        ),
        (
            true,
            "SecretRevoked",
            json!({"secret": secret(2), "reason": "found in a log", "compromised": true}),
        ),
        (false, "ClientDisabled", json!({"reason": "unused"})),
        (false, "ClientDeleted", json!({"reason": "replaced"})),
    ])
}

fn of(entries: &[Entry], moments: &[Moment]) -> Vec<View> {
    let mut replay = Replay::new(moments.iter().copied());
    for entry in entries {
        if !replay.take(&understood(entry)).unwrap() {
            break;
        }
    }
    replay
        .finish()
        .unwrap()
        .iter()
        .map(|snapshot| View::of(snapshot).unwrap())
        .collect()
}

#[test]
fn a_tenant_is_shown_as_it_was_at_a_time() {
    let life = a_clients_life();
    let view = |hours| of(&life, &[Moment::At(hour(hours))]).remove(0);
    assert_eq!(view(1).clients, []);
    let clients = view(3).clients;
    assert_eq!(
        (clients[0].state, clients[0].label.as_str()),
        ("active", "billing")
    );
    assert_eq!(clients[0].secrets[0].state, "active");
    assert_eq!(view(4).clients[0].label, "invoicing");
    // Between two entries the earlier one counts, and the clock goes on.
    let secrets = |view: View| {
        view.clients[0]
            .secrets
            .iter()
            .map(|secret| secret.state)
            .collect::<Vec<_>>()
    };
    assert_eq!(secrets(view(5)), ["retiring", "active"]);
    assert_eq!(secrets(view(6)), ["retiring"], "only the live one is kept");
    let views = of(&life, &[Moment::At(hour(5)), Moment::At(hour(6))]);
    assert_eq!(
        views[1].clients[0].secrets[1].state, "revoked",
        "kept since the earlier moment"
    );
    let shown = serde_json::to_value(&views[1]).unwrap();
    assert_eq!(
        shown["clients"][0]["secrets"].as_array().unwrap().len(),
        1,
        "only the live one is shown"
    );
    assert_eq!(view(7).clients[0].state, "disabled");
    let shown = serde_json::to_value(view(8)).unwrap();
    assert_eq!(shown["clients"], json!([]), "a deleted client is not shown");
    assert!(view(8).to_string().ends_with("clients: 0\n"), "{}", view(8));
}

#[test]
fn what_lives_by_the_clock_ends_without_an_entry() {
    let life = &a_clients_life()[..11];
    let [before, after] = &of(life, &[Moment::At(hour(49)), Moment::At(hour(100))])[..] else {
        panic!()
    };
    let state = |view: &View| (view.clients[0].state, view.clients[0].secrets[0].state);
    assert_eq!(
        (state(before), state(after)),
        (("active", "retiring"), ("expired", "retired"))
    );
    assert!(after.as_of.is_last);
}

#[test]
fn what_changed_is_told_field_by_field() {
    let life = a_clients_life();
    let between = |from, to| {
        let views = of(&life, &[Moment::At(hour(from)), Moment::At(hour(to))]);
        Difference::between(&views[0], &views[1])
    };
    let changes = |from, to| {
        let all = between(from, to).changes;
        all.into_iter()
            .map(|change| (change.what, change.kind, change.state))
            .collect::<Vec<_>>()
    };
    assert!(between(1, 1).is_empty());
    assert_eq!(
        changes(1, 3),
        [
            (What::Added, Kind::Client, "active"),
            (What::Added, Kind::Secret, "active")
        ]
    );
    let described = between(3, 4);
    assert_eq!(
        serde_json::to_value(&described.changes[0].fields).unwrap(),
        json!([{"field": ["description"], "after": "Moved"}, {"field": ["name"], "before": "billing", "after": "invoicing"}])
    );
    assert!(
        described.to_string().contains("~ client invoicing client_"),
        "{described}"
    );
    assert!(
        described
            .to_string()
            .contains("    name: billing → invoicing\n"),
        "{described}"
    );
    assert_eq!(changes(5, 6), [(What::Removed, Kind::Secret, "revoked")]);
    assert_eq!(
        changes(4, 6),
        [(What::Changed, Kind::Secret, "retiring")],
        "what came and went is not told"
    );
    assert_eq!(changes(6, 7), [(What::Changed, Kind::Client, "disabled")]);
    assert_eq!(changes(6, 8), [(What::Removed, Kind::Client, "deleted")]);
}

#[test]
fn a_moment_that_the_roll_does_not_have_is_refused() {
    let before = Timestamp::from_micros(ENTRIES[0].recorded_at.micros() - 1);
    let refused = |moment| at(&[moment]).unwrap_err().to_string();
    let first = ENTRIES[0].recorded_at;
    assert_eq!(
        refused(Moment::At(before)),
        format!(
            "at {before} there was no such tenant yet: its roll begins at {first}; give that time or a later one"
        )
    );
    assert_eq!(
        refused(Moment::Entry(401)),
        "there is no entry 401: the roll has the entries 1 to 400"
    );
    assert!(matches!(
        at(&[Moment::Entry(0)]),
        Err(ReplayError::EntriesBeginAt1 { entry: 0 })
    ));
    assert!(matches!(
        Replay::new([Moment::Last]).finish(),
        Err(ReplayError::Empty)
    ));
    assert_eq!(view(Moment::At(first)).as_of.entry, 1);
}

#[test]
fn a_part_of_a_roll_does_not_add_up_to_a_tenant() {
    let part = export(&ENTRIES, 9, &Sample::key());
    let refused = replay_file(part.as_bytes(), [Moment::Last], |_| ()).unwrap_err();
    assert!(matches!(refused, ReplayError::Begins(9)));
}

#[test]
fn an_event_that_is_not_understood_stops_the_replay_and_is_named() {
    let poisoned = |change: fn(&mut Entry)| {
        let mut entries = ENTRIES.clone();
        change(&mut entries[99]);
        let file = export(&entries, 1, &Sample::key());
        assert!(
            replay_file(file.as_bytes(), [Moment::Entry(99)], |_| ()).is_ok(),
            "before it nothing is wrong"
        );
        replay_file(file.as_bytes(), [Moment::Last], |_| ())
            .unwrap_err()
            .to_string()
    };
    let unknown = poisoned(|entry| entry.event_type = "SomethingNew".to_owned());
    assert!(
        unknown.starts_with("entry 100 cannot be replayed: event type SomethingNew version 1"),
        "{unknown}"
    );
    let payload = poisoned(|entry| entry.payload = "{\"nothing\":1}".to_owned());
    assert!(
        payload.starts_with("entry 100 cannot be replayed: the payload of a "),
        "{payload}"
    );
    let misplaced = poisoned(|entry| {
        entry.event_type = "ClientEnabled".to_owned();
        entry.payload = "{}".to_owned();
        entry.stream = StreamId::Tenant(entry.tenant);
        entry.sequence = 2;
    });
    assert_eq!(
        misplaced,
        "entry 100 cannot be replayed: a ClientEnabled does not happen to a tenant"
    );
}

#[test]
fn a_file_is_read_only_as_far_as_it_is_asked_for() {
    let cut = &FILE[..FILE.len() / 2];
    assert!(replay_file(cut.as_bytes(), [Moment::Entry(20)], |_| ()).is_ok());
    let refused = replay_file(cut.as_bytes(), [Moment::Last], |_| ()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the file is cut in the middle of entry"),
        "{refused}"
    );
}

#[test]
fn what_is_shown_is_all_that_the_tenant_has() {
    let view = view(Moment::Last);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["tenant"]["slug"], "acme");
    assert_eq!(json["tenant"]["policy"]["max_live_secrets"], 2);
    assert_eq!(json["signing_keys"][0]["state"], "active");
    let apis = json["apis"].as_array().unwrap();
    assert!(
        apis.iter()
            .any(|api| api["identifier"] == "https://orders.acme.example")
    );
    assert_eq!(
        json["as_of"],
        json!({"at": ENTRIES[399].recorded_at, "entry": 400, "recorded_at": ENTRIES[399].recorded_at, "is_last": true})
    );
    let client = &json["clients"][0];
    assert!(
        client["grants"]
            .as_object()
            .unwrap()
            .keys()
            .all(|api| api.ends_with(".acme.example"))
    );
    let text = view.to_string();
    assert!(text.starts_with("Acme (acme)\nas of 2026-"), "{text}");
    for item in view
        .clients
        .iter()
        .chain(&view.apis)
        .filter(|item| item.is_live)
    {
        assert!(text.contains(&item.id), "{}", item.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Folded at once, or to some entry and then the rest; asked for by number or by time.
    #[test]
    fn the_fold_of_a_beginning_and_the_rest_is_the_fold_of_all(seed: u64, size in 8..300_usize, cut: prop::sample::Index) {
        let entries: Vec<_> = Sample::new(seed, 4).take(size).map(|entry| understood(&entry)).collect();
        let cut = cut.index(size - 1) + 1;
        let number = i64::try_from(cut).unwrap();
        let mut all = TenantState::default();
        for entry in &entries {
            all.fold(entry);
        }

        let mut replay = Replay::new([Moment::Entry(number), Moment::Last]);
        for entry in &entries {
            prop_assert!(replay.take(entry).unwrap());
        }
        let snapshots = replay.finish().unwrap();
        let mut rest = snapshots[0].state.clone();
        let mut beginning = TenantState::default();
        for entry in &entries[..cut] {
            beginning.fold(entry);
        }
        for entry in &entries[cut..] {
            rest.fold(entry);
            beginning.fold(entry);
        }
        prop_assert_eq!(&beginning, &all);
        prop_assert_eq!(&snapshots[1].state, &rest);
        // What is forgotten on the way is not shown.
        let shown = |state: &TenantState| {
            let snapshot = Snapshot { state: state.clone(), ..snapshots[1].clone() };
            serde_json::to_value(View::of(&snapshot).unwrap()).unwrap()
        };
        prop_assert_eq!(shown(&rest), shown(&all));

        let mut by_time = Replay::new([Moment::At(entries[cut - 1].recorded_at)]);
        for entry in &entries {
            if !by_time.take(entry).unwrap() { break }
        }
        let then = by_time.finish().unwrap().remove(0);
        prop_assert_eq!((&then.state, then.entry), (&snapshots[0].state, number));
    }

    /// The state grows with what is alive.
    #[test]
    fn what_has_ended_takes_no_memory(seed: u64) {
        let mut replay = Replay::new([Moment::Last]);
        for entry in Sample::new(seed, 2).take(600) {
            prop_assert!(replay.take(&understood(&entry)).unwrap());
        }
        let snapshot = replay.finish().unwrap().remove(0);
        prop_assert!(snapshot.state.clients().count() <= 2);
        for (client, _) in snapshot.state.clients() {
            let Some(row) = snapshot.state.secrets(client) else { continue };
            prop_assert!(row.state.secrets.values().all(|secret| secret.state(row.changed_at).is_live()));
        }
    }

    /// What changed from A to B is nothing exactly when both are the same to see.
    #[test]
    fn there_is_no_difference_between_a_moment_and_itself(one in 1..400_i64, other in 1..400_i64) {
        let (first, second) = (one.min(other), one.max(other));
        let views: Vec<_> = at(&[Moment::Entry(first), Moment::Entry(second)]).unwrap().iter().map(|snapshot| View::of(snapshot).unwrap()).collect();
        prop_assert!(Difference::between(&views[0], &views[0]).is_empty());
        let same = |view: &View| {
            let mut shown = serde_json::to_value(view).unwrap();
            shown["as_of"].take();
            shown
        };
        prop_assert_eq!(Difference::between(&views[0], &views[1]).is_empty(), same(&views[0]) == same(&views[1]));
    }
}

#[test]
fn a_scope_that_says_no_more_than_its_name_is_shown_and_compared() {
    let api = StreamId::Api(ApiId::new(BEGIN, [2; 10]));
    let read = json!({"name": "orders:read"});
    let life = roll(&[
        (
            api,
            "ApiCreated",
            json!({"identifier": "https://orders.test", "name": "Orders", "built_in": false, "scopes": [read], "roles": []}),
        ),
        (
            api,
            "ApiScopesChanged",
            json!({"scopes": [read, {"name": "orders:write"}]}),
        ),
        (
            api,
            "ApiScopesChanged",
            json!({"scopes": [{"name": "orders:write", "description": "Change orders"}]}),
        ),
    ]);
    let moments = [1, 2, 3, 4].map(|hours| Moment::At(hour(hours)));
    let [none, made, wider, other] = &of(&life, &moments)[..] else {
        panic!()
    };
    let shown = made.to_string();
    assert!(
        shown.contains("\n    scopes\n      orders:read\n"),
        "{shown}"
    );
    assert!(!shown.contains("generations"), "{shown}");
    let between = |from, to| Difference::between(from, to).to_string();
    let added = between(none, made);
    assert!(added.contains("    scopes orders:read\n"), "{added}");
    let widened = between(made, wider);
    assert!(widened.contains("    scopes orders:write\n"), "{widened}");
    assert!(!widened.contains("generations"), "{widened}");
    let changed = between(wider, other);
    assert!(
        changed.contains("scopes orders:read → nothing\n"),
        "{changed}"
    );
    assert!(
        changed.contains("scopes orders:write: nothing → Change orders\n"),
        "{changed}"
    );
}
