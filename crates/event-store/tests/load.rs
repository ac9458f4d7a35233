//! Loading: the fold of a stream, by the library and by our own query alike.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_domain::{
    DecodeError, Event, ReadSet, StreamId,
    client::{ClientEvent, Standing},
    command::State,
};
use chancery_event_store::{EventName, StoreError, execute};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{NOW, append, client, client_created, disabled, roll, tenant, tenant_created};

/// Puts an event into the stream of client 1, past everything that would refuse it.
async fn smuggle(store: &TestStore, event_type: &str, version: &str, payload: &str) {
    let mut tx = store.begin().await.unwrap();
    tx.take_numbers(tenant(1), 1, NOW).await.unwrap();
    let sql = format!(
        "INSERT INTO events (event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id, sequence,
                             event_type, event_version, payload, actor_type, actor_id)
         VALUES ('{}', $1, 2, 1, 'client', $2, 2, $3, $4, '{payload}', 'steward', 'steward')",
        common::ids().next().unwrap()
    );
    execute!(
        &mut tx,
        &sql,
        tenant(1).to_string(),
        client(1).to_string(),
        event_type,
        version
    )
    .unwrap();
    tx.commit().await.unwrap();
}

/// What each of the three ways of reading the smuggled event says.
async fn complaints(store: &TestStore) -> Vec<StoreError> {
    let streams = [StreamId::Client(client(1))];
    let by_library = store.load(tenant(1), &streams).await.unwrap_err();
    let mut tx = store.begin().await.unwrap();
    let within = tx.load(tenant(1), &streams).await.unwrap_err();
    tx.rollback().await.unwrap();
    let by_page = store.events_page(tenant(1), 0, 10).await.unwrap_err();
    assert_eq!(
        store.events_page(tenant(1), 0, 1).await.unwrap().len(),
        1,
        "up to it, the roll is readable"
    );
    vec![by_library, within, by_page]
}

on_both_stores! {
    async fn what_is_loaded_is_the_fold(store: TestStore) {
        let streams = [
            StreamId::Tenant(tenant(1)),
            StreamId::Client(client(1)),
            StreamId::SecretRotation(client(1)),
            StreamId::KeyRing(tenant(1)),
        ];
        let events = [
            (streams[0], tenant_created("acme")),
            (streams[1], client_created()),
            (streams[1], disabled("leak")),
            (streams[1], Event::from(ClientEvent::ClientEnabled {})),
            (streams[1], disabled("again")),
        ];
        append(&store, tenant(1), &events, NOW).await.unwrap();
        let mut change = chancery_domain::ChangeSet::default();
        for (stream, event) in &events {
            change.push(*stream, event.clone());
        }
        let absent = ReadSet::new(streams.map(chancery_domain::command::Loaded::absent).to_vec());
        let folded = absent.after(&change);

        let loaded = store.load(tenant(1), &streams).await.unwrap();
        assert_eq!(loaded, folded);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.load(tenant(1), &streams).await.unwrap(), folded);
        let versions = tx.versions(tenant(1), &streams).await.unwrap();
        assert_eq!(versions, chancery_event_store::Versions::of(&folded));
        assert_eq!(streams.map(|stream| versions.get(stream)), [1, 4, 0, 0]);
        assert_eq!(loaded.client(client(1)).unwrap().standing, Standing::Disabled);
        assert_eq!(tx.load(tenant(1), &[]).await.unwrap(), ReadSet::default());
    }

    async fn another_tenants_stream_is_absent(store: TestStore) {
        let theirs = StreamId::Client(client(1));
        append(&store, tenant(1), &[(theirs, client_created())], NOW).await.unwrap();
        append(&store, tenant(2), &[(StreamId::Client(client(2)), client_created())], NOW).await.unwrap();
        let read = store.load(tenant(2), &[theirs]).await.unwrap();
        assert_eq!(read.streams()[0].state, State::Client(None));
        assert_eq!(read.streams()[0].version, 0);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.load(tenant(2), &[theirs]).await.unwrap(), read);
        assert_eq!(tx.versions(tenant(2), &[theirs]).await.unwrap().get(theirs), 0);
        tx.rollback().await.unwrap();
        assert_eq!(roll(&store, tenant(2)).await.len(), 1);
    }

    async fn what_stands_in_several_tenants_is_told_at_once(store: TestStore) {
        let (ours, theirs) = (StreamId::Client(client(1)), StreamId::Client(client(2)));
        append(&store, tenant(1), &[(ours, client_created()), (ours, disabled("leak"))], NOW).await.unwrap();
        append(&store, tenant(2), &[(theirs, client_created())], NOW.plus_seconds(5)).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        // What is asked for in the wrong tenant is not there; what is asked for in both is told for both.
        let streams = [theirs, ours];
        let asked = [1, 2, 3].into_iter().flat_map(|number| streams.map(|stream| (tenant(number), stream)));
        let stands = tx.stands(&asked.collect()).await.unwrap();
        for (number, versions, recorded_at) in [(1, [0, 2], Some(NOW)), (2, [1, 0], Some(NOW.plus_seconds(5))), (3, [0, 0], None)] {
            let found = stands.versions(tenant(number), &streams);
            assert_eq!(streams.map(|stream| found.get(stream)), versions);
            assert_eq!(stands.recorded_at(tenant(number)), recorded_at);
        }
        assert_eq!(tx.stands(&[].into()).await.unwrap(), chancery_event_store::Stands::default());
        tx.rollback().await.unwrap();
    }

    async fn a_poison_event_is_named(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        smuggle(&store, "ClientPromoted", "1", "{}").await;
        let event = EventName {
            aggregate_type: "client".to_owned(),
            aggregate_id: client(1).to_string(),
            sequence: 2,
        };
        let cause = DecodeError::Unknown { event_type: "ClientPromoted".to_owned(), version: 1 };
        for complaint in complaints(&store).await {
            assert_eq!(complaint, StoreError::Poison { event: event.clone(), cause: cause.clone() });
        }
    }

    async fn a_version_from_the_future_is_poison(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        smuggle(&store, "ClientEnabled", "99", "{}").await;
        for complaint in complaints(&store).await {
            assert!(matches!(complaint, StoreError::Poison { cause: DecodeError::Unknown { version: 99, .. }, .. }));
        }
    }

    async fn a_payload_that_does_not_fit_is_poison(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        smuggle(&store, "ClientDisabled", "1", r#"{"reason":"x","by":"nobody"}"#).await;
        for complaint in complaints(&store).await {
            assert!(matches!(complaint, StoreError::Poison { cause: DecodeError::Payload { .. }, .. }));
        }
    }

    async fn a_payload_at_which_the_library_panics_is_poison(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        smuggle(&store, "ClientDisabled", "1", &format!("{}{}", "[".repeat(200), "]".repeat(200))).await;
        for complaint in complaints(&store).await {
            assert!(matches!(complaint, StoreError::Poison { cause: DecodeError::Payload { .. }, .. }));
        }
        store.ping().await.unwrap();
    }

    async fn an_event_of_another_kind_of_aggregate_is_damage(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        smuggle(&store, "TenantResumed", "1", "{}").await;
        for complaint in complaints(&store).await {
            assert!(matches!(complaint, StoreError::Corrupt(_)), "{complaint:?}");
        }
    }
}
