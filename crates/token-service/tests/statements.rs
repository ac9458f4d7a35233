//! A token of a client that asked before costs the database one statement, which it shares with whoever asks at the same
//! time: nothing is read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../directory/tests/common/mod.rs"]
mod common;
#[path = "../../projections/tests/plans/recorder.rs"]
mod recorder;
#[path = "serving/mod.rs"]
mod serving;

use chancery_testkit::stores::stores;

use common::World;
use recorder::{Recorder, Seen};
use serving::{answers, furnished, head};

/// How many ask at the same time.
const TOGETHER: usize = 32;

/// The statements since the last time.
fn statements(recorder: &Recorder) -> Vec<String> {
    let said = recorder.take().into_iter();
    said.filter_map(|seen| match seen {
        Seen::Statement(sql) => Some(sql),
        Seen::Notice(_) => None,
    })
    .collect()
}

#[tokio::test]
async fn a_token_of_who_asked_before_reads_nothing() {
    let recorder = Recorder::listen();
    for store in stores().await {
        let world = World::on(store);
        let (client, service, log, http) = furnished(&world).await;
        let mut counted = Vec::new();
        for _ in 0..3 {
            statements(&recorder);
            let heads = (0..TOGETHER).map(|_| head(&client)).collect();
            for answer in answers(&service, &http, heads).await {
                assert_eq!(answer.status(), 200);
            }
            counted.push(statements(&recorder));
        }
        // The first time the client is read.
        let [first, .., last] = &counted[..] else {
            panic!("three rounds")
        };
        assert!(first.iter().any(|sql| !sql.contains("activity_fresh")));
        assert!(!last.is_empty() && last.len() <= TOGETHER / 4, "{last:#?}");
        for sql in last {
            assert!(
                sql.contains("INSERT INTO") && sql.contains("activity_fresh"),
                "{sql}"
            );
        }
        log.close().await;
    }
}
