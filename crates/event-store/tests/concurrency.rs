//! Many writers at once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use chancery_domain::{StreamId, Timestamp};
use chancery_event_store::{
    Append, Backend, Connection, Database, Kept, Store, StoreConfig, StoreError, Tx, UniqueRule,
    Versions, execute, fetch_one,
};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{
    NOW, append, assert_dense, by_steward, client, client_created, disabled, ids, roll, tenant,
};
use tokio::{task::JoinSet, time::timeout};

/// No more than this is waited for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

const WRITERS: usize = 50;
const COMMITS_EACH: usize = 4;

/// One attempt of the change path: false when the stream moved after it was loaded.
async fn attempt(store: &Store, stream: StreamId, reason: &str) -> Result<bool, StoreError> {
    let read = store.load(tenant(1), &[stream]).await?;
    let mut tx = store.begin().await?;
    let numbers = tx.take_numbers(tenant(1), 1, NOW).await?;
    let versions = tx.versions(tenant(1), &[stream]).await?;
    if versions != Versions::of(&read) {
        tx.rollback().await?;
        return Ok(false);
    }
    tx.append(
        numbers,
        &[(stream, disabled(reason))],
        &versions,
        &by_steward(),
        ids(),
    )
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// The second attempt of the change path: the lock first, so nobody can be faster.
async fn insist(store: &Store, stream: StreamId, reason: &str) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.take_numbers(tenant(1), 0, NOW).await?;
    let read = tx.load(tenant(1), &[stream]).await?;
    let numbers = tx.take_numbers(tenant(1), 1, NOW).await?;
    tx.append(
        numbers,
        &[(stream, disabled(reason))],
        &Versions::of(&read),
        &by_steward(),
        ids(),
    )
    .await?;
    tx.commit().await
}

async fn save_tenant(tx: &mut Tx, number: u8, slug: &str) -> Result<u64, StoreError> {
    execute!(
        tx,
        "INSERT INTO tenants (tenant_id, slug, display_name, state, version, created_at, changed_at, body)
         VALUES ($1, $2, 'Acme', 'active', 1, 1, 1, '{}')",
        tenant(number).to_string(),
        slug
    )
}

async fn save_api(tx: &mut Tx, tenant_number: u8, api: &str) -> Result<u64, StoreError> {
    execute!(
        tx,
        "INSERT INTO apis (api_id, tenant_id, identifier, name, state, version, created_at, changed_at, body)
         VALUES ($1, $2, 'https://orders.example', 'Orders', 'active', 1, 1, 1, '{}')",
        api,
        tenant(tenant_number).to_string()
    )
}

/// Until another transaction waits for a lock. On SQLite it waits before it begins, which nobody can
/// see and nothing depends on.
async fn until_somebody_waits(store: &Store) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while store.backend() == Backend::Postgres && fetch_one!(store, (i64,), waiting).unwrap().0 == 0
    {
        tokio::task::yield_now().await;
    }
}

/// Takes numbers of all three tenants, as far as they are free, and writes an event of each. Gives how many.
async fn write_what_is_free(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let wanted = (1..=3).map(|number| (tenant(number), (1, now))).collect();
    let mut tx = store.begin().await?;
    let taken = tx.take_free_numbers(&wanted).await?;
    let streams = (1..=3).map(|number| (tenant(number), StreamId::Client(client(number))));
    let streams: BTreeSet<_> = streams
        .filter(|(tenant, _)| taken.contains_key(tenant))
        .collect();
    let stands = tx.stands(&streams).await?;
    let events: Vec<_> = streams
        .iter()
        .map(|(_, stream)| [(*stream, disabled("busy"))])
        .collect();
    let changes = streams.iter().zip(taken.into_values()).zip(&events);
    let changes = changes.map(|(((tenant, stream), numbers), events)| Append {
        numbers,
        events,
        read: stands.versions(*tenant, &[*stream]),
        provenance: by_steward(),
        ids: ids().take(1).collect(),
    });
    let written = tx.append_all(changes.collect()).await?.len();
    tx.commit().await?;
    Ok(written)
}

