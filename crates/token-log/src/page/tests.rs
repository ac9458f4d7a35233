//! How the stores find what is asked for, in a log of 100,000 records.

use std::sync::Arc;

use chancery_domain::Timestamp;
use chancery_event_store::{Backend, Database, execute, fetch_all};
use chancery_testkit::{clock::TestClock, stores::TestStore};

use super::{rows::query, *};
use crate::{activity::Kind, log::TokenLogConfig, segments::walk::list as segments_listed, usage};

/// 2026-09-21T14:13:20Z, when every test begins, in microseconds.
const START: i64 = 1_790_000_000_000_000;
/// How many records.
const RECORDS: i64 = 100_000;
/// What one page holds.
const PAGE: usize = 50;

/// A log of five days, of rows alone: of a thousand one is a denial and one a reading, and a client in a
/// hundred.
async fn long_log(store: &TestStore) -> TokenLog {
    let config = TokenLogConfig::beside(store.database().location());
    let clock = Arc::new(TestClock::default());
    let log = TokenLog::open(&config, &store.another().await, clock)
        .await
        .unwrap();
    let numbers = match log.database().backend() {
        Backend::Postgres => format!("generate_series(1::bigint, {RECORDS}) AS n"),
        Backend::Sqlite => format!(
            "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {RECORDS})
              SELECT n FROM counted)"
        ),
    };
    let schema = log.schema();
    let at = format!("{START} + n * 4000000");
    for sql in [
        format!(
            "INSERT INTO {schema}.activity (at, tenant_id, kind, client_id, credential_id, jti, reason, trace_id)
             SELECT {at}, $1,
                    CASE n % 1000 WHEN 1 THEN 'token_denied' WHEN 2 THEN 'roll_read' ELSE 'token_introspected' END,
                    'client_' || (n % 100), CASE WHEN n % 1000 <> 1 THEN 'secret_' || (n % 100) END, 'jti-' || n,
                    CASE WHEN n % 1000 = 1 THEN 'mismatch' END, 'trace-' || n FROM {numbers}"
        ),
        format!(
            "INSERT INTO {schema}.credential_use (tenant_id, credential_id, hour, client_id, uses, last_at)
             SELECT $1, 'secret_' || (n % 100), n / 100, 'client_' || (n % 100), 1, n FROM {numbers}"
        ),
    ] {
        run(log.database(), &sql, Some(tenant().to_string())).await;
    }
    // On SQLite of this file alone: the roll's is attached, and only read.
    let analyze = match log.database().backend() {
        Backend::Postgres => "ANALYZE",
        Backend::Sqlite => "ANALYZE main",
    };
    run(log.database(), analyze, None).await;
    log
}

async fn run(database: &Database, sql: &str, bound: Option<String>) {
    let mut tx = database.begin().await.unwrap();
    match bound {
        Some(bound) => execute!(&mut tx, sql, bound).unwrap(),
        None => execute!(&mut tx, sql).unwrap(),
    };
    tx.commit().await.unwrap();
}

fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
}

fn any() -> ActivityFilter {
    ActivityFilter::default()
}

/// Everything that is asked by an index alone.
fn indexed() -> Vec<ActivityFilter> {
    let middle = Timestamp::from_micros(START + RECORDS * 2_000_000);
    let since = |filter| ActivityFilter {
        since: Some(middle),
        until: Some(middle.plus_seconds(86_400)),
        ..filter
    };
    let singly = [
        any(),
        ActivityFilter {
            client: Some("client_7".to_owned()),
            ..any()
        },
        ActivityFilter {
            credential: Some("secret_7".to_owned()),
            ..any()
        },
        ActivityFilter {
            reason: Some("mismatch".to_owned()),
            ..any()
        },
        ActivityFilter {
            kinds: vec![Kind::RollRead],
            ..any()
        },
        ActivityFilter {
            kinds: vec![Kind::RollRead, Kind::TokenDenied],
            ..any()
        },
        ActivityFilter {
            jti: Some("jti-1".to_owned()),
            ..any()
        },
    ];
    singly
        .into_iter()
        .flat_map(|filter| [filter.clone(), since(filter)])
        .collect()
}

/// The statements of a filter, with what they look for.
fn statements(schema: &str, filter: &ActivityFilter) -> Vec<(String, Option<String>, Way)> {
    let mut statements = Vec::new();
    for leg in filter.legs() {
        for (ends, way) in WAYS {
            let bound = leg.condition().1.map(ToOwned::to_owned);
            statements.push((query(schema, leg, (ends, way)), bound, way));
        }
    }
    statements
}

