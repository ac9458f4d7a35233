//! How often memory is asked for, for a token of a client that asked before. It is counted and not timed, so it is the same
//! on every machine: what makes a token dearer shows here before it shows in a rate.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../directory/tests/common/mod.rs"]
mod common;

#[path = "serving/mod.rs"]
mod serving;

use std::alloc::System;

use axum::body::to_bytes;
use chancery_telemetry::http::Http;
use chancery_testkit::stores::TestStore;
use chancery_token_service::TokenService;
use http::HeaderMap;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use common::World;
use serving::{answers, furnished, head};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many ask at the same time, so that their records share a batch as under load; and how often.
const TOGETHER: usize = 64;
const ROUNDS: usize = 4;

/// How often a token may ask for memory, whether for a new piece or for a longer one.
const MOST: usize = 38;

/// A token for each of these requests, all at the same time; and how often memory was asked for meanwhile.
async fn asked(service: &TokenService, http: &Http, heads: Vec<HeaderMap>) -> usize {
    let region = Region::new(ALLOCATOR);
    let answers = answers(service, http, heads).await;
    let counted = region.change();
    for answer in answers {
        assert_eq!(answer.status(), 200);
        to_bytes(answer.into_body(), 10_000).await.unwrap();
    }
    counted.allocations + counted.reallocations
}

#[tokio::test]
async fn a_token_asks_for_memory_no_more_often_than_it_did() {
    let world = World::on(TestStore::sqlite().await);
    let (client, service, log, http) = furnished(&world).await;
    let heads = || (0..TOGETHER).map(|_| head(&client)).collect::<Vec<_>>();
    let mut counted = Vec::new();
    for _ in 0..=ROUNDS {
        counted.push(asked(&service, &http, heads()).await / TOGETHER);
    }
    println!("a token asks for memory so often: {counted:?}");
    // The first round reads the client and hashes its secret; of the others one may have to put records together.
    let least = counted.iter().skip(1).min().unwrap();
    assert!(*least <= MOST, "{counted:?}");
    log.close().await;
}
