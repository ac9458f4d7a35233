//! However records are put together, they are read as they were written, and uses are counted once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Backend, fetch_all, fetch_one};
use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_log::{Activity, ActivityFilter, Answer, Entry, Kind, Times, TokenLog};
use futures_util::future::join_all;

use common::{World, claiming, client, operation, record, tenant};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Numbers that look like chance and are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }
}

/// Two tenants whose clients, credentials and traces have the same names: what is of one is never told to
/// the other.
fn tenants() -> [TenantId; 2] {
    [tenant(1), tenant(2)]
}

/// Something that happens: mostly a token that leaves, and the clocks of nodes differ by seconds.
fn happening(world: &World, chance: &mut Chance, number: usize) -> Entry<'static> {
    let kinds = [
        Kind::TokenIssued,
        Kind::TokenIssued,
        Kind::TokenIssued,
        Kind::TokenRefreshed,
        Kind::TokenDenied,
        Kind::RollRead,
    ];
    let kind = chance.of(&kinds);
    let skew = i64::try_from(chance.below(10)).unwrap() - 5;
    let who = u8::try_from(chance.below(3)).unwrap();
    let is_bulk = matches!(kind, Kind::TokenIssued | Kind::TokenRefreshed);
    Entry {
        tenant: chance.of(&tenants()),
        kind,
        at: world.now().plus_seconds(skew),
        client: Some(client(who).to_string().into()),
        credential: is_bulk.then(|| format!("secret_{who}{}", chance.below(2)).into()),
        reason: chance.of(&[None, None, Some("mismatch")]),
        trace_id: chance.of(&[
            None,
            Some("a".repeat(32).into()),
            Some("b".repeat(32).into()),
        ]),
        jti: Some(format!("jti-{number}").into()),
        // Of denials, more than so many from one address would be counted.
        address: Some(std::net::Ipv4Addr::from(u32::try_from(number).unwrap()).into()),
        ..world.issued("")
    }
}

fn filters(world: &World) -> Vec<ActivityFilter> {
    let any = ActivityFilter::default;
    vec![
        any(),
        ActivityFilter {
            client: Some(client(1).to_string()),
            ..any()
        },
        ActivityFilter {
            credential: Some("secret_11".to_owned()),
            ..any()
        },
        ActivityFilter {
            reason: Some("mismatch".to_owned()),
            ..any()
        },
        ActivityFilter {
            trace_id: Some("a".repeat(32)),
            ..any()
        },
        ActivityFilter {
            kinds: vec![Kind::TokenRefreshed],
            ..any()
        },
        ActivityFilter {
            kinds: vec![Kind::TokenDenied],
            ..any()
        },
        ActivityFilter {
            kinds: vec![Kind::TokenRefreshed, Kind::RollRead],
            client: Some(client(2).to_string()),
            ..any()
        },
        ActivityFilter {
            since: Some(world.now().plus_seconds(-HOUR)),
            until: Some(world.now().plus_seconds(2)),
            ..any()
        },
        ActivityFilter {
            credential: Some("nobody".to_owned()),
            ..any()
        },
    ]
}

fn passes(tenant: TenantId, filter: &ActivityFilter, entry: &Entry<'_>) -> bool {
    let is =
        |asked: &Option<String>, found: Option<&str>| asked.is_none() || asked.as_deref() == found;
    entry.tenant == tenant
        && (filter.kinds.is_empty() || filter.kinds.contains(&entry.kind))
        && is(&filter.client, entry.client.as_deref())
        && is(&filter.credential, entry.credential.as_deref())
        && is(&filter.reason, entry.reason)
        && is(&filter.trace_id, entry.trace_id.as_deref())
        && filter.since.is_none_or(|since| since <= entry.at)
        && filter.until.is_none_or(|until| entry.at < until)
}

