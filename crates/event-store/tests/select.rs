//! Reading a roll by what is in it and by when it was, each by an index.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use chancery_domain::{
    Actor, AggregateType, Event, Recorded, StreamId, Timestamp, client::ClientEvent,
    tenant::TenantEvent,
};
use chancery_event_store::{ByActor, EventFilter, Order, Provenance, Store, execute};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{
    NOW, assert_dense, client, client_created, disabled, ids, roll, tenant, tenant_created,
};

fn at(second: i64) -> Timestamp {
    NOW.plus_seconds(second)
}

async fn commit(
    store: &Store,
    number: u8,
    actor: Actor,
    events: &[(StreamId, Event)],
    now: Timestamp,
) {
    let provenance = Provenance {
        actor,
        command_id: None,
        trace_id: None,
    };
    let streams: Vec<_> = events.iter().map(|(stream, _)| *stream).collect();
    let mut tx = store.begin().await.unwrap();
    let numbers = tx
        .take_numbers(tenant(number), events.len(), now)
        .await
        .unwrap();
    let versions = tx.versions(tenant(number), &streams).await.unwrap();
    tx.append(numbers, events, &versions, &provenance, ids())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Two tenants whose entries lie between each other's: clients that are disabled and enabled by
/// several, in commits of different sizes, some in the same microsecond.
async fn two_rolls(store: &Store, commits: usize, each: usize) {
    let actors = [
        Actor::Client(client(1)),
        Actor::Client(client(2)),
        Actor::Steward,
        Actor::Cli("deploy".to_owned()),
    ];
    for number in [1, 2] {
        let created = [(
            StreamId::Tenant(tenant(number)),
            tenant_created(&format!("acme{number}")),
        )];
        commit(store, number, Actor::Installation, &created, at(0)).await;
    }
    for turn in 0..commits {
        for number in [1, 2] {
            let events: Vec<_> = (0..=each)
                .map(|index| {
                    // A client of each tenant for itself: an aggregate is one tenant's.
                    let of =
                        client(u8::try_from((turn + index) % 100).unwrap() + 100 * (number - 1));
                    let event = match (turn + index) % 3 {
                        // Text in which JSON within JSON could go wrong.
                        0 => disabled("l\"e\\a\u{2028}k 🌙"),
                        1 => ClientEvent::ClientEnabled {}.into(),
                        _ => client_created(),
                    };
                    (StreamId::Client(of), event)
                })
                .collect();
            let actor = actors[if turn % 50 == 7 { 3 } else { turn % 3 }].clone();
            commit(
                store,
                number,
                actor,
                &events,
                at(i64::try_from(turn / 2).unwrap()),
            )
            .await;
        }
    }
}

/// The filter again, in a few words.
fn lets_pass(filter: &EventFilter, entry: &Recorded) -> bool {
    filter
        .types
        .as_ref()
        .is_none_or(|types| types.contains(entry.event.kind().0))
        && filter
            .streams
            .as_ref()
            .is_none_or(|streams| streams.contains(&entry.stream))
        && match &filter.actor {
            None => true,
            Some(ByActor::One(actor)) => entry.actor == *actor,
            Some(ByActor::AnyClient) => entry.actor.kind() == "client",
            Some(ByActor::AnyCli) => entry.actor.kind() == "cli",
        }
}

fn filters() -> Vec<EventFilter> {
    let types = [
        None,
        Some(BTreeSet::new()),
        Some(["ClientDisabled"].into()),
        Some(["ClientCreated", "TenantCreated", "ApiRetired"].into()),
    ];
    let streams = [
        None,
        Some([StreamId::Client(client(3))].into()),
        Some(
            [
                StreamId::Client(client(3)),
                StreamId::SecretRotation(client(3)),
                StreamId::Client(client(4)),
            ]
            .into(),
        ),
    ];
    let actors = [
        None,
        Some(ByActor::One(Actor::Client(client(2)))),
        Some(ByActor::One(Actor::Steward)),
        Some(ByActor::AnyClient),
        Some(ByActor::AnyCli),
    ];
    let mut filters = Vec::new();
    for types in &types {
        for streams in &streams {
            for actor in &actors {
                filters.push(EventFilter {
                    types: types.clone(),
                    streams: streams.clone(),
                    actor: actor.clone(),
                });
            }
        }
    }
    filters
}

on_both_stores! {
    async fn every_filter_lets_pass_what_it_says_page_by_page(store: TestStore) {
        two_rolls(&store, 24, 4).await;
        let all = roll(&store, tenant(1)).await;
        assert_dense(&all);
        let head = all.last().unwrap().tenant_seq;
        for filter in filters() {
            for (after, to) in [(0, head), (7, head - 9), (head, head)] {
                let expected: Vec<_> = all
                    .iter()
                    .filter(|entry| entry.tenant_seq > after && entry.tenant_seq <= to && lets_pass(&filter, entry))
                    .cloned()
                    .collect();
                // Pages of three end within commits of five.
                let mut found = Vec::new();
                let mut last = after;
                loop {
                    let page = store.select_events(tenant(1), &filter, (last, to), (Order::OldestFirst, 3)).await.unwrap();
                    let Some(end) = page.last() else { break };
                    last = end.tenant_seq;
                    found.extend(page);
                }
                let (mut back, mut first) = (Vec::new(), to);
                loop {
                    let page = store.select_events(tenant(1), &filter, (after, first), (Order::NewestFirst, 3)).await.unwrap();
                    let Some(end) = page.last() else { break };
                    first = end.tenant_seq - 1;
                    back.extend(page);
                }
                back.reverse();
                assert_eq!(back, expected, "{filter:?} {after}..{to}");
                assert_eq!(found, expected, "{filter:?} {after}..{to}");
            }
        }
        assert_eq!(store.select_events(tenant(9), &EventFilter::default(), (0, i64::MAX), (Order::OldestFirst, 10)).await.unwrap(), []);
    }

    async fn a_moment_finds_its_last_entry(store: TestStore) {
        two_rolls(&store, 31, 2).await;
        let all = roll(&store, tenant(2)).await;
        let model = |moment: Timestamp| all.iter().filter(|entry| entry.recorded_at <= moment).map(|entry| entry.tenant_seq).max().unwrap_or(0);
        for second in -1..=17 {
            for micros in [-1, 0, 1] {
                let moment = Timestamp::from_micros(at(second).micros() + micros);
                assert_eq!(store.last_at(tenant(2), moment).await.unwrap(), model(moment), "{moment}");
                let before = Timestamp::from_micros(moment.micros() - 1);
                assert_eq!(store.last_before(tenant(2), moment).await.unwrap(), model(before), "{moment}");
            }
        }
        assert_eq!(store.last_at(tenant(9), at(100)).await.unwrap(), 0, "no such roll");
    }

    async fn aggregates_come_one_after_the_other_as_they_were(store: TestStore) {
        two_rolls(&store, 24, 4).await;
        let all = roll(&store, tenant(1)).await;
        for to in [0, 1, 40, 121] {
            let mut expected: BTreeMap<(String, i64), Recorded> = BTreeMap::new();
            for entry in &all {
                if entry.tenant_seq <= to && entry.stream.aggregate_type() == AggregateType::Client {
                    expected.insert((entry.stream.aggregate_id(), entry.tenant_seq), entry.clone());
                }
            }
            let expected: Vec<_> = expected.into_values().collect();
            let mut found: Vec<Recorded> = Vec::new();
            let mut after = (String::new(), 0);
            loop {
                let page = store
                    .events_by_aggregate(tenant(1), AggregateType::Client, to, (&after.0, after.1), 7)
                    .await
                    .unwrap();
                let Some(last) = page.last() else { break };
                after = (last.stream.aggregate_id(), last.tenant_seq);
                found.extend(page);
            }
            assert_eq!(found, expected, "up to {to}");

            let streams = [StreamId::Client(client(3)), StreamId::Tenant(tenant(1)), StreamId::Client(client(90))];
            let mut expected: Vec<_> = all.iter().filter(|entry| entry.tenant_seq <= to && streams.contains(&entry.stream)).cloned().collect();
            expected.sort_by_key(|entry| (entry.stream.aggregate_type().as_str(), entry.stream.aggregate_id(), entry.tenant_seq));
            assert_eq!(store.stream_events(tenant(1), &streams, to).await.unwrap(), expected);
        }
        let foreign = [StreamId::Client(client(103))];
        assert_eq!(store.stream_events(tenant(1), &foreign, i64::MAX).await.unwrap(), [], "another tenant's");
    }

    async fn every_filter_walks_an_index(store: TestStore) {
        two_rolls(&store, 60, 99).await;
        let mut tx = store.begin().await.unwrap();
        execute!(&mut tx, "ANALYZE").unwrap();
        tx.commit().await.unwrap();
        let orders = [Order::OldestFirst, Order::NewestFirst];
        for (filter, order) in filters().into_iter().flat_map(|filter| orders.map(|order| (filter.clone(), order))) {
            let plan = store.explain_events(tenant(1), &filter, (100, 5_000), (order, 51)).await.unwrap();
            let none = filter.types.as_ref().is_some_and(BTreeSet::is_empty);
            if none {
                assert_eq!(plan, "", "{filter:?}");
                continue;
            }
            assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN events"), "{filter:?}\n{plan}");
            assert!(plan.contains("Index") || plan.contains("USING INDEX"), "{filter:?}\n{plan}");
        }
        // What is rare is not looked for among what is common.
        for (filter, index) in [
            (EventFilter { types: Some(["TenantSuspended"].into()), ..EventFilter::default() }, "events_type_idx"),
            (EventFilter { streams: Some([StreamId::Client(client(3))].into()), ..EventFilter::default() }, "events_aggregate_idx"),
            (EventFilter { actor: Some(ByActor::One(Actor::Client(client(9)))), ..EventFilter::default() }, "events_actor_idx"),
            (EventFilter { actor: Some(ByActor::AnyCli), ..EventFilter::default() }, "events_cli_idx"),
        ] {
            for order in orders {
                let plan = store.explain_events(tenant(1), &filter, (0, 6_000), (order, 51)).await.unwrap();
                assert!(plan.contains(index), "{filter:?} {order:?}\n{plan}");
            }
        }
    }

    async fn an_entry_that_cannot_be_read_stops_the_reader(store: TestStore) {
        two_rolls(&store, 3, 1).await;
        let mut tx = store.begin().await.unwrap();
        execute!(
            &mut tx,
            "INSERT INTO events (event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id,
                                 sequence, event_type, event_version, payload, actor_type, actor_id)
             VALUES ('event_01h455vb4pex5vsknk084sn02q', $1, 8, $2, 'client', $3, 77, 'ClientPainted', '1', '{}', 'steward', 'steward')",
            tenant(1).to_string(),
            at(1).micros(),
            client(3).to_string()
        ).unwrap();
        execute!(&mut tx, "UPDATE tenant_log SET head = 8 WHERE tenant_id = $1", tenant(1).to_string()).unwrap();
        tx.commit().await.unwrap();
        let everything = EventFilter::default();
        assert_eq!(store.select_events(tenant(1), &everything, (0, 7), (Order::OldestFirst, 10)).await.unwrap().len(), 7);
        let named = format!("client/{}", client(3));
        for refused in [
            store.select_events(tenant(1), &everything, (5, 8), (Order::OldestFirst, 10)).await.unwrap_err(),
            store.stream_events(tenant(1), &[StreamId::Client(client(3))], 8).await.unwrap_err(),
            store.events_by_aggregate(tenant(1), AggregateType::Client, 8, ("", 0), 100).await.unwrap_err(),
        ] {
            let said = refused.to_string();
            assert!(said.contains("ClientPainted") && said.contains(&named), "{said}");
        }
        let poison = EventFilter { types: Some([TenantEvent::TenantResumed {}].iter().map(|event| chancery_domain::event::EventKind::kind(event).0).collect()), ..EventFilter::default() };
        assert_eq!(store.select_events(tenant(1), &poison, (0, 8), (Order::OldestFirst, 10)).await.unwrap(), [], "who does not ask for it reads on");
    }
}
