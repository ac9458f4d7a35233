//! No query of this crate scans a table of 100,000 rows, on either store.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod cases;
mod recorder;
mod seed;

use std::collections::BTreeSet;

use cases::{cases, every_query_has_a_case};
use chancery_event_store::{Store, StoreConfig, StoreLocation, fetch_all};
use chancery_testkit::stores::TestStore;
use recorder::{Recorder, Seen};
use seed::seed;
use serde_json::Value;
use tokio::sync::Mutex;

/// From the sixth time on PostgreSQL may plan a prepared statement without its parameters.
const TIMES: usize = 7;

/// What is heard is heard in the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

#[test]
fn a_new_query_needs_a_case() {
    every_query_has_a_case();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_searches_an_index_and_sorts_nothing() {
    let _alone = ALONE.lock().await;
    let store = TestStore::sqlite().await;
    seed(&store).await;
    // What was analysed counts for connections that are opened afterwards.
    let store = store.another().await;
    let recorder = Recorder::listen();
    for case in cases() {
        recorder.take();
        let rows = case.ask(&store).await;
        assert!(rows > 0 || case.combines, "{}", case.name);
        let statements: BTreeSet<_> = recorder
            .take()
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::Statement(sql) if sql.contains("SELECT") => Some(sql),
                _ => None,
            })
            .collect();
        assert!(!statements.is_empty(), "{} was not heard", case.name);
        for sql in statements {
            let plan = format!("EXPLAIN QUERY PLAN {}", sql.trim());
            let steps = fetch_all!(&store, (i64, i64, i64, String), &plan).unwrap();
            for (_, _, _, step) in steps {
                let scans = step.starts_with("SCAN ") && !step.contains("json_each");
                assert!(
                    !scans && !step.contains("TEMP B-TREE"),
                    "{}: {step} in {sql}",
                    case.name
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_visits_few_rows() {
    let _alone = ALONE.lock().await;
    let store = TestStore::postgres().await;
    seed(&store).await;
    let store = explaining(&store).await;
    let recorder = Recorder::listen();
    for case in cases() {
        for time in 1..=if case.combines { 1 } else { TIMES } {
            recorder.take();
            case.ask(&store).await;
            let plans: Vec<Value> = recorder
                .take()
                .into_iter()
                .filter_map(|seen| match seen {
                    Seen::Notice(text) => {
                        Some(serde_json::from_str(&text[text.find('{')?..]).unwrap())
                    }
                    Seen::Statement(_) => None,
                })
                .collect();
            assert!(!plans.is_empty(), "{} was not explained", case.name);
            let visited: u64 = plans
                .iter()
                .map(|plan| visited(&plan["Plan"], &case.name, plan))
                .sum();
            // A later page comes after the first one.
            let pages = if case.name.contains("a later page") {
                2
            } else {
                1
            };
            assert!(
                visited <= pages * case.visits,
                "{}, time {time}: {visited} rows in {plans:#?}",
                case.name
            );
        }
    }
}

/// A store of one connection whose server says of every statement how it was carried out.
async fn explaining(store: &TestStore) -> Store {
    let StoreLocation::Postgres(url) = store.database().location() else {
        panic!("PostgreSQL");
    };
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
        ("auto_explain.log_format", "json"),
        ("auto_explain.log_level", "notice"),
    ];
    let options: Vec<_> = settings
        .iter()
        .map(|(name, value)| format!("options[{name}]={value}"))
        .collect();
    let joint = if url.contains('?') { '&' } else { '?' };
    let location = StoreLocation::Postgres(format!("{url}{joint}{}", options.join("&")));
    let mut config = StoreConfig::new(location);
    config.max_connections = 1;
    Store::connect(&config).await.unwrap()
}

/// How many rows the plan went through; a table that was read from end to end is a failure.
fn visited(node: &Value, case: &str, plan: &Value) -> u64 {
    let count = |member: &str| node[member].as_f64().unwrap_or_default();
    let kind = node["Node Type"].as_str().unwrap();
    assert_ne!(kind, "Seq Scan", "{case}: {plan:#}");
    let here = if kind.contains("Scan") {
        let rows = count("Actual Rows")
            + count("Rows Removed by Filter")
            + count("Rows Removed by Index Recheck");
        rows * count("Actual Loops")
    } else {
        0.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of rows"
    )]
    let here = here as u64;
    let below = node["Plans"].as_array().into_iter().flatten();
    here + below.map(|node| visited(node, case, plan)).sum::<u64>()
}
