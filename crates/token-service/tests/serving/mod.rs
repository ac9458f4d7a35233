//! The endpoints on a small installation, with their log.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part"
)]

use std::sync::Arc;

use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_crypto::Entropy;
use chancery_directory::Directory;
use chancery_telemetry::http::Http;
use chancery_token_log::{TokenLog, TokenLogConfig};
use chancery_token_service::{
    Asked, FailureLimit, TokenService, TokenServiceConfig, TrustedProxies,
};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::common::{Known, World};

/// A client of the tenant `acme` that may ask for something, and what [`served`] gives.
pub async fn furnished(world: &World) -> (Known, TokenService, TokenLog, Http) {
    let acme = world.tenant("acme").await;
    let scopes = "orders:read orders:write";
    let api = world.api(acme, "https://orders.example", scopes, "").await;
    let client = world.client(acme, &[(api, scopes, "")]).await;
    let directory = world.directory_of((*world.store).clone());
    let (service, log, http) = served(world, directory).await;
    (client, service, log, http)
}

/// The endpoints on this store, with their log, and what gives every request its trace.
pub async fn served(world: &World, directory: Directory) -> (TokenService, TokenLog, Http) {
    let log = TokenLogConfig::beside(world.store.location());
    let log = TokenLog::open(&log, &world.store, world.clock.clone())
        .await
        .unwrap();
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
    let http = Http::untraced(Box::new(move || entropy.bytes()));
    (service, log, http)
}

/// The head of a request of this client.
pub fn head(client: &Known) -> HeaderMap {
    let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let basic = HeaderValue::from_str(&format!("Basic {basic}")).unwrap();
    HeaderMap::from_iter([(header::CONTENT_TYPE, form), (header::AUTHORIZATION, basic)])
}

/// What each of these requests for a token of `acme` is answered, all at the same time.
pub async fn answers(service: &TokenService, http: &Http, heads: Vec<HeaderMap>) -> Vec<Response> {
    join_all(heads.into_iter().map(async |headers| {
        let path = "/t/acme/oauth2/token";
        let asked = Asked::at(&Method::POST, path).unwrap();
        let route = asked.route();
        let begun = http.begin(&Method::POST, &headers, route, None);
        let peer = ([127, 0, 0, 1], 1).into();
        let body = Body::from("grant_type=client_credentials");
        let answering = Box::pin(asked.answer(service, peer, begun.trace(), headers, body));
        http.answer(begun, route, answering).await
    }))
    .await
}
