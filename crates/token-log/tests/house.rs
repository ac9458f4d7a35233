//! Reading the log, and what goes with time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_event_store::{Backend, fetch_all};
use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_log::{ActivityFilter, Entry, Kind, TokenLog};

use common::{World, claiming, client, config, operation, record, tenant};

const DAY: i64 = 86_400;

async fn partitions(world: &World) -> Vec<String> {
    let rows = fetch_all!(
        &world.raw,
        (String,),
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'token_log.activity'::regclass ORDER BY 1"
    );
    rows.unwrap().into_iter().map(|(name,)| name).collect()
}

on_both_stores! {
    async fn the_log_is_read_page_by_page_with_the_newest_last(store: TestStore) {
        let world = World::on(store).await;
        for number in 0..25 {
            record(&world.log, operation(world.issued(&number.to_string()), None)).await;
            // Several in one moment, and several days.
            world.clock.advance(if number % 3 == 0 { DAY / 2 } else { 0 });
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = world.log.page(tenant(1), (after, None), 10, &ActivityFilter::default()).await.unwrap();
            seen.extend(page.records.iter().filter_map(|found| found.jti.clone()));
            assert!(page.records.is_sorted_by_key(|found| found.id));
            assert_eq!(page.end, page.records.last().map(|last| last.id));
            if !page.has_next {
                break;
            }
            after = page.end;
        }
        let all: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        assert_eq!(seen, all);
    }

    async fn a_filter_finds_what_it_says(store: TestStore) {
        let world = World::on(store).await;
        let start = world.now();
        let denied = |client: &str, reason| Entry {
            client: Some(client.to_owned().into()),
            reason: Some(reason),
            ..world.entry(tenant(1), Kind::TokenDenied)
        };
        record(&world.log, operation(world.issued("first"), None)).await;
        record(&world.log, operation(denied("stranger", "no_client"), None)).await;
        world.clock.advance(60);
        record(&world.log, operation(world.issued("later"), None)).await;
        let trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".into());
        let other = Entry { credential: Some("secret_b".into()), trace_id, ..world.issued("b") };
        record(&world.log, operation(other, None)).await;
        record(&world.log, operation(world.entry(tenant(1), Kind::RollRead), None)).await;
        let any = ActivityFilter::default;
        let cases = [
            (any(), 5),
            (ActivityFilter { kinds: vec![Kind::TokenDenied], ..any() }, 1),
            (ActivityFilter { kinds: vec![Kind::TokenDenied, Kind::RollRead], ..any() }, 2),
            (ActivityFilter { kinds: vec![Kind::TokenIssued, Kind::RollRead], ..any() }, 4),
            (ActivityFilter { client: Some(client(1).to_string()), ..any() }, 3),
            (ActivityFilter { client: Some("stranger".to_owned()), ..any() }, 1),
            (ActivityFilter { credential: Some("secret_b".to_owned()), ..any() }, 1),
            (ActivityFilter { reason: Some("no_client".to_owned()), ..any() }, 1),
            (ActivityFilter { reason: Some("' OR 1=1 --".to_owned()), ..any() }, 0),
            (ActivityFilter { jti: Some("b".to_owned()), kinds: vec![Kind::TokenIssued], ..any() }, 0),
            (ActivityFilter { trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()), ..any() }, 1),
            (ActivityFilter { trace_id: Some("none".to_owned()), client: Some(client(1).to_string()), ..any() }, 0),
            (ActivityFilter { since: Some(start.plus_seconds(60)), ..any() }, 3),
            (ActivityFilter { until: Some(start.plus_seconds(60)), ..any() }, 2),
            (ActivityFilter {
                kinds: vec![Kind::TokenIssued],
                client: Some(client(1).to_string()),
                credential: Some("secret_a".to_owned()),
                since: Some(start),
                until: Some(start.plus_seconds(1)),
                ..any()
            }, 1),
        ];
        for (filter, count) in cases {
            let found = world.find(tenant(1), filter.clone()).await;
            assert_eq!(found.len(), count, "{filter:?}");
            // The second page of each goes on where the first ended.
            if let [first, rest @ ..] = &found[..] {
                let after = world.log.page(tenant(1), (Some(first.id), None), 100, &filter).await.unwrap();
                assert_eq!(after.records, rest, "{filter:?}");
                let upto = world.log.page(tenant(1), (None, Some(first.id)), 100, &filter).await.unwrap();
                assert_eq!(upto.records, std::slice::from_ref(first), "{filter:?}");
            }
            assert!(world.find(tenant(2), filter).await.is_empty());
        }
    }

    async fn a_token_is_found_by_its_id_with_all_that_was_done_with_it(store: TestStore) {
        let world = World::on(store).await;
        // A UUIDv7 of this moment, as the token endpoint makes them.
        let millis = format!("{:012x}", world.now().millis());
        let jti = format!("{}-{}-7abc-8def-0123456789ab", &millis[..8], &millis[8..]);
        record(&world.log, operation(world.issued(&jti), None)).await;
        record(&world.log, operation(world.issued("another"), None)).await;
        world.clock.advance(DAY);
        let revoked = Entry { jti: Some(jti.clone().into()), ..world.entry(tenant(1), Kind::TokenRevoked) };
        record(&world.log, operation(revoked, None)).await;
        let of = |jti: &str| ActivityFilter { jti: Some(jti.to_owned()), ..ActivityFilter::default() };
        let kinds = |found: Vec<chancery_token_log::Activity>| found.iter().map(|found| found.kind).collect::<Vec<_>>();
        let found = world.find(tenant(1), of(&jti)).await;
        assert_eq!(kinds(found), [Kind::TokenIssued, Kind::TokenRevoked]);
        let later = ActivityFilter { since: Some(world.now()), ..of(&jti) };
        assert_eq!(kinds(world.find(tenant(1), later).await), [Kind::TokenRevoked]);
        let of_client = ActivityFilter { client: Some(client(1).to_string()), ..of(&jti) };
        assert_eq!(kinds(world.find(tenant(1), of_client).await), [Kind::TokenIssued]);
        assert!(world.find(tenant(2), of(&jti)).await.is_empty());
    }

    async fn only_what_is_old_goes_and_the_last_use_stays(store: TestStore) {
        let world = World::on(store).await;
        for days in 0..100_i64 {
            record(&world.log, operation(world.issued(&days.to_string()), None)).await;
            world.clock.advance(DAY);
            if days % 7 == 6 {
                world.log.keep_house().await.unwrap();
            }
        }
        world.log.keep_house().await.unwrap();
        // The log's clock stands 100 days after the first record.
        let expected: Vec<_> = (10..100).map(|days| days.to_string()).collect();
        let found = world.jtis().await;
        assert_eq!(found.last(), expected.last());
        assert!(found.len() >= 90, "nothing that is younger has gone: {found:?}");
        assert!(found.len() <= 91, "an hour goes when all of it is old: {found:?}");

        world.clock.advance(1_000 * DAY);
        world.log.keep_house().await.unwrap();
        assert!(world.jtis().await.is_empty());
        let last = world.log.uses(tenant(1)).await.unwrap().last(&["secret_a".to_owned()]).await.unwrap();
        assert_eq!(last["secret_a"].at, world.now().plus_seconds(-1_001 * DAY));
        let table = world.table("credential_use");
        let hours = fetch_all!(&world.raw, (i64,), &format!("SELECT COUNT(*) FROM {table}")).unwrap();
        assert_eq!(hours, [(1,)]);
        let table = world.table("client_days");
        let days = fetch_all!(&world.raw, (i64,), &format!("SELECT COUNT(*) FROM {table}")).unwrap();
        assert_eq!(days, [(0,)], "a day is no last use of anybody");
    }

    async fn used_assertions_are_forgotten_when_they_could_not_come_again(store: TestStore) {
        let world = World::on(store).await;
        let until = world.now().plus_seconds(300);
        for number in 0..3 {
            record(&world.log, claiming(world.issued("x"), &number.to_string(), until)).await;
        }
        let count = async || {
            let table = world.table("assertion_ids");
            fetch_all!(&world.raw, (i64,), &format!("SELECT COUNT(*) FROM {table}")).unwrap()[0].0
        };
        world.clock.advance(300);
        world.log.keep_house().await.unwrap();
        assert_eq!(count().await, 3);
        world.clock.advance(61);
        world.log.keep_house().await.unwrap();
        assert_eq!(count().await, 0);
    }

    async fn many_old_rows_go_in_pieces(store: TestStore) {
        let world = World::on(store).await;
        // A clock that is wrong: on PostgreSQL these fall into the default partition.
        world.clock.advance(-30 * DAY);
        for number in 0..1_200 {
            let queued = world.log.queue(world.revoked(&number.to_string())).unwrap();
            queued.done().await.unwrap();
        }
        world.log.drain().await;
        world.clock.advance(30 * DAY);
        record(&world.log, operation(world.issued("new"), None)).await;
        world.log.keep_house().await.unwrap();
        assert_eq!(world.jtis().await.len(), 1_201);
        world.clock.advance(61 * DAY);
        assert_eq!(world.log.keep_house().await.unwrap(), 1_200);
        assert_eq!(world.jtis().await, ["new"]);
    }

    async fn a_log_is_opened_by_many_nodes_at_once(store: TestStore) {
        let world = World::on(store).await;
        let opened = (0..8).map(|_| world.another());
        let logs = futures_util::future::join_all(opened).await;
        for (number, log) in logs.iter().enumerate() {
            record(log, operation(world.issued(&number.to_string()), None)).await;
        }
        assert_eq!(world.jtis().await.len(), 8);
    }

    async fn what_is_of_no_tenant_keeps_nobodys_activity_from_being_put_together(store: TestStore) {
        let world = World::on(store).await;
        record(&world.log, operation(world.issued("one"), None)).await;
        let fresh = world.table("activity_fresh");
        world.run(&format!(
            "INSERT INTO {fresh} (tenant_id, position, first_at, last_at, records, body)
             SELECT '-', 1, first_at, last_at, records, body FROM {fresh}"
        )).await;
        world.clock.advance(2 * 3_600);
        world.log.keep_house().await.unwrap();
        let left = fetch_all!(&world.raw, (String,), &format!("SELECT tenant_id FROM {fresh}")).unwrap();
        assert_eq!(left, [("-".to_owned(),)], "it is left for whoever finds out");
        assert_eq!(world.jtis().await, ["one"]);
    }
}

