//! What a client that asks takes of memory for as long as it is held: entry, grants, what was granted, the digest of
//! its secret and its limit. Bytes are counted and not time, so it is the same on every machine, but for the tables of the
//! caches, which double and whose shards are chosen by chance: two hundred bytes for a client, more or less.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../directory/tests/common/mod.rs"]
mod common;
#[path = "serving/mod.rs"]
mod serving;

use std::{alloc::System, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use cap::Cap;
use chancery_directory::{Capacity, Directory};
use chancery_telemetry::http::layer;
use chancery_testkit::stores::TestStore;
use chancery_token_log::TokenLog;
use chancery_token_service::router;
use http::Request;
use serde_json::json;
use tower::ServiceExt;

use common::{Known, World};
use serving::{head, served};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// How many ask, and how many of a server to compare with, so many times each: as often in all. The log keeps some of
/// what was asked for a while, and so as much of it on both; it begins to put together after 256.
const ALL: usize = 104;
const FEW: usize = 8;
const TIMES: usize = ALL / FEW;

/// What a client with one grant and one secret may take, in bytes. docs/operations.md says what to count on.
const MOST: usize = 1_280;
/// The same where nothing of it is like that of another, since each has a claim of its own.
const MOST_APART: usize = 2_560;
/// What it may take to ask once more. It is nothing: this is how far the tables of two servers may be apart.
const AGAIN: usize = 256;

/// A server that holds as many clients as one that is not configured otherwise.
async fn server(world: &World) -> (TokenLog, Router) {
    let store = (*world.store).clone();
    let capacity = Capacity::default();
    let directory = Directory::new(store, world.sealer.clone(), &*world.entropy, capacity);
    let (service, log, http) = served(world, directory).await;
    (log, router(service).layer(layer(Arc::new(http))))
}

/// Each of them asks for a token and gets one.
async fn ask(router: &Router, clients: &[Known]) {
    for client in clients {
        let body = Body::from("grant_type=client_credentials");
        let mut request = Request::post("/t/acme/oauth2/token").body(body).unwrap();
        *request.headers_mut() = head(client);
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        to_bytes(answer.into_body(), 10_000).await.unwrap();
    }
}

/// Servers that go on: what they hold is not given back while the next one is measured.
#[derive(Default)]
struct Servers(Vec<(TokenLog, Router)>);

impl Servers {
    /// What another one has allocated when each of them has asked so many times.
    async fn taken(&mut self, world: &World, clients: &[Known], times: usize) -> usize {
        let empty = ALLOCATOR.allocated();
        let (log, router) = server(world).await;
        for _ in 0..times {
            ask(&router, clients).await;
        }
        self.0.push((log, router));
        ALLOCATOR.allocated().saturating_sub(empty)
    }
}

#[tokio::test]
async fn a_client_that_asks_takes_little_memory_and_no_more_when_it_asks_again() {
    let world = World::on(TestStore::sqlite().await);
    let acme = world.tenant("acme").await;
    let scopes = "orders:read orders:write";
    let api = world.api(acme, "https://orders.example", scopes, "").await;
    let grants = [(api, scopes, "")];
    let (mut alike, mut apart) = (Vec::new(), Vec::new());
    for number in 0..ALL {
        alike.push(world.client(acme, &grants).await);
        let claims = json!({"plan": number});
        apart.push(world.client_with(acme, &grants, claims, None).await);
    }
    // What the process has once is there before it is measured.
    let mut servers = Servers::default();
    servers.taken(&world, &alike, 1).await;
    let few = servers.taken(&world, &alike[..FEW], TIMES).await;
    let once = servers.taken(&world, &alike, 1).await;
    let few_again = servers.taken(&world, &alike[..FEW], 2 * TIMES).await;
    let twice = servers.taken(&world, &alike, 2).await;
    let few_apart = servers.taken(&world, &apart[..FEW], TIMES).await;
    let apart = servers.taken(&world, &apart, 1).await;

    let each = |all: usize, few: usize| all.saturating_sub(few) / (ALL - FEW);
    let (first, again) = (each(once, few), each(twice, few_again));
    let (later, unlike) = (again.saturating_sub(first), each(apart, few_apart));
    println!(
        "a client takes {first} bytes, {later} more when it asks again, and {unlike} with a claim of its own"
    );
    assert!(first <= MOST, "{first} bytes for each client");
    assert!(later <= AGAIN, "{later} bytes for asking again");
    assert!(
        unlike <= MOST_APART,
        "{unlike} bytes for each that is like no other"
    );
    for (log, _) in servers.0 {
        log.close().await;
    }
}
