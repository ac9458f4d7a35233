//! The schema: events are final, every unique index has its rule, migrations run once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::collections::BTreeSet;

use chancery_domain::StreamId;
use chancery_event_store::{
    Backend, SchemaStatus, Store, StoreError, UNIQUE_RULES, execute, fetch_all, migrations,
};
use chancery_testkit::{
    on_both_stores,
    stores::{TestDatabase, TestStore},
};
use common::{NOW, append, client, client_created, roll, tenant};
use tokio::task::JoinSet;

/// The schema of this binary.
fn known() -> i64 {
    migrations(Backend::Sqlite).count().try_into().unwrap()
}

on_both_stores! {
    async fn events_cannot_be_changed_or_deleted(store: TestStore) {
        append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await.unwrap();
        let before = roll(&store, tenant(1)).await;
        let mut statements = vec![
            "UPDATE events SET actor_id = 'nobody'",
            "DELETE FROM events",
            "INSERT INTO events (event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id,
                                 sequence, event_type, event_version, payload, actor_type, actor_id)
             SELECT 'event_x', tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id,
                    sequence, event_type, event_version, payload, actor_type, 'nobody'
               FROM events WHERE true
                 ON CONFLICT (tenant_id, tenant_seq) DO UPDATE SET actor_id = excluded.actor_id",
        ];
        match store.backend() {
            Backend::Postgres => statements.push("TRUNCATE events"),
            Backend::Sqlite => statements.push(
                "REPLACE INTO events (event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id,
                                      sequence, event_type, event_version, payload, actor_type, actor_id)
                 SELECT event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id,
                        sequence, event_type, event_version, payload, actor_type, 'nobody' FROM events",
            ),
        }
        for statement in statements {
            let mut tx = store.begin().await.unwrap();
            let outcome = execute!(&mut tx, statement);
            let Err(StoreError::Failed(cause)) = outcome else { panic!("{statement}: {outcome:?}") };
            assert!(cause.message.contains("events are final"), "{cause}");
        }
        assert_eq!(roll(&store, tenant(1)).await, before);
    }

    async fn migrating_again_changes_nothing(store: TestStore) {
        assert_eq!(store.schema_status().await.unwrap(), SchemaStatus::Current);
        store.migrate().await.unwrap();
        assert_eq!(store.schema_status().await.unwrap(), SchemaStatus::Current);
    }

    async fn a_newer_schema_is_neither_migrated_nor_written(store: TestStore) {
        let mut tx = store.begin().await.unwrap();
        let found = known() + 1;
        execute!(&mut tx, "INSERT INTO chancery_schema (version, name, sql) VALUES ($1, 'later', '')", found).unwrap();
        tx.commit().await.unwrap();
        let newer = StoreError::SchemaNewer { found, known: known() };
        assert_eq!(store.schema_status().await.unwrap(), SchemaStatus::Newer { found, known: known() });
        assert_eq!(store.migrate().await, Err(newer.clone()));
        let outcome = append(&store, tenant(1), &[(StreamId::Client(client(1)), client_created())], NOW).await;
        assert_eq!(outcome, Err(newer));
    }

    async fn a_migration_with_another_text_is_noticed(store: TestStore) {
        let mut tx = store.begin().await.unwrap();
        execute!(&mut tx, "UPDATE chancery_schema SET sql = 'other' WHERE version = 2").unwrap();
        tx.commit().await.unwrap();
        let changed = StoreError::SchemaChanged { version: 2, name: "0002_read_models".to_owned() };
        assert_eq!(store.schema_status().await, Err(changed.clone()));
        assert_eq!(store.migrate().await, Err(changed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processes_start_at_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = TestDatabase::empty(backend).await;
        let mut starts = JoinSet::new();
        for _ in 0..10 {
            let mut config = database.config();
            config.max_connections = 1;
            starts.spawn(async move {
                let store = Store::connect(&config).await?;
                store.migrate().await?;
                store.schema_status().await
            });
        }
        while let Some(ended) = starts.join_next().await {
            assert_eq!(ended.unwrap(), Ok(SchemaStatus::Current));
        }
    }
}

#[tokio::test]
async fn an_empty_database_has_the_oldest_schema() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = TestDatabase::empty(backend).await;
        let store = Store::connect(&database.config()).await.unwrap();
        assert_eq!(
            store.schema_status().await.unwrap(),
            SchemaStatus::Older {
                found: 0,
                needed: known()
            }
        );
        assert!(store.ping().await.is_err(), "not ready without its tables");
    }
}

/// So a write through the store, past a transaction, fails every test on SQLite.
#[tokio::test]
async fn readers_of_sqlite_are_read_only() {
    let store = TestStore::sqlite().await;
    let write = "INSERT INTO tenant_log (tenant_id, head, recorded_at) VALUES ('tenant_x', 1, 1) RETURNING head";
    let outcome = fetch_all!(&*store, (i64,), write);
    assert!(outcome.unwrap_err().to_string().contains("readonly"));
}

#[test]
fn every_migration_is_there_for_both_stores() {
    let listed = |directory: &str| {
        let path = format!(
            "{}/../../migrations/{directory}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_dir(path)
            .unwrap()
            .map(Result::unwrap)
            // A folder holds the schema of something else.
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| entry.file_name())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(listed("postgres"), listed("sqlite"));
    assert_eq!(
        listed("postgres").len(),
        migrations(Backend::Postgres).count(),
        "every file is in the list"
    );
}

#[tokio::test]
async fn every_unique_index_of_postgres_has_its_rule() {
    let store = TestStore::postgres().await;
    let rows = fetch_all!(
        &*store,
        (String,),
        "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace"
    );
    let found: BTreeSet<_> = rows.unwrap().into_iter().map(|(name,)| name).collect();
    let known: BTreeSet<_> = UNIQUE_RULES
        .iter()
        .map(|(_, constraint, _)| (*constraint).to_owned())
        .collect();
    assert_eq!(found, known);
}

#[tokio::test]
async fn every_unique_index_of_sqlite_has_its_rule() {
    let store = TestStore::sqlite().await;
    let indexes = fetch_all!(
        &*store,
        (String,),
        "SELECT group_concat(t.name || '.' || c.name, ', ' ORDER BY c.seqno)
           FROM sqlite_master t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
          WHERE t.type = 'table' AND i.\"unique\" GROUP BY t.name, i.name"
    );
    // A primary key that is the row's number has no index.
    let numbered = fetch_all!(
        &*store,
        (String,),
        "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c
          WHERE t.type = 'table' AND c.pk > 0
            AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) i WHERE i.origin = 'pk')"
    );
    let found: BTreeSet<_> = indexes
        .unwrap()
        .into_iter()
        .chain(numbered.unwrap())
        .map(|(columns,)| columns)
        .collect();
    let known: BTreeSet<_> = UNIQUE_RULES
        .iter()
        .map(|(_, _, columns)| (*columns).to_owned())
        .collect();
    assert_eq!(found, known);
}
