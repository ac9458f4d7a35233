//! The endpoints over HTTP: what all of these tests have in common.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../../directory/tests/common/mod.rs"]
mod common;

mod activity;
mod denials;
mod documents;
mod limits;
mod outages;
mod syntax;
mod tokens;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_crypto::{Audience, Entropy, Expectation, JwkSet, PresentedToken};
use chancery_domain::Clock as _;
use chancery_telemetry::http::{Http, layer};
use chancery_testkit::stores::TestStore;
use chancery_token_log::{Durability, TokenLog, TokenLogConfig};
use chancery_token_service::{
    FailureLimit, TokenService, TokenServiceConfig, TrustedProxies, router,
};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use common::{Known, World};

const BASE: &str = "https://auth.example";
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=client_credentials";
const ORDERS: &str = "https://orders.example";
const BILLING: &str = "https://billing.example";

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1_000_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            text,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and error code; with a token, `200` and nothing.
    fn outcome(&self) -> (u16, String) {
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert!(self.header("traceparent").is_some());
        let json = self.json();
        (
            self.status,
            json["error"].as_str().unwrap_or_default().to_owned(),
        )
    }

    fn description(&self) -> String {
        self.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// One server.
struct Node {
    world: World,
    log: TokenLog,
    router: Router,
}

impl Node {
    async fn new(store: TestStore) -> Self {
        Self::with(store, Durability::BeforeResponse).await
    }

    async fn with(store: TestStore, durability: Durability) -> Self {
        let world = World::on(store);
        let mut log = TokenLogConfig::beside(world.store.location());
        log.durability = durability;
        let log = TokenLog::open(&log, &world.store, world.clock.clone())
            .await
            .unwrap();
        let failures = NonZeroU32::new(3).unwrap();
        let config = TokenServiceConfig {
            public_url: BASE.to_owned(),
            address_failures: FailureLimit {
                failures,
                window_seconds: NonZeroU32::new(60).unwrap(),
            },
            trusted_proxies: TrustedProxies::new(|address| address == IpAddr::from([10, 0, 0, 1])),
        };
        let entropy: Arc<dyn Entropy> = world.entropy.clone();
        let service = TokenService::new(
            config,
            world.directory().into(),
            world.hasher.clone(),
            world.issuer.clone(),
            log.clone(),
            world.clock.clone(),
            world.entropy.clone(),
        );
        Self {
            world,
            log,
            router: router(service).layer(layer(Arc::new(Http::untraced(Box::new(move || {
                entropy.bytes()
            }))))),
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let builder = headers
            .iter()
            .fold(Request::get(path), |request, (name, value)| {
                request.header(*name, *value)
            });
        self.send(builder.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.post_to("acme", headers, body).await
    }

    /// From an address of its own each time, unless the headers say where it comes from.
    async fn post_to(&self, slug: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.post_at(&format!("/t/{slug}/oauth2/token"), headers, body)
            .await
    }

    /// By Basic, to introspect or revoke this token.
    async fn ask_about(&self, client: &Known, endpoint: &str, token: &str) -> Answer {
        let basic = basic(client);
        let headers = [("content-type", FORM), ("authorization", &basic)];
        let path = format!("/t/acme/oauth2/{endpoint}");
        self.post_at(&path, &headers, format!("token={token}"))
            .await
    }

    async fn post_at(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        static NEXT: AtomicU32 = AtomicU32::new(0x0b00_0000);
        let request = Request::post(path);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let forwarded = headers.iter().any(|(name, _)| *name == "x-forwarded-for");
        let peer = if forwarded {
            IpAddr::from([10, 0, 0, 1])
        } else {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            IpAddr::V4(next.into())
        };
        let peer = ConnectInfo(SocketAddr::new(peer, 4711));
        self.send(request.extension(peer).body(body.into()).unwrap())
            .await
    }

    /// A token request by Basic with these parameters beside the grant type.
    async fn ask(&self, client: &Known, parameters: &str) -> Answer {
        let basic = basic(client);
        let headers = [("content-type", FORM), ("authorization", &basic)];
        self.post(&headers, format!("{GRANT}&{parameters}")).await
    }

    /// The claims of a token, verified with the published keys.
    async fn claims(&self, slug: &str, audience: &str, answer: &Answer) -> Value {
        assert_eq!(answer.outcome(), (200, String::new()), "{answer:?}");
        let keys = self.get(&format!("/t/{slug}/oauth2/jwks"), &[]).await.text;
        let keys: JwkSet = serde_json::from_str(&keys).unwrap();
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let presented = PresentedToken::parse(&token).unwrap();
        let key = keys
            .keys
            .iter()
            .find(|key| key.kid() == presented.kid())
            .unwrap();
        let expectation = Expectation {
            issuer: &format!("{BASE}/t/{slug}"),
            audience: Audience::Includes(audience),
            now: self.world.clock.now().seconds(),
            leeway: 0,
        };
        presented.verify(key, &expectation).unwrap()
    }
}

fn basic(client: &Known) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", client.id, client.secret))
    )
}

/// Acme with two APIs and a client that is granted both in part.
async fn shop(store: TestStore) -> (Node, Known) {
    shop_with(store, Durability::BeforeResponse).await
}

async fn shop_with(store: TestStore, durability: Durability) -> (Node, Known) {
    let node = Node::with(store, durability).await;
    let world = &node.world;
    let acme = world.tenant("acme").await;
    let orders = world
        .api(
            acme,
            ORDERS,
            "orders:read orders:write",
            "clerk=orders:read",
        )
        .await;
    let billing = world
        .api(acme, BILLING, "billing:read billing:pay", "")
        .await;
    let grants = [
        (orders, "orders:write", "clerk"),
        (billing, "billing:read", ""),
    ];
    let claims = json!({"plan": "gold", "region": {"eu": [1]}});
    let client = world.client_with(acme, &grants, claims, None).await;
    (node, client)
}
