use chancery_domain::EventId;
use chancery_event_store::{Store, StoreError, execute};
use chancery_projections::{
    FOLD_VERSION, check, platform_rebuild, platform_rebuild_if_stale, rebuild,
};
use chancery_testkit::{on_both_stores, stores::TestStore};

use crate::office::{NOW, client, differences, every_difference, open, rows, run, tenant};

/// Writes an event of this type with the payload of another, as no binary of this version would.
async fn append_raw(store: &Store, event_type: &str) {
    let mut tx = store.begin().await.unwrap();
    let numbers = tx.take_numbers(tenant(1), 1, NOW).await.unwrap();
    let sql = "INSERT INTO events (event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id, sequence,
                                   event_type, event_version, payload, actor_type, actor_id)
               SELECT $5, tenant_id, $1, recorded_at, 'client', $2, 3, $3, '1', payload, 'steward', 'steward'
                 FROM events WHERE tenant_seq = 1 AND tenant_id = $4";
    execute!(
        &mut tx,
        sql,
        numbers.first(),
        client(1).to_string(),
        event_type,
        tenant(1).to_string(),
        EventId::new(NOW, [99; 10]).to_string()
    )
    .unwrap();
    tx.commit().await.unwrap();
}

fn is_poison(outcome: Result<impl Sized, StoreError>) {
    let Err(StoreError::Poison { event, .. }) = outcome else {
        panic!("{:?}", outcome.err())
    };
    assert_eq!(
        event.to_string(),
        format!("event 3 of client/{}", client(1))
    );
}

on_both_stores! {
    async fn an_event_of_an_unknown_type_stops_who_needs_it_and_is_named(store: TestStore) {
        open(&store, 1, "acme").await;
        open(&store, 2, "bolt").await;
        append_raw(&store, "ClientTeleported").await;
        run(&store, "UPDATE clients SET version = 4711").await;
        let before = rows(&store).await;
        is_poison(check(&store, tenant(1), &mut ()).await);
        is_poison(rebuild(&store, tenant(1), &mut ()).await);
        let found = every_difference(&store).await;
        assert!(found[0].starts_with(&format!("events {}: nothing of this tenant was compared: ", tenant(1))), "{found:?}");
        assert!(found[0].contains("ClientTeleported"), "{found:?}");
        assert!(found[1].contains("`version` is 4711") && found[1].starts_with("clients "), "the other tenant is compared: {found:?}");
        is_poison(platform_rebuild(&store, &mut ()).await);
        assert_eq!(rows(&store).await, before, "nothing of that tenant was rebuilt, and none after it");
    }

    async fn an_event_whose_payload_is_not_its_types_stops_who_needs_it(store: TestStore) {
        open(&store, 1, "acme").await;
        append_raw(&store, "ClientDisabled").await;
        is_poison(check(&store, tenant(1), &mut ()).await);
        is_poison(rebuild(&store, tenant(1), &mut ()).await);
    }

    async fn a_gap_in_the_roll_stops_who_needs_it(store: TestStore) {
        open(&store, 1, "acme").await;
        let mut tx = store.begin().await.unwrap();
        tx.take_numbers(tenant(1), 1, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let outcome = check(&store, tenant(1), &mut ()).await;
        let Err(StoreError::Corrupt(what)) = outcome else { panic!("{outcome:?}") };
        assert!(what.contains("event 10 of the roll of"), "{what}");
        let outcome = rebuild(&store, tenant(1), &mut ()).await;
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    }

    async fn rows_of_older_folds_are_rebuilt_once(store: TestStore) {
        open(&store, 1, "acme").await;
        run(&store, &format!("UPDATE read_models SET fold_version = {FOLD_VERSION}")).await;
        run(&store, "UPDATE clients SET state = 'another'").await;
        assert_eq!(platform_rebuild_if_stale(&store, &mut ()).await.unwrap(), None);
        assert_eq!(differences(&store).await.0.len(), 1, "rows of these folds are left alone");

        run(&store, &format!("UPDATE read_models SET fold_version = {}", FOLD_VERSION - 1)).await;
        let rebuilt = platform_rebuild_if_stale(&store, &mut ()).await.unwrap();
        assert_eq!(rebuilt.unwrap().mended, 1);
        assert_eq!(differences(&store).await.0, [""; 0]);
        assert_eq!(platform_rebuild_if_stale(&store, &mut ()).await.unwrap(), None);

        run(&store, &format!("UPDATE read_models SET fold_version = {}", FOLD_VERSION + 1)).await;
        platform_rebuild(&store, &mut ()).await.unwrap();
        run(&store, "UPDATE clients SET state = 'another'").await;
        assert_eq!(platform_rebuild_if_stale(&store, &mut ()).await.unwrap(), None, "a newer binary's rows stay");
    }
}