/// Page after page, while somebody else puts together what is read.
async fn walk(
    world: &World,
    tenant: TenantId,
    filter: &ActivityFilter,
    limit: u32,
    chance: &mut Chance,
) -> Vec<Activity> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = world
            .log
            .page(tenant, (after, None), limit, filter)
            .await
            .unwrap();
        all.extend(page.records);
        if !page.has_next {
            return all;
        }
        after = page.end;
        if chance.below(8) == 0 {
            world.log.compact(tenant).await.unwrap();
        }
    }
}

/// What is to be counted: of each credential and hour how many uses, and the last of them.
type Counts = BTreeMap<(String, i64), (i64, Timestamp)>;

fn counts(tenant: TenantId, written: &[Entry<'static>]) -> Counts {
    let mut counts = Counts::new();
    for entry in written.iter().filter(|entry| entry.tenant == tenant) {
        let Some(credential) = &entry.credential else {
            continue;
        };
        let hour = entry.at.seconds() / HOUR;
        let (count, last) = counts
            .entry((credential.to_string(), hour))
            .or_insert((0, entry.at));
        *count += 1;
        *last = entry.at.max(*last);
    }
    counts
}

async fn counted(world: &World, tenant: TenantId) -> Counts {
    let sql = format!(
        "SELECT credential_id, hour, uses, last_at FROM {} WHERE tenant_id = $1",
        world.table("credential_use")
    );
    let tenant = tenant.to_string();
    let rows = fetch_all!(&world.raw, (String, i64, i64, i64), &sql, tenant).unwrap();
    let rows = rows.into_iter();
    rows.map(|(id, hour, uses, at)| ((id, hour), (uses, Timestamp::from_micros(at))))
        .collect()
}

/// What readers are told agrees with what was written, at any moment.
async fn numbers_agree(world: &World, tenant: TenantId, written: &[Entry<'static>]) {
    let counts = counts(tenant, written);
    let written = || written.iter().filter(|entry| entry.tenant == tenant);
    let ids = ["secret_00", "secret_11", "secret_21", "nobody"].map(str::to_owned);
    let mut uses = world.log.uses(tenant).await.unwrap();
    let last = uses.last(&ids).await.unwrap();
    for id in &ids {
        let of = || {
            counts
                .iter()
                .filter(|((credential, _), _)| credential == id)
        };
        assert_eq!(
            last.get(id).map(|last| last.at),
            of().map(|(_, (_, at))| *at).max(),
            "{id}"
        );
        let since = world.now().plus_seconds(-2 * HOUR);
        let expected: i64 = of()
            .filter(|((_, hour), _)| *hour >= since.seconds() / HOUR)
            .map(|(_, (count, _))| count)
            .sum();
        assert_eq!(
            uses.since_the_hour(id, since).await.unwrap(),
            expected,
            "{id}"
        );
        let of_it = written()
            .filter(|entry| entry.credential.as_deref() == Some(id.as_str()) && entry.at >= since);
        let expected = Times {
            count: i64::try_from(of_it.count()).unwrap(),
            at_least: false,
        };
        assert_eq!(uses.since(id, since).await.unwrap(), expected, "{id}");
    }
    let hours = world.now().plus_seconds(-3 * HOUR);
    let day = hours.seconds() / DAY * DAY;
    let day = Timestamp::from_micros(day * 1_000_000);
    let spans = [(hours, 60), (hours, HOUR), (hours, 2 * HOUR)];
    for (since, span) in spans.into_iter().chain([(day, DAY), (day, 2 * DAY)]) {
        let from = if span < HOUR {
            since.seconds()
        } else {
            since.seconds() / HOUR * HOUR
        };
        let mut expected = BTreeMap::new();
        for entry in
            written().filter(|entry| entry.credential.is_some() && entry.at.seconds() >= from)
        {
            *expected
                .entry(entry.at.seconds() / span * span)
                .or_insert(0) += 1;
        }
        let found = world.log.issued_since(tenant, since, span).await.unwrap();
        let found: BTreeMap<_, _> = found
            .into_iter()
            .map(|count| (count.begin.seconds(), count.times))
            .collect();
        assert_eq!(found, expected, "spans of {span} seconds");
    }
    for since in [hours, day] {
        let from = since.seconds() / HOUR * HOUR;
        let mut busiest = BTreeMap::new();
        for entry in
            written().filter(|entry| entry.credential.is_some() && entry.at.seconds() >= from)
        {
            *busiest
                .entry(entry.client.as_deref().unwrap().to_owned())
                .or_insert(0) += 1;
        }
        let mut busiest: Vec<(String, i64)> = busiest.into_iter().collect();
        busiest.sort_by(|(a, more), (b, less)| less.cmp(more).then(a.cmp(b)));
        busiest.truncate(2);
        let found = world.log.busiest_since(tenant, since, 2).await.unwrap();
        assert_eq!(found, busiest, "since {since}");
    }
}

async fn any_interleaving(world: &World, other: &TokenLog, seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut written = Vec::new();
    for _ in 0..40 {
        match chance.below(6) {
            0..=2 => {
                let log = chance.of(&[world.log.clone(), other.clone()]);
                for _ in 0..=chance.below(25) {
                    let entry = happening(world, &mut chance, written.len());
                    log.queue(entry.clone()).unwrap().done().await.unwrap();
                    written.push(entry);
                }
                log.drain().await;
            }
            3 => {
                let both =
                    tenants().map(|tenant| [world.log.compact(tenant), other.compact(tenant)]);
                let both = both.into_iter().flatten();
                assert!(join_all(both).await.into_iter().all(|made| made.is_ok()));
            }
            4 => world.clock.advance(chance.of(&[1, 60, HOUR / 2, 2 * HOUR])),
            _ => numbers_agree(world, chance.of(&tenants()), &written).await,
        }
    }
    for tenant in tenants() {
        let chance = &mut chance;
        pages_agree(world, tenant, &written, chance).await;
        world.log.compact(tenant).await.unwrap();
        numbers_agree(world, tenant, &written).await;
        assert_eq!(counted(world, tenant).await, counts(tenant, &written));
    }
}

/// Every page of every filter holds what was written of the tenant, once, in order.
async fn pages_agree(
    world: &World,
    tenant: TenantId,
    written: &[Entry<'static>],
    chance: &mut Chance,
) {
    for filter in filters(world) {
        let limit = chance.of(&[1, 3, 7, 1_000]);
        let found = walk(world, tenant, &filter, limit, chance).await;
        let (ordered, mut found) = (
            found
                .windows(2)
                .all(|two| two[0].id < two[1].id && two[0].at <= two[1].at),
            found
                .into_iter()
                .map(|found| (found.at, found.jti.unwrap()))
                .collect::<Vec<_>>(),
        );
        assert!(ordered, "{filter:?}");
        found.sort();
        let expected = written
            .iter()
            .filter(|entry| passes(tenant, &filter, entry));
        let mut expected: Vec<_> = expected
            .map(|entry| (entry.at, entry.jti.as_deref().unwrap().to_owned()))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "{tenant}, {filter:?}");
        let forth = walk(world, tenant, &filter, 1_000, chance).await;
        let mut back = walk_back(world, tenant, &filter, limit, chance).await;
        back.reverse();
        assert_eq!(back, forth, "{tenant}, {filter:?}");
    }
}

/// Page after page from the end, while somebody else puts together what is read.
async fn walk_back(
    world: &World,
    tenant: TenantId,
    filter: &ActivityFilter,
    limit: u32,
    chance: &mut Chance,
) -> Vec<Activity> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let log = &world.log;
        let page = log.page_back(tenant, before, limit, filter).await.unwrap();
        assert!(page.records.len() <= limit as usize);
        let is_full = page.records.len() == limit as usize;
        all.extend(page.records);
        if !page.has_next {
            return all;
        }
        assert!(is_full, "{filter:?}");
        before = page.end;
        if chance.below(8) == 0 {
            world.log.compact(tenant).await.unwrap();
        }
    }
}