on_both_stores! {
    /// Many who take the numbers of several tenants at once, whichever are free: no number is given twice or left out.
    async fn free_numbers_are_dense_however_many_take_them(store: TestStore) {
        for number in 1..=3 {
            append(&store, tenant(number), &[(StreamId::Client(client(number)), client_created())], NOW).await.unwrap();
        }
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store = store.clone();
            writers.spawn(async move {
                let mut written = 0;
                for turn in 0..10 {
                    let now = NOW.plus_seconds((writer * turn) % 7);
                    written += write_what_is_free(&store, now).await.unwrap();
                }
                written
            });
        }
        let written: usize = writers.join_all().await.into_iter().sum();
        let mut entries = 0;
        for number in 1..=3 {
            let roll = roll(&store, tenant(number)).await;
            assert_dense(&roll);
            entries += roll.len() - 1;
        }
        assert!(written == entries && written > 0, "{written} {entries}");
    }

    async fn whose_lock_is_held_is_left_out(store: TestStore) {
        for number in 1..=3 {
            append(&store, tenant(number), &[(StreamId::Client(client(number)), client_created())], NOW).await.unwrap();
        }
        let held = match store.backend() {
            Backend::Postgres => {
                let mut tx = store.begin().await.unwrap();
                tx.take_numbers(tenant(2), 0, NOW).await.unwrap();
                Some(tx)
            }
            Backend::Sqlite => None,
        };
        let later = NOW.plus_seconds(9);
        let wanted = [(tenant(1), (3, later)), (tenant(2), (1, NOW)), (tenant(3), (0, NOW))].into();
        let mut tx = store.begin().await.unwrap();
        let mut taken = timeout(PATIENCE, tx.take_free_numbers(&wanted)).await.unwrap().unwrap();
        assert_eq!(taken.contains_key(&tenant(2)), held.is_none());
        let none = taken.remove(&tenant(3)).unwrap();
        assert_eq!((none.first(), none.count(), none.recorded_at()), (2, 0, NOW));
        let mut rest = taken.remove(&tenant(1)).unwrap();
        let first = rest.split(1);
        assert_eq!((first.first(), first.count(), first.recorded_at()), (2, 1, later));
        assert_eq!((rest.first(), rest.count(), rest.recorded_at()), (3, 2, later));
        assert_eq!(rest.split(9).count(), 2);
        tx.rollback().await.unwrap();
        // A roll that is not there yet is made by whoever waits for its lock.
        if store.backend() == Backend::Postgres {
            let mut tx = store.begin().await.unwrap();
            let taken = tx.take_free_numbers(&[(tenant(4), (1, NOW))].into()).await.unwrap();
            assert!(taken.is_empty());
        }
    }

    async fn fifty_writers_on_one_aggregate(store: TestStore) {
        let stream = StreamId::Client(client(1));
        append(&store, tenant(1), &[(stream, client_created())], NOW).await.unwrap();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = (*store).clone();
            writers.spawn(async move {
                for commit in 0..COMMITS_EACH {
                    let reason = format!("{writer}/{commit}");
                    if !attempt(&store, stream, &reason).await.unwrap() {
                        insist(&store, stream, &reason).await.unwrap();
                    }
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        let roll = roll(&store, tenant(1)).await;
        assert_eq!(roll.len(), 1 + WRITERS * COMMITS_EACH);
        assert_dense(&roll);
        assert!(roll.iter().zip(1..).all(|(entry, n)| entry.sequence == n), "the stream is dense too");
        let reasons: BTreeSet<_> = roll[1..].iter().map(|entry| entry.event.payload().to_string()).collect();
        assert_eq!(reasons.len(), WRITERS * COMMITS_EACH, "each change is there once");
    }

    async fn tenants_do_not_share_numbers(store: TestStore) {
        let mut writers = JoinSet::new();
        for number in 1..=8 {
            let store = (*store).clone();
            writers.spawn(async move {
                let stream = StreamId::Client(client(number));
                append(&store, tenant(number), &[(stream, client_created())], NOW).await.unwrap();
                for _ in 0..10 {
                    append(&store, tenant(number), &[(stream, disabled("again"))], NOW).await.unwrap();
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        for number in 1..=8 {
            let roll = roll(&store, tenant(number)).await;
            assert_eq!(roll.len(), 11);
            assert_dense(&roll);
        }
    }

    async fn one_of_two_concurrent_slugs_is_refused_by_name(store: TestStore) {
        let mut first = store.begin().await.unwrap();
        first.take_numbers(tenant(1), 0, NOW).await.unwrap();
        save_tenant(&mut first, 1, "acme").await.unwrap();
        let second = tokio::spawn({
            let store = (*store).clone();
            async move {
                let mut tx = store.begin().await?;
                tx.take_numbers(tenant(2), 0, NOW).await?;
                save_tenant(&mut tx, 2, "acme").await
            }
        });
        until_somebody_waits(&store).await;
        first.commit().await.unwrap();
        assert_eq!(second.await.unwrap(), Err(StoreError::Unique { rule: UniqueRule::TenantSlug }));
    }

    async fn an_api_identifier_is_one_tenants_own(store: TestStore) {
        let mut tx = store.begin().await.unwrap();
        save_api(&mut tx, 1, "api_a").await.unwrap();
        save_api(&mut tx, 2, "api_b").await.unwrap();
        assert_eq!(
            save_api(&mut tx, 1, "api_c").await,
            Err(StoreError::Unique { rule: UniqueRule::ApiIdentifier })
        );
    }

    async fn whoever_waits_for_the_lock_sees_what_was_committed(store: TestStore) {
        let stream = StreamId::Client(client(1));
        let mut first = store.begin().await.unwrap();
        let numbers = first.take_numbers(tenant(1), 1, NOW).await.unwrap();
        let second = tokio::spawn({
            let store = (*store).clone();
            async move {
                let mut tx = store.begin().await?;
                let numbers = tx.take_numbers(tenant(1), 1, NOW).await?;
                let versions = tx.versions(tenant(1), &[stream]).await?;
                let read = tx.load(tenant(1), &[stream]).await?;
                Ok::<_, StoreError>((numbers.first(), versions, read))
            }
        });
        until_somebody_waits(&store).await;
        first
            .append(numbers, &[(stream, client_created())], &Versions::default(), &by_steward(), ids())
            .await
            .unwrap();
        first.commit().await.unwrap();
        let (number, versions, read) = second.await.unwrap().unwrap();
        assert_eq!((number, versions.get(stream)), (2, 1));
        assert_eq!(Versions::of(&read), versions);
    }
}

/// Apart from the store's own connections.
async fn kept(store: &TestStore) -> (Database, Kept) {
    let config = StoreConfig::new(store.location().clone());
    let database = Database::connect(&config).await.unwrap();
    let mut kept = Kept::of(&database);
    drop(kept.connection().await.unwrap());
    kept.rest();
    (database, kept)
}

async fn one(mut connection: Connection<'_>) -> Result<(i32,), StoreError> {
    fetch_one!(&mut connection, (i32,), "SELECT 1")
}

fn used(database: &Database) -> usize {
    database.connections()[0].used
}

on_both_stores! {
    async fn a_kept_connection_stays_until_the_database_is_closed(store: TestStore) {
        let (database, mut kept) = kept(&store).await;
        assert_eq!(used(&database), 1, "nobody waits for it");
        let closing = async {
            let gives = async {
                kept.wanted().await;
                kept.give_back();
            };
            tokio::join!(database.close(), gives);
        };
        timeout(PATIENCE, closing).await.unwrap();
        assert!(kept.connection().await.is_err(), "the database is closed");
    }
}

#[tokio::test]
async fn whoever_writes_gets_the_only_connection_from_who_keeps_it() {
    let store = TestStore::sqlite().await;
    let (database, mut kept) = kept(&store).await;
    let gives = async {
        kept.wanted().await;
        kept.rest();
    };
    let (begun, ()) = timeout(PATIENCE, async { tokio::join!(database.begin(), gives) })
        .await
        .unwrap();
    begun.unwrap().commit().await.unwrap();

    // Who rests while somebody waits gives back without having been told.
    drop(kept.connection().await.unwrap());
    let waits = tokio::spawn(async move { database.begin().await });
    tokio::task::yield_now().await;
    kept.rest();
    let begun = timeout(PATIENCE, waits).await.unwrap();
    assert!(begun.unwrap().is_ok());
}

#[tokio::test]
async fn a_kept_connection_that_has_rested_is_looked_at_before_it_is_used() {
    let store = TestStore::postgres().await;
    // Before it: a second later the kept connection would be looked at.
    let mut tx = store.begin().await.unwrap();
    let (_database, mut kept) = kept(&store).await;
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (ended,) = fetch_one!(&mut tx, (i64,), ended).unwrap();
    assert!(ended > 0, "the kept connection has ended");
    assert!(
        one(kept.connection().await.unwrap()).await.is_err(),
        "it was used a moment ago"
    );

    drop(kept.connection().await.unwrap());
    kept.rest();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(one(kept.connection().await.unwrap()).await, Ok((1,)));
}
