//! Those who follow a roll, under what broke other stores: they miss nothing, see nothing twice and wait
//! for nobody else's transaction.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod common;

use std::time::Duration;

use chancery_domain::{Recorded, StreamId, TenantId};
use chancery_event_store::{
    Backend, EventFilter, Heads, Order, Store, StoreLocation, Tx, Versions, Watch, entries_page,
    execute,
};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{
    NOW, append, assert_dense, by_steward, client, client_created, disabled, ids, metadata, roll,
    tenant,
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::{task::JoinSet, time::timeout};

/// A test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// One who follows a roll: marks, reads, waits.
struct Follower {
    store: Store,
    tenant: TenantId,
    head: Watch,
    seen: Vec<Recorded>,
}

impl Follower {
    fn new(store: &Store, heads: &Heads, tenant: TenantId) -> Self {
        Self {
            store: store.clone(),
            tenant,
            head: heads.watch(tenant),
            seen: Vec::new(),
        }
    }

    fn last(&self) -> i64 {
        self.seen.last().map_or(0, |entry| entry.tenant_seq)
    }

    async fn read(&mut self) -> usize {
        let page = self
            .store
            .events_page(self.tenant, self.last(), 3)
            .await
            .unwrap();
        let read = page.len();
        self.seen.extend(page);
        read
    }

    /// Follows until this entry has come.
    async fn until(&mut self, number: i64) {
        let follow = async {
            while self.last() < number {
                self.head.seen();
                if self.read().await == 0 {
                    self.head.changed().await;
                }
            }
        };
        timeout(PATIENCE, follow)
            .await
            .expect("the entry does not come");
        assert_dense(&self.seen);
    }
}

/// Writes an entry and does not commit.
async fn begun(store: &Store, of: u8, aggregate: u8) -> Tx {
    let mut tx = store.begin().await.unwrap();
    write(&mut tx, of, aggregate).await;
    tx
}

async fn write(tx: &mut Tx, of: u8, aggregate: u8) {
    let numbers = tx.take_numbers(tenant(of), 1, NOW).await.unwrap();
    let event = [(StreamId::Client(client(aggregate)), client_created())];
    tx.append(numbers, &event, &Versions::default(), &by_steward(), ids())
        .await
        .unwrap();
}

async fn one(store: &Store, of: u8, aggregate: u8) {
    let event = [(StreamId::Client(client(aggregate)), client_created())];
    append(store, tenant(of), &event, NOW).await.unwrap();
}

fn all_of(entries: &[Recorded]) -> Vec<StreamId> {
    entries.iter().map(|entry| entry.stream).collect()
}

/// A connection to the same PostgreSQL server, to this database or to another.
async fn stranger(store: &TestStore, database: Option<&str>) -> PgConnection {
    let StoreLocation::Postgres(url) = store.database().location() else {
        panic!("not PostgreSQL")
    };
    let url = match database {
        None => url.clone(),
        Some(database) => {
            let (address, parameters) = url
                .split_once('?')
                .map_or((url.as_str(), String::new()), |(address, rest)| {
                    (address, format!("?{rest}"))
                });
            let (base, _) = address.rsplit_once('/').unwrap();
            format!("{base}/{database}{parameters}")
        }
    };
    PgConnection::connect(&url).await.unwrap()
}

on_both_stores! {
    /// A late commit: what was written first is committed last. In one roll the second writer waits, so it
    /// cannot be committed before; in another roll nobody waits, but on SQLite, where one writes at a time.
    async fn a_late_commit_reaches_everybody(store: TestStore) {
        let heads = Heads::new((*store).clone());
        let (mut first, mut second) = (
            Follower::new(&store, &heads, tenant(1)),
            Follower::new(&store, &heads, tenant(2)),
        );
        one(&store, 1, 1).await;
        let late = begun(&store, 1, 2).await;
        let writer = |of, aggregate| {
            let store = (*store).clone();
            tokio::spawn(async move { one(&store, of, aggregate).await })
        };
        let (waiting, elsewhere) = (writer(1, 3), writer(2, 4));
        if store.backend() == Backend::Postgres {
            second.until(1).await;
        }
        first.until(1).await;
        assert_eq!(first.read().await, 0, "what is not committed is not there");
        late.commit().await.unwrap();
        waiting.await.unwrap();
        elsewhere.await.unwrap();
        first.until(3).await;
        second.until(1).await;
        let order = [1, 2, 3].map(|number| StreamId::Client(client(number)));
        assert_eq!(all_of(&first.seen), order);
        for filter in [
            EventFilter::default(),
            EventFilter {
                types: Some(["ClientCreated"].into()),
                ..EventFilter::default()
            },
            EventFilter {
                streams: Some(order.into()),
                ..EventFilter::default()
            },
            EventFilter {
                actor: Some(chancery_event_store::ByActor::One(
                    chancery_domain::Actor::Steward,
                )),
                ..EventFilter::default()
            },
        ] {
            let later = store
                .select_events(tenant(1), &filter, (1, i64::MAX), (Order::OldestFirst, 10))
                .await
                .unwrap();
            assert_eq!(all_of(&later), order[1..], "{filter:?}");
        }
    }

    /// Where an entry stands in the table says nothing: here the later ones stand before the earlier ones, as after
    /// an inversion, and whoever reads or follows gets them by their numbers.
    async fn a_lower_place_of_a_later_entry_loses_nothing(store: TestStore) {
        let other = store.another().await;
        let heads = Heads::new((*store).clone());
        let mut follower = Follower::new(&store, &heads, tenant(1));
        one(&store, 1, 1).await;
        follower.until(1).await;
        for number in 2..=6 {
            one(&other, 1, number).await;
        }
        let mut tx = store.begin().await.unwrap();
        let lift = match store.backend() {
            Backend::Sqlite => "DROP TRIGGER events_are_not_changed",
            Backend::Postgres => "DROP TRIGGER events_are_final ON events",
        };
        execute!(&mut tx, lift).unwrap();
        let always = match store.backend() {
            Backend::Sqlite => "SELECT 1",
            Backend::Postgres => "ALTER TABLE events ALTER COLUMN position SET GENERATED BY DEFAULT",
        };
        execute!(&mut tx, always).unwrap();
        execute!(&mut tx, "UPDATE events SET position = -position").unwrap();
        tx.commit().await.unwrap();
        one(&store, 1, 7).await;
        follower.until(7).await;
        let order = [1, 2, 3, 4, 5, 6, 7].map(|number| StreamId::Client(client(number)));
        assert_eq!(all_of(&follower.seen), order);
        let types = EventFilter {
            types: Some(["ClientCreated"].into()),
            ..EventFilter::default()
        };
        for filter in [EventFilter::default(), types] {
            let read = store.select_events(tenant(1), &filter, (0, i64::MAX), (Order::OldestFirst, 10)).await.unwrap();
            assert_eq!(all_of(&read), order, "{filter:?}");
        }
        let exported = entries_page(&*store, tenant(1), 0, 10).await.unwrap();
        assert!(exported.iter().map(|entry| entry.tenant_seq).eq(1..=7));
    }
}

/// The older transaction writes after the younger one: positions and transaction ids disagree, and the
/// numbers of the roll follow the commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_transaction_that_writes_later_loses_nothing() {
    let store = TestStore::postgres().await;
    let heads = Heads::new((*store).clone());
    let mut follower = Follower::new(&store, &heads, tenant(1));
    let mut older = store.begin().await.unwrap();
    let Tx::Postgres(connection) = &mut older else {
        panic!("not PostgreSQL")
    };
    connection
        .execute("SELECT pg_current_xact_id()")
        .await
        .unwrap();
    one(&store, 1, 1).await;
    follower.until(1).await;
    write(&mut older, 1, 2).await;
    let mut other = begun(&store, 2, 3).await;
    write(&mut other, 2, 4).await;
    older.commit().await.unwrap();
    follower.until(2).await;
    other.commit().await.unwrap();
    let mut inverted = stranger(&store, None).await;
    let (inversions,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM events a JOIN events b ON a.position < b.position AND a.xact > b.xact")
        .fetch_one(&mut inverted)
        .await
        .unwrap();
    assert!(inversions > 0, "the test has no inversion");
    assert_eq!(
        all_of(&follower.seen),
        [1, 2].map(|number| StreamId::Client(client(number)))
    );
    let mut second = Follower::new(&store, &heads, tenant(2));
    second.until(2).await;
}

/// Transactions that others leave open, here and in another database of the cluster, hold up nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_transaction_that_stays_open_holds_up_nobody() {
    let store = TestStore::postgres().await;
    let heads = Heads::new((*store).clone());
    let mut follower = Follower::new(&store, &heads, tenant(1));
    let mut here = stranger(&store, None).await;
    let mut elsewhere = stranger(&store, Some("postgres")).await;
    for connection in [&mut here, &mut elsewhere] {
        connection
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .await
            .unwrap();
        connection
            .execute("SELECT pg_current_xact_id(), COUNT(*) FROM pg_class")
            .await
            .unwrap();
    }
    for number in 1..=5 {
        one(&store, 1, number).await;
        follower.until(i64::from(number)).await;
    }
    here.execute("ROLLBACK").await.unwrap();
    elsewhere.execute("ROLLBACK").await.unwrap();
}

