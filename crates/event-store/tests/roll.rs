//! The roll: dense numbers in the order of the commits, times that never go back, bytes that stay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_domain::{
    Actor, CommandId, Event, StreamId, Timestamp, json::canonical, tenant::TenantEvent,
    value::Reason,
};
use chancery_event_store::{Provenance, Store, StoreError, UniqueRule, Versions, fetch_all};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{
    NOW, append, assert_dense, by_steward, client, client_created, disabled, ids, metadata, roll,
    tenant, tenant_created,
};
use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

/// The payloads of a stream as the text that the database holds.
async fn payloads(store: &Store, stream: StreamId) -> Vec<String> {
    let rows = fetch_all!(
        store,
        (String,),
        "SELECT CAST(payload AS TEXT) FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 ORDER BY sequence",
        stream.aggregate_type().to_string(),
        stream.aggregate_id()
    );
    rows.unwrap()
        .into_iter()
        .map(|(payload,)| payload)
        .collect()
}

/// Takes numbers, writes, and does not commit: rolled back in one of the two ways.
async fn abandon(store: &Store, explicitly: bool) {
    let mut tx = store.begin().await.unwrap();
    let numbers = tx.take_numbers(tenant(1), 1, NOW).await.unwrap();
    let stream = StreamId::Client(client(9));
    let event = [(stream, disabled("never"))];
    tx.append(numbers, &event, &Versions::default(), &by_steward(), ids())
        .await
        .unwrap();
    if explicitly {
        tx.rollback().await.unwrap();
    }
}