/// With and without an end, from either end.
const WAYS: [(bool, Way); 4] = [
    (false, Way::Forth),
    (true, Way::Forth),
    (false, Way::Back),
    (true, Way::Back),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_searches_one_index_for_whatever_is_asked_and_sorts_nothing() {
    let store = TestStore::sqlite().await;
    let log = long_log(&store).await;
    let mut asked: Vec<_> = indexed()
        .iter()
        .flat_map(|filter| statements("main", filter))
        .map(|(sql, ..)| sql)
        .collect();
    asked.extend(newest_of("main").into_iter().skip(2));
    for sql in asked {
        let plan = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = fetch_all!(log.database(), (i64, i64, i64, String), &plan).unwrap();
        let [(.., step)] = &plan[..] else {
            panic!("{sql}: {plan:?}")
        };
        assert!(
            step.starts_with("SEARCH main.activity USING ") && step.contains("INDEX activity_"),
            "{sql}: {step}"
        );
    }
    for column in ["credential_id", "client_id"] {
        let plan = format!("EXPLAIN QUERY PLAN {}", usage::query("main", column, PAGE));
        let plan = fetch_all!(log.database(), (i64, i64, i64, String), &plan).unwrap();
        for (.., step) in plan {
            let scans = step.starts_with("SCAN ") && step.contains("credential_use");
            assert!(!scans, "{column}: {step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_visits_no_more_than_a_page_for_whatever_an_index_knows() {
    let store = TestStore::postgres().await;
    let log = long_log(&store).await;
    let middle = START + RECORDS * 2_000_000;
    for filter in indexed() {
        for (sql, bound, way) in statements(log.schema(), &filter) {
            // From its end a log is read without a bound.
            let after = if way == Way::Back { 0 } else { middle };
            let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}");
            let plan = fetch_all!(
                log.database(),
                (String,),
                &sql,
                tenant().to_string(),
                i64::try_from(PAGE).unwrap(),
                after,
                0_i64,
                bound,
                middle + 86_400_000_000,
                0_i64,
            );
            let plan: Vec<_> = plan.unwrap().into_iter().map(|(line,)| line).collect();
            let plan = plan.join("\n");
            // What is read from end to end counts too: of a day without records that is nothing.
            let visited = visited(&plan);
            // Each day has an index of its own, of which the first entry is looked at.
            assert!(visited <= 2 * PAGE + 20, "{visited} by {sql}\n{plan}");
        }
    }
}

/// How many rows the scans of a plan went through.
fn visited(plan: &str) -> usize {
    let number = |line: &str, after: &str| -> usize {
        let rest = line.split_once(after).map_or("", |(_, rest)| rest);
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        digits.unwrap_or_default().parse().unwrap_or_default()
    };
    let scanned = |line: &&str| line.contains("Scan");
    let found: usize = plan
        .lines()
        .filter(scanned)
        .map(|line| number(line, "rows="))
        .sum();
    let removed = plan
        .lines()
        .map(|line| number(line, "Rows Removed by Filter: "));
    found + removed.sum::<usize>()
}

/// What no index answers alone costs a bounded number of records, and its pages join without a gap; a page of what
/// one answers is full as long as there is something, from either end.
async fn walks_in_bounded_pages(store: TestStore) {
    let log = long_log(&store).await;
    let page =
        async |way: Way, from: Option<ActivityId>, limit: u32, filter: &ActivityFilter| match way {
            Way::Forth => log
                .page(tenant(), (from, None), limit, filter)
                .await
                .unwrap(),
            Way::Back => log.page_back(tenant(), from, limit, filter).await.unwrap(),
        };
    let traced = ActivityFilter {
        trace_id: Some("trace-30001".to_owned()),
        ..any()
    };
    let both = ActivityFilter {
        kinds: vec![Kind::TokenDenied],
        client: Some("client_1".to_owned()),
        ..any()
    };
    for way in [Way::Forth, Way::Back] {
        let (mut from, mut found, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = page(way, from, 50, &traced).await;
            pages += 1;
            assert!(pages > 1 || page.records.is_empty() && page.has_next);
            found.extend(page.records);
            if !page.has_next {
                break;
            }
            from = page.end;
        }
        let found: Vec<_> = found.iter().map(|record| record.jti.as_deref()).collect();
        assert_eq!(found, [Some("jti-30001")]);
        assert_eq!(pages, 11, "of 10,000 records each, and the end");

        let (mut from, mut found) = (None, Vec::new());
        loop {
            let page = page(way, from, 40, &both).await;
            found.extend(page.records.iter().map(|record| record.at.micros()));
            if !page.has_next {
                break;
            }
            assert_eq!(page.records.len(), 40);
            assert_eq!(page.end, page.records.last().map(|record| record.id));
            from = page.end;
        }
        let mut expected: Vec<_> = (0..100)
            .map(|n| START + (n * 1_000 + 1) * 4_000_000)
            .collect();
        if way == Way::Back {
            expected.reverse();
        }
        assert_eq!(found, expected, "{way:?}");
    }
}

/// Twenty thousand segments, a hundred in an hour.
async fn long_bulk(store: &TestStore) -> TokenLog {
    let config = TokenLogConfig::beside(store.database().location());
    let clock = Arc::new(TestClock::default());
    let log = TokenLog::open(&config, &store.another().await, clock)
        .await
        .unwrap();
    let (numbers, empty) = match log.database().backend() {
        Backend::Postgres => ("generate_series(1::bigint, 20000) AS n", "'\\x'::bytea"),
        Backend::Sqlite => (
            "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 20000)
              SELECT n FROM counted)",
            "x''",
        ),
    };
    let schema = log.schema();
    let sql = format!(
        "INSERT INTO {schema}.activity_segments
            (position, last_position, tenant_id, first_at, last_at, records, expires_at, rare, summary, runs, body)
         SELECT n * 1024, n * 1024 + 9, $1, {START} + n * 36000000, {START} + n * 36000000 + 9, 10, 0, n % 2, {empty}, '[]', '[]'
           FROM {numbers}"
    );
    run(log.database(), &sql, Some(tenant().to_string())).await;
    let analyze = match log.database().backend() {
        Backend::Postgres => "ANALYZE",
        Backend::Sqlite => "ANALYZE main",
    };
    run(log.database(), analyze, None).await;
    log
}

/// What is asked for of segments, from either end, with what is bound as the place after which they are listed.
fn listings(schema: &str) -> Vec<(String, i64)> {
    let any = any();
    let wanted = |filter: &ActivityFilter| filter.in_segments(Range::new(filter, (None, None)));
    let rare = ActivityFilter {
        reason: Some("mismatch".to_owned()),
        ..any.clone()
    };
    let middle = START + 20_000 * 18_000_000;
    let mut listings = Vec::new();
    for filter in [&any, &rare] {
        for (ends, way) in WAYS {
            listings.push((
                segments_listed(schema, (ends, way), &wanted(filter)),
                middle,
            ));
        }
    }
    listings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_lists_segments_by_an_index_and_sorts_nothing() {
    let store = TestStore::sqlite().await;
    let log = long_bulk(&store).await;
    for (sql, _) in listings("main") {
        let plan = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = fetch_all!(log.database(), (i64, i64, i64, String), &plan).unwrap();
        let [(.., step)] = &plan[..] else {
            panic!("{sql}: {plan:?}")
        };
        let by_index = step.contains("INDEX activity_segments_place_idx")
            || step.contains("INDEX activity_segments_rare_idx");
        assert!(step.starts_with("SEARCH ") && by_index, "{sql}: {step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_visits_no_more_segments_than_it_lists() {
    let store = TestStore::postgres().await;
    let log = long_bulk(&store).await;
    for (sql, middle) in listings(log.schema()) {
        let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}");
        let plan = fetch_all!(
            log.database(),
            (String,),
            &sql,
            tenant().to_string(),
            middle,
            0_i64,
            0_i64,
            0_i64,
            if sql.contains("DESC") { 0 } else { i64::MAX },
            None::<i64>,
            32_i64,
        );
        let plan: Vec<_> = plan.unwrap().into_iter().map(|(line,)| line).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("Index"), "{sql}\n{plan}");
        assert!(visited(&plan) <= 40, "{} by {sql}\n{plan}", visited(&plan));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_walks_in_bounded_pages() {
    walks_in_bounded_pages(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_walks_in_bounded_pages() {
    walks_in_bounded_pages(TestStore::postgres().await).await;
}