on_both_stores! {
    async fn what_is_committed_between_marking_reading_and_waiting_is_not_missed(store: TestStore) {
        // Another process: no hint comes from it.
        let other = store.another().await;
        let heads = Heads::new((*store).clone());
        let mut follower = Follower::new(&store, &heads, tenant(1));
        one(&other, 1, 1).await;
        follower.head.seen();
        one(&other, 1, 2).await;
        assert_eq!(follower.read().await, 2);
        assert_eq!(follower.read().await, 0);
        one(&other, 1, 3).await;
        timeout(PATIENCE, follower.head.changed()).await.expect("nobody says that the roll has grown");
        follower.until(3).await;
        // The hint of one's own process comes at once, and an old one changes nothing.
        follower.head.seen();
        one(&store, 1, 4).await;
        heads.announce(tenant(1), 4);
        heads.announce(tenant(1), 2);
        timeout(PATIENCE, follower.head.changed()).await.unwrap();
        follower.until(4).await;
        heads.announce(tenant(9), 1);
    }

    async fn followers_of_two_rolls_see_each_whole_while_many_write(store: TestStore) {
        const WRITERS: u8 = 6;
        const COMMITS: i64 = 8;
        let other = store.another().await;
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = if writer % 2 == 0 { (*store).clone() } else { other.clone() };
            writers.spawn(async move {
                let of = 1 + writer % 2;
                let stream = StreamId::Client(client(writer));
                for commit in 0..COMMITS {
                    // Commits of two, so that pages of three end within one; and some that are undone.
                    let events = [(stream, disabled("x")), (stream, metadata(json!({"n": commit})))];
                    append(&store, tenant(of), &events, NOW).await.unwrap();
                    let undone = begun(&store, of, 100 + writer).await;
                    undone.rollback().await.unwrap();
                }
            });
        }
        let heads = Heads::new((*store).clone());
        let last = 2 * COMMITS * i64::from(WRITERS) / 2;
        let mut followers = JoinSet::new();
        for of in [1, 2, 1, 2] {
            let mut follower = Follower::new(&store, &heads, tenant(of));
            followers.spawn(async move {
                follower.until(last).await;
                follower
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        while let Some(follower) = followers.join_next().await {
            let follower = follower.unwrap();
            assert_eq!(follower.seen, roll(&store, follower.tenant).await);
        }
    }
}