#[tokio::test]
async fn on_postgres_there_is_a_partition_for_each_day_of_the_coming_week() {
    let world = World::on(TestStore::postgres().await).await;
    // 2026-09-21 is the day of every test.
    let first = partitions(&world).await;
    assert_eq!(first.len(), 9, "{first:?}");
    assert_eq!(
        (first[0].as_str(), first[7].as_str()),
        ("activity_20260921", "activity_20260928")
    );
    assert_eq!(first[8], "activity_default");
    world.log.keep_house().await.unwrap();
    assert_eq!(partitions(&world).await, first, "nothing is made twice");

    // Nobody looks after it for ten days; two days have no partition then.
    world.clock.advance(9 * DAY);
    record(&world.log, operation(world.revoked("late"), None)).await;
    let lies = async || {
        let sql = "SELECT tableoid::regclass::text FROM token_log.activity WHERE jti = 'late'";
        fetch_all!(&world.raw, (String,), sql).unwrap()
    };
    assert_eq!(lies().await, [("token_log.activity_default".to_owned(),)]);
    world.log.keep_house().await.unwrap();
    assert_eq!(lies().await, [("token_log.activity_20260930".to_owned(),)]);
    assert_eq!(world.jtis().await, ["late"]);
    assert_eq!(partitions(&world).await.len(), 9 + 8);

    world.clock.advance(90 * DAY);
    world.log.keep_house().await.unwrap();
    let kept = partitions(&world).await;
    assert_eq!(kept[0], "activity_20260930", "{kept:?}");
    assert_eq!(world.jtis().await, ["late"]);
}