/// Records that many were issued, with these numbers as their ids.
async fn write(world: &World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        // More do not wait at once.
        if number % 2_000 == 0 {
            world.log.drain().await;
        }
        let queued = world.log.queue(world.issued(&number.to_string()));
        queued.unwrap().done().await.unwrap();
    }
    world.log.drain().await;
}

/// Waits until there is a segment.
async fn put_together_by_itself(world: &World) {
    let table = world.table("activity_segments");
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let made = async {
        while fetch_one!(&world.raw, (i64,), &sql).unwrap().0 == 0 {
            tokio::task::yield_now().await;
        }
    };
    let made = tokio::time::timeout(Duration::from_secs(20), made);
    made.await.unwrap();
}

on_both_stores! {
    async fn each_record_is_read_once_and_each_use_counted_once_whatever_is_put_together_when(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        any_interleaving(&world, &other, 1).await;
    }

    async fn another_interleaving(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        any_interleaving(&world, &other, 7).await;
    }

    async fn two_tenants_in_one_batch_are_two_rows_and_each_is_put_together_alone(store: TestStore) {
        let world = World::on(store).await;
        // One waits for the lock, so that the rest is one batch.
        let held = world.hold().await;
        for number in 0..40 {
            let tenant = tenants()[number % 2];
            let entry = Entry { tenant, ..world.issued(&number.to_string()) };
            world.log.queue(entry).unwrap().done().await.unwrap();
        }
        drop(held);
        world.log.drain().await;
        let fresh = format!("SELECT tenant_id, CAST(SUM(records) AS BIGINT) FROM {} GROUP BY tenant_id ORDER BY 1", world.table("activity_fresh"));
        let left = async || fetch_all!(&world.raw, (String, i64), &fresh).unwrap();
        assert_eq!(left().await, tenants().map(|tenant| (tenant.to_string(), 20)));
        let (one, other) = (world.all(tenant(1)).await, world.all(tenant(2)).await);
        assert_eq!(world.log.compact(tenant(2)).await, Ok(1));
        assert_eq!(left().await, [(tenant(1).to_string(), 20)]);
        assert_eq!((world.all(tenant(1)).await, world.all(tenant(2)).await), (one.clone(), other.clone()));
        assert_eq!(world.log.compact(tenant(1)).await, Ok(1));
        assert_eq!((world.all(tenant(1)).await, world.all(tenant(2)).await), (one, other));
        for tenant in tenants() {
            let uses: Vec<_> = counted(&world, tenant).await.into_values().map(|(uses, _)| uses).collect();
            assert_eq!(uses, [20]);
        }
    }

    async fn two_that_put_together_at_once_count_nothing_twice(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        for number in 0..50 {
            record(&world.log, operation(world.issued(&number.to_string()), None)).await;
        }
        let ids = world.all(tenant(1)).await;
        let both = (0..8).map(|number| {
            let log = if number % 2 == 0 { world.log.clone() } else { other.clone() };
            tokio::spawn(async move { log.compact(tenant(1)).await.unwrap() })
        });
        let made: usize = join_all(both).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(made, 1);
        assert_eq!(world.all(tenant(1)).await, ids, "each has the id that it had");
        let uses: i64 = counted(&world, tenant(1)).await.values().map(|(uses, _)| uses).sum();
        assert_eq!(uses, 50);
    }

    async fn what_fails_half_way_has_done_nothing(store: TestStore) {
        let world = World::on(store).await;
        for number in 0..5 {
            record(&world.log, operation(world.issued(&number.to_string()), None)).await;
        }
        let before = world.all(tenant(1)).await;
        let table = world.table("activity_segments");
        let (refuse, allow) = match world.raw.backend() {
            Backend::Postgres => (
                format!("ALTER TABLE {table} ADD CONSTRAINT refused CHECK (records < 0)"),
                format!("ALTER TABLE {table} DROP CONSTRAINT refused"),
            ),
            Backend::Sqlite => (
                format!("CREATE TRIGGER refused BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END"),
                "DROP TRIGGER refused".to_owned(),
            ),
        };
        world.run(&refuse).await;
        assert!(world.log.compact(tenant(1)).await.is_err());
        assert_eq!(world.all(tenant(1)).await, before);
        assert_eq!(counted(&world, tenant(1)).await, Counts::new());
        world.run(&allow).await;
        assert_eq!(world.log.compact(tenant(1)).await, Ok(1));
        assert_eq!(world.all(tenant(1)).await, before);
        assert_eq!(counted(&world, tenant(1)).await.values().map(|(uses, _)| uses).sum::<i64>(), 5);
    }

    async fn what_is_enough_is_put_together_by_itself(store: TestStore) {
        let world = World::on(store).await;
        write(&world, 0..1_200).await;
        put_together_by_itself(&world).await;
        assert_eq!(world.all(tenant(1)).await.len(), 1_200);
        // It is full.
        let table = world.table("activity_segments");
        let records = format!("SELECT records FROM {table}");
        let (records,) = fetch_one!(&world.raw, (i64,), &records).unwrap();
        assert!(records >= 1_024, "{records}");
    }

    async fn what_came_with_an_assertion_is_put_together_too(store: TestStore) {
        let world = World::on(store).await;
        let until = world.now().plus_seconds(60);
        // One batch each, and some beside others that came without.
        for number in 0..260 {
            let jti = number.to_string();
            if number % 3 == 0 {
                let queued = world.log.queue(world.issued(&format!("beside {jti}")));
                queued.unwrap().done().await.unwrap();
            }
            let claiming = claiming(world.issued(&jti), &jti, until);
            assert_eq!(record(&world.log, claiming).await, Answer::Recorded);
        }
        put_together_by_itself(&world).await;
        assert_eq!(world.all(tenant(1)).await.len(), 260 + 87);
    }

    async fn what_this_node_wrote_is_put_together_without_being_read(store: TestStore) {
        let world = World::on(store).await;
        write(&world, 0..1_000).await;
        // Who reads it finds nothing.
        let table = world.table("activity_fresh");
        world.run(&format!("UPDATE {table} SET body = '[]'")).await;
        write(&world, 1_000..1_200).await;
        put_together_by_itself(&world).await;
        let expected: Vec<_> = (0..1_200).map(|number| number.to_string()).collect();
        assert_eq!(world.jtis().await, expected);
        // What came after that is counted with what comes next.
        world.log.compact(tenant(1)).await.unwrap();
        let uses: i64 = counted(&world, tenant(1)).await.values().map(|(uses, _)| uses).sum();
        assert_eq!(uses, 1_200);
    }

    async fn what_this_node_wrote_and_another_put_together_is_there_once(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        write(&world, 0..1_000).await;
        let made = other.compact(tenant(1)).await.unwrap();
        assert!(made > 0);
        // Now this node wants to, of what is no longer there.
        write(&world, 1_000..1_200).await;
        world.log.compact(tenant(1)).await.unwrap();
        let expected: Vec<_> = (0..1_200).map(|number| number.to_string()).collect();
        assert_eq!(world.jtis().await, expected);
        let uses: i64 = counted(&world, tenant(1)).await.values().map(|(uses, _)| uses).sum();
        assert_eq!(uses, 1_200);
    }

    async fn small_segments_of_an_hour_grow_together(store: TestStore) {
        let world = World::on(store).await;
        for number in 0..64 {
            record(&world.log, operation(world.issued(&number.to_string()), None)).await;
            world.log.compact(tenant(1)).await.unwrap();
        }
        let table = world.table("activity_segments");
        let (segments,) = fetch_one!(&world.raw, (i64,), &format!("SELECT COUNT(*) FROM {table}")).unwrap();
        assert!(segments <= 7, "{segments} of 64 records");
        let expected: Vec<_> = (0..64).map(|number| number.to_string()).collect();
        assert_eq!(world.jtis().await, expected);
    }
}