on_both_stores! {
    async fn an_entry_comes_back_as_it_was_written(store: TestStore) {
        let provenance = Provenance {
            actor: Actor::Client(client(7)),
            command_id: Some("6a1f8c1e-0d5b-4b55-9d1c-3b3a0f6d2c11".parse::<CommandId>().unwrap()),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        };
        let events = [
            (StreamId::Tenant(tenant(1)), tenant_created("acme")),
            (StreamId::Client(client(1)), client_created()),
            (StreamId::Client(client(1)), disabled("leak")),
        ];
        let mut tx = store.begin().await.unwrap();
        let numbers = tx.take_numbers(tenant(1), 3, NOW).await.unwrap();
        assert_eq!((numbers.first(), numbers.count(), numbers.recorded_at()), (1, 3, NOW));
        let recorded = tx.append(numbers, &events, &Versions::default(), &provenance, ids()).await.unwrap();
        assert_eq!(tx.head(tenant(1)).await.unwrap(), Some(3));
        assert_eq!(store.head(tenant(1)).await.unwrap(), None, "not committed yet");
        tx.commit().await.unwrap();

        assert_eq!(store.head(tenant(1)).await.unwrap(), Some(3));
        assert_eq!(roll(&store, tenant(1)).await, recorded);
        assert_eq!(recorded.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(store.events_page(tenant(1), 1, 1).await.unwrap(), recorded[1..2]);
        assert_eq!(store.events_page(tenant(2), 0, 10).await.unwrap(), []);
    }

    async fn rolled_back_appends_leave_no_gap(store: TestStore) {
        abandon(&store, true).await;
        append(&store, tenant(1), &[(StreamId::Tenant(tenant(1)), tenant_created("acme"))], NOW).await.unwrap();
        for attempt in 0..1_000 {
            abandon(&store, attempt % 2 == 0).await;
        }
        store.close().await;
        let store = store.another().await;
        abandon(&store, true).await;
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();

        let roll = roll(&store, tenant(1)).await;
        assert_eq!(roll.len(), 2);
        assert_dense(&roll);
        assert_eq!(store.head(tenant(1)).await.unwrap(), Some(2));
    }

    async fn time_does_not_go_back_with_the_clock(store: TestStore) {
        let stream = StreamId::Client(client(1));
        append(&store, tenant(1), &[(stream, client_created())], NOW).await.unwrap();
        let back = append(&store, tenant(1), &[(stream, disabled("a"))], NOW.plus_seconds(-3_600)).await.unwrap();
        assert_eq!(back[0].recorded_at, NOW);
        let on = append(&store, tenant(1), &[(stream, disabled("b"))], NOW.plus_seconds(1)).await.unwrap();
        assert_eq!(on[0].recorded_at, NOW.plus_seconds(1));
        let early = [(StreamId::Client(client(2)), client_created())];
        let other = append(&store, tenant(2), &early, Timestamp::from_micros(5)).await.unwrap();
        assert_eq!(other[0].recorded_at, Timestamp::from_micros(5), "each tenant has its own time");
    }

    async fn no_numbers_only_lock_the_tenant(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let none = tx.take_numbers(tenant(1), 0, NOW).await.unwrap();
        assert_eq!((none.first(), none.count()), (2, 0));
        assert_eq!(tx.append(none, &[], &Versions::default(), &by_steward(), ids()).await.unwrap(), []);
        let one = tx.take_numbers(tenant(1), 1, NOW).await.unwrap();
        assert_eq!(one.first(), 2);
        tx.rollback().await.unwrap();
    }

    async fn a_commit_of_a_thousand_events(store: TestStore) {
        let stream = StreamId::Client(client(1));
        let mut events = vec![(stream, client_created())];
        events.extend((1..1_000).map(|n| (stream, disabled(&format!("{n}")))));
        let recorded = append(&store, tenant(1), &events, NOW).await.unwrap();
        assert_eq!(recorded.len(), 1_000);
        assert_dense(&recorded);
        assert_eq!(roll(&store, tenant(1)).await, recorded);
        assert_eq!(store.load(tenant(1), &[stream]).await.unwrap().streams()[0].version, 1_000);
        // Pages meet inside the commit.
        let mut paged = store.events_page(tenant(1), 0, 600).await.unwrap();
        paged.extend(store.events_page(tenant(1), 600, 600).await.unwrap());
        assert_eq!(paged, recorded);
    }

    async fn payloads_keep_every_byte(store: TestStore) {
        let values = [
            json!({"𐐷": "🌙\u{10ffff}", "quote": "\"\\/\u{8}\n", "ü": "a\u{301}", "escaped": "\u{1f}\u{7f}\u{2028}"}),
            json!({"z": 1, "a": {"b": [true, null, -9_007_199_254_740_991_i64]}, "aa": ""}),
            json!({"large": "é".repeat(2_040)}),
        ];
        let stream = StreamId::Client(client(1));
        let events: Vec<_> = values.iter().map(|value| (stream, metadata(value.clone()))).collect();
        append(&store, tenant(1), &events, NOW).await.unwrap();
        let expected: Vec<_> = values.iter().map(|value| canonical(&json!({"metadata": value}))).collect();
        assert_eq!(payloads(&store, stream).await, expected);
        let again: Vec<Event> = roll(&store, tenant(1)).await.into_iter().map(|entry| entry.event).collect();
        assert_eq!(again, events.into_iter().map(|(_, event)| event).collect::<Vec<_>>());
    }

    async fn an_append_at_a_version_that_moved_is_refused(store: TestStore) {
        let stream = StreamId::Client(client(1));
        append(&store, tenant(1), &[(stream, client_created())], NOW).await.unwrap();
        for whose in [tenant(1), tenant(2)] {
            let mut tx = store.begin().await.unwrap();
            let numbers = tx.take_numbers(whose, 1, NOW).await.unwrap();
            let stale = Versions::default();
            let outcome = tx.append(numbers, &[(stream, disabled("late"))], &stale, &by_steward(), ids()).await;
            assert_eq!(outcome, Err(StoreError::Unique { rule: UniqueRule::StreamVersion }));
        }
        assert_dense(&roll(&store, tenant(1)).await);
    }

    async fn numbers_events_and_ids_must_be_as_many(store: TestStore) {
        let stream = StreamId::Client(client(1));
        let event = [(stream, client_created())];
        for (taken, ids_given) in [(0, 1), (2, 2), (1, 0)] {
            let mut tx = store.begin().await.unwrap();
            let numbers = tx.take_numbers(tenant(1), taken, NOW).await.unwrap();
            let outcome =
                tx.append(numbers, &event, &Versions::default(), &by_steward(), ids().take(ids_given)).await;
            assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{taken} {ids_given}: {outcome:?}");
        }
        let misplaced = Event::from(TenantEvent::TenantClosed { reason: Reason::parse("gone").unwrap() });
        let outcome = append(&store, tenant(1), &[(stream, misplaced)], NOW).await;
        assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
        assert_eq!(store.head(tenant(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn appends_go_on_beside_open_transactions_on_postgres() {
    let store = TestStore::postgres().await;
    let chancery_event_store::StoreLocation::Postgres(url) = store.database().location() else {
        panic!("PostgreSQL is on PostgreSQL");
    };
    let elsewhere = format!("{}/postgres", url.rsplit_once('/').unwrap().0);
    let mut open = Vec::new();
    for url in [url, &elsewhere] {
        let mut foreign = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
            .execute(&mut foreign)
            .await
            .unwrap();
        open.push(foreign);
    }
    let other = format!("INSERT INTO tenant_log VALUES ('{}', 1, 1)", tenant(2));
    sqlx::raw_sql(&other).execute(&mut open[0]).await.unwrap();
    appends_go_on(&store).await;
    for foreign in open {
        foreign.close().await.unwrap();
    }
}

#[tokio::test]
async fn appends_go_on_beside_open_transactions_on_sqlite() {
    let store = TestStore::sqlite().await;
    let chancery_event_store::StoreLocation::Sqlite(path) = store.database().location() else {
        panic!("SQLite is on SQLite");
    };
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut foreign = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT COUNT(*) FROM events")
        .execute(&mut foreign)
        .await
        .unwrap();
    appends_go_on(&store).await;
    foreign.close().await.unwrap();
}

async fn appends_go_on(store: &Store) {
    let stream = StreamId::Client(client(1));
    append(store, tenant(1), &[(stream, client_created())], NOW)
        .await
        .unwrap();
    for _ in 0..20 {
        append(store, tenant(1), &[(stream, disabled("again"))], NOW)
            .await
            .unwrap();
    }
    assert_eq!(store.head(tenant(1)).await.unwrap(), Some(21));
    assert_dense(&roll(store, tenant(1)).await);
}