/// A row that is counted in a thousand times an hour stays where it stands, if no index holds what changes.
#[tokio::test]
async fn on_postgres_no_index_holds_a_count() {
    let world = World::on(TestStore::postgres().await).await;
    let sql = "SELECT c.relname || ': ' || a.attname
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
                WHERE i.indrelid IN ('token_log.credential_use'::regclass, 'token_log.client_days'::regclass)
                  AND a.attname IN ('uses', 'last_at', 'last_address')";
    let held = fetch_all!(&world.raw, (String,), sql).unwrap();
    assert_eq!(held, [], "each count is a new entry in every index");
}

#[tokio::test]
async fn on_postgres_a_long_reader_does_not_keep_tokens_waiting() {
    let world = World::on(TestStore::postgres().await).await;
    let mut reader = world.raw.begin().await.unwrap();
    fetch_all!(
        &mut reader,
        (i64,),
        "SELECT COUNT(*) FROM token_log.activity"
    )
    .unwrap();
    world.clock.advance(200 * DAY);
    // The days before cannot be dropped while somebody reads them.
    let (kept, recorded) = tokio::join!(
        world.log.keep_house(),
        world.log.record(operation(world.revoked("x"), None)),
    );
    assert!(kept.is_err(), "{kept:?}");
    recorded.unwrap();
    reader.rollback().await.unwrap();
    world.log.keep_house().await.unwrap();
    assert_eq!(partitions(&world).await.len(), 9);
}

#[tokio::test]
async fn two_installations_in_one_database_have_two_logs() {
    let store = TestStore::postgres().await;
    let world = World::on(store).await;
    assert_eq!(world.raw.backend(), Backend::Postgres);
    let chancery_event_store::StoreLocation::Postgres(url) = world.store.database().location()
    else {
        panic!("this is PostgreSQL")
    };
    let beside = chancery_event_store::ThrowawaySchema::create(url, "beside")
        .await
        .unwrap();
    let heads = chancery_event_store::Store::connect(&chancery_event_store::StoreConfig::new(
        beside.location(),
    ))
    .await
    .unwrap();
    heads.migrate().await.unwrap();
    let mut elsewhere = config(&world.store);
    elsewhere.location = beside.location();
    let log = TokenLog::open(&elsewhere, &heads, world.clock.clone())
        .await
        .unwrap();
    record(&log, operation(world.issued("there"), None)).await;
    record(&world.log, operation(world.issued("here"), None)).await;
    assert_eq!(world.jtis().await, ["here"]);
    log.close().await;
    beside.remove().await.unwrap();
    let left = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'beside%'";
    assert!(fetch_all!(&world.raw, (String,), left).unwrap().is_empty());
    assert_eq!(world.jtis().await, ["here"]);
}
