//! How often memory is asked for, for a token of a client that asked before. It is counted and not timed, so it is the same
//! on every machine: what makes a token dearer shows here before it shows in a rate.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../directory/tests/common/mod.rs"]
mod common;

use std::{alloc::System, sync::Arc};

use axum::body::{Body, to_bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_crypto::Entropy;
use chancery_telemetry::http::Http;
use chancery_testkit::stores::TestStore;
use chancery_token_log::{TokenLog, TokenLogConfig};
use chancery_token_service::{
    Asked, FailureLimit, TokenService, TokenServiceConfig, TrustedProxies,
};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, header};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use common::{Known, World};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many ask at the same time, so that their records share a batch as under load; and how often.
const TOGETHER: usize = 64;
const ROUNDS: usize = 4;

/// How often a token may ask for memory, whether for a new piece or for a longer one.
const MOST: usize = 38;

/// The endpoints on this store, with their log, and what gives every request its trace.
async fn served(world: &World) -> (TokenService, TokenLog, Http) {
    let log = TokenLogConfig::beside(world.store.location());
    let log = TokenLog::open(&log, &world.store, world.clock.clone())
        .await
        .unwrap();
    let store = (*world.store).clone();
    let directory = world.directory_of(store);
    let config = TokenServiceConfig {
        public_url: "https://auth.example".to_owned(),
        address_failures: FailureLimit::default(),
        trusted_proxies: TrustedProxies::none(),
    };
    let service = TokenService::new(
        config,
        directory.into(),
        world.hasher.clone(),
        world.issuer.clone(),
        log.clone(),
        world.clock.clone(),
        world.entropy.clone(),
    );
    let entropy: Arc<dyn Entropy> = world.entropy.clone();
    (
        service,
        log,
        Http::untraced(Box::new(move || entropy.bytes())),
    )
}

/// The head of a request of this client.
fn head(client: &Known) -> HeaderMap {
    let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let basic = HeaderValue::from_str(&format!("Basic {basic}")).unwrap();
    HeaderMap::from_iter([(header::CONTENT_TYPE, form), (header::AUTHORIZATION, basic)])
}

/// A token for each of these requests, all at the same time; and how often memory was asked for meanwhile.
async fn asked(service: &TokenService, http: &Http, heads: Vec<HeaderMap>) -> usize {
    let region = Region::new(ALLOCATOR);
    let answers = join_all(heads.into_iter().map(async |headers| {
        let path = "/t/acme/oauth2/token";
        let asked = Asked::at(&Method::POST, path).unwrap();
        let route = asked.route();
        let begun = http.begin(&Method::POST, &headers, route, None);
        let peer = ([127, 0, 0, 1], 1).into();
        let body = Body::from("grant_type=client_credentials");
        let answering = Box::pin(asked.answer(service, peer, begun.trace(), headers, body));
        http.answer(begun, route, answering).await
    }));
    let answers = answers.await;
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
    let acme = world.tenant("acme").await;
    let scopes = "orders:read orders:write";
    let api = world.api(acme, "https://orders.example", scopes, "").await;
    let client = world.client(acme, &[(api, scopes, "")]).await;
    let (service, log, http) = served(&world).await;
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
