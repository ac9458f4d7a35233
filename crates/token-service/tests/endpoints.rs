//! The endpoints over HTTP, on both stores.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../directory/tests/common/mod.rs"]
mod common;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_crypto::{Audience, Expectation, JwkSet, PresentedToken};
use chancery_domain::{
    Clock as _,
    client::Expiry,
    tenant::{RateLimit, RateLimits, SigningAlgorithm, TenantPolicy, TokenAuthMethod},
};
use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_service::{
    FailureLimit, TokenService, TokenServiceConfig, TrustedProxies, router,
};
use http::{HeaderMap, Request, StatusCode};
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
    router: Router,
}

impl Node {
    fn new(store: TestStore) -> Self {
        let world = World::on(store);
        let failures = NonZeroU32::new(3).unwrap();
        let config = TokenServiceConfig {
            public_url: BASE.to_owned(),
            address_failures: FailureLimit {
                failures,
                window_seconds: NonZeroU32::new(60).unwrap(),
            },
            trusted_proxies: TrustedProxies::new(|address| address == IpAddr::from([10, 0, 0, 1])),
        };
        let service = TokenService::new(
            config,
            world.directory().into(),
            world.hasher.clone(),
            world.issuer.clone(),
            world.clock.clone(),
            world.entropy.clone(),
        );
        Self {
            world,
            router: router(service),
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
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0x0b00_0000);
        let request = Request::post(format!("/t/{slug}/oauth2/token"));
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let forwarded = headers.iter().any(|(name, _)| *name == "x-forwarded-for");
        let peer = if forwarded {
            IpAddr::from([10, 0, 0, 1])
        } else {
            let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
    let node = Node::new(store);
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

on_both_stores! {
    async fn a_client_gets_a_token_that_its_key_set_verifies(store: TestStore) {
        let (node, client) = shop(store).await;
        let answer = node.ask(&client, "").await;
        let claims = node.claims("acme", ORDERS, &answer).await;
        let now = node.world.clock.now().seconds();
        let mut body = answer.json();
        body["access_token"] = Value::Null;
        let scope = "billing:read orders:read orders:write";
        assert_eq!(body, json!({
            "access_token": null, "token_type": "Bearer", "expires_in": 3600, "scope": scope,
        }));
        let mut expected = json!({
            "iss": "https://auth.example/t/acme",
            "sub": client.id, "client_id": client.id, "tenant_id": client.tenant,
            "aud": [BILLING, ORDERS],
            "iat": now, "nbf": now, "exp": now + 3600,
            "scope": scope, "scopes": scope.split(' ').collect::<Vec<_>>(),
            "roles": ["clerk"], "type": "m2m", "credential_id": client.secret_id,
            "plan": "gold", "region": {"eu": [1]},
        });
        expected["jti"] = claims["jti"].clone();
        assert_eq!(claims, expected);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("600"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("599"));
        assert_eq!(answer.header("x-ratelimit-reset"), Some(&*(now + 60).to_string()));

        let narrow = node.ask(&client, "scope=orders%3Awrite&unknown=1&audience=").await;
        let narrow = node.claims("acme", ORDERS, &narrow).await;
        assert_eq!((&narrow["aud"], &narrow["scope"]), (&json!(ORDERS), &json!("orders:write")));
        assert_eq!(narrow.get("roles"), None);
        assert_ne!(narrow["jti"], claims["jti"]);
    }

    async fn three_ways_to_write_the_same_request(store: TestStore) {
        let (node, client) = shop(store).await;
        let basic = basic(&client);
        let (id, secret) = (client.id, &client.secret);
        let form = format!("{GRANT}&audience={ORDERS}&client_id={id}");
        let json = json!({
            "grant_type": "client_credentials", "resource": [ORDERS],
            "client_id": id, "client_secret": secret,
        });
        let by_basic = node.post(&[("content-type", FORM), ("authorization", &basic)], form.clone()).await;
        let by_body = node.post(
            &[("content-type", "Application/X-WWW-Form-URLencoded; charset=utf-8")],
            format!("{form}&client_secret={secret}"),
        ).await;
        let by_json = node.post(&[("content-type", "application/json")], json.to_string()).await;
        for answer in [by_basic, by_body, by_json] {
            assert_eq!(node.claims("acme", ORDERS, &answer).await["aud"], ORDERS);
        }
    }

    async fn every_algorithm_of_the_policy_signs(store: TestStore) {
        let node = Node::new(store);
        for (slug, algorithm) in [("rsa", SigningAlgorithm::Rs256), ("eddsa", SigningAlgorithm::EdDsa)] {
            let policy = TenantPolicy { signing_algorithm: algorithm, access_token_seconds: 61, ..TenantPolicy::default() };
            let tenant = node.world.tenant_with(slug, policy).await;
            let api = node.world.api(tenant, ORDERS, "a", "").await;
            let client = node.world.client(tenant, &[(api, "a", "")]).await;
            let headers = [("content-type", FORM), ("authorization", &*basic(&client))];
            let answer = node.post_to(slug, &headers, GRANT).await;
            let claims = node.claims(slug, ORDERS, &answer).await;
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 61);
        }
    }

    async fn what_cannot_be_proved_is_denied_in_one_answer(store: TestStore) {
        let (node, client) = shop(store).await;
        let world = &node.world;
        let other_tenant = world.tenant("other").await;
        let elsewhere = world.client(other_tenant, &[]).await;
        let disabled = world.client(client.tenant, &[]).await;
        world.disable(&disabled).await;
        let revoked = world.client(client.tenant, &[]).await;
        world.revoke(&revoked).await;
        let mut changed = client.secret.clone();
        let last = changed.pop().unwrap();
        changed.push(if last == 'a' { 'b' } else { 'a' });

        let with = |client: &Known, secret: &str| Known { secret: secret.to_owned(), ..client.clone() };
        let unknown = Known { id: chancery_domain::ClientId::from_bytes([9; 16]), ..client.clone() };
        let mut answers = Vec::new();
        for (slug, credentials) in [
            ("acme", with(&client, &changed)),
            ("acme", with(&client, "chs_")),
            ("acme", with(&client, "  ")),
            ("acme", with(&client, "")),
            ("acme", with(&client, &elsewhere.secret)),
            ("acme", with(&client, &disabled.secret)),
            ("acme", with(&disabled, &client.secret)),
            ("acme", unknown),
            ("acme", elsewhere.clone()),
            ("acme", revoked),
            ("other", client.clone()),
            ("nobody", client.clone()),
            ("Not-A-Slug", client.clone()),
            ("%FF", client.clone()),
        ] {
            let headers = [("content-type", FORM), ("authorization", &*basic(&credentials))];
            for _ in ["cold", "warm"] {
                let answer = node.post_to(slug, &headers, GRANT).await;
                assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"chancery\""));
                answers.push((answer.outcome(), answer.text.clone()));
            }
        }
        assert_eq!(answers[0].0, (401, "invalid_client".to_owned()));
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
        assert_eq!(node.ask(&client, "").await.status, 200);
    }

    async fn whoever_is_proved_learns_why_not(store: TestStore) {
        let (node, client) = shop(store).await;
        let world = &node.world;
        let refused = async |client: &Known, why: &str| {
            let answer = node.ask(client, "").await;
            assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
            assert!(answer.description().starts_with(why), "{answer:?}");
        };
        let expiring = world.client_with(client.tenant, &[], json!({}), Some(Expiry::InDays(1))).await;
        assert_eq!(node.ask(&expiring, "").await.outcome(), (400, "invalid_target".to_owned()));
        world.clock.advance(86_400);
        refused(&expiring, "the client has expired").await;

        let disabled = world.client(client.tenant, &[]).await;
        world.disable(&disabled).await;
        refused(&disabled, "the client is disabled").await;

        assert_eq!(node.ask(&client, "").await.status, 200);
        world.suspend(client.tenant).await;
        refused(&client, "the tenant is suspended").await;
        world.close(client.tenant).await;
        refused(&client, "the tenant is closed").await;
    }

    async fn both_secrets_live_through_the_overlap_and_no_longer(store: TestStore) {
        let (node, first) = shop(store).await;
        let world = &node.world;
        assert_eq!(node.ask(&first, "").await.status, 200);
        let second = world.rotated(&first, 60).await;
        world.clock.advance(59);
        for client in [&first, &second] {
            let answer = node.ask(client, &format!("audience={ORDERS}")).await;
            let claims = node.claims("acme", ORDERS, &answer).await;
            assert_eq!(claims["credential_id"], client.secret_id.to_string());
        }
        world.clock.advance(1);
        assert_eq!(node.ask(&first, "").await.status, 401);
        assert_eq!(node.ask(&second, "").await.status, 200);
        world.revoke(&second).await;
        assert_eq!(node.ask(&second, "").await.status, 401);
    }

    async fn a_store_that_is_gone_issues_nothing(store: TestStore) {
        let (node, client) = shop(store).await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        node.world.store.close().await;
        let answer = node.ask(&client, "").await;
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let wrong = Known { secret: "chs_".to_owned(), ..client };
        assert_eq!(node.ask(&wrong, "").await.status, 401, "no look-up is needed to refuse it");
        let keys = node.get("/t/acme/oauth2/jwks", &[]).await;
        assert_eq!((keys.status, keys.header("content-type")), (503, Some("application/problem+json")));
    }

    async fn metadata_and_keys_are_published(store: TestStore) {
        let (node, client) = shop(store).await;
        let metadata = node.get("/.well-known/oauth-authorization-server/t/acme", &[]).await;
        let same = node.get("/t/acme/.well-known/openid-configuration", &[]).await;
        assert_eq!((metadata.status, &metadata.text), (200, &same.text));
        assert_eq!(metadata.json()["issuer"], "https://auth.example/t/acme");
        assert_eq!(metadata.json()["jwks_uri"], "https://auth.example/t/acme/oauth2/jwks");

        let keys = node.get("/t/acme/oauth2/jwks", &[]).await;
        assert_eq!((keys.status, keys.header("content-type")), (200, Some("application/jwk-set+json")));
        assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(keys.json()["keys"][0]["alg"], "ES256");
        let tag = keys.header("etag").unwrap();
        let unchanged = node.get("/t/acme/oauth2/jwks", &[("if-none-match", tag)]).await;
        assert_eq!((unchanged.status, &*unchanged.text, unchanged.header("etag")), (304, "", Some(tag)));

        node.world.suspend(client.tenant).await;
        assert_eq!(node.get("/t/acme/oauth2/jwks", &[]).await.text, keys.text);
        assert_eq!(node.get("/.well-known/oauth-authorization-server/t/acme", &[]).await.status, 200);
        node.world.close(client.tenant).await;
        for path in ["/t/acme/oauth2/jwks", "/t/nobody/oauth2/jwks", "/t/%FF/oauth2/jwks", "/t/acme/.well-known/openid-configuration"] {
            let answer = node.get(path, &[]).await;
            assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn requests_that_cannot_be_read_are_refused() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let basic = basic(&client);
    let json = ("content-type", "application/json");
    let form = ("content-type", FORM);
    let by_basic = ("authorization", &*basic);
    let long = format!("{GRANT}&scope={}", "x".repeat(64 * 1024));
    for (headers, body, status, error) in [
        (&[][..], &b""[..], 400, "invalid_request"),
        (&[by_basic], GRANT.as_bytes(), 400, "invalid_request"),
        (
            &[by_basic, ("content-type", "text/plain")],
            GRANT.as_bytes(),
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form, json],
            GRANT.as_bytes(),
            400,
            "invalid_request",
        ),
        (&[by_basic, form], b"", 400, "invalid_request"),
        (&[by_basic, form], b"scope=\xff", 400, "invalid_request"),
        (&[by_basic, form], b"scope=%00", 400, "invalid_request"),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (&[by_basic, form], long.as_bytes(), 413, "invalid_request"),
        (
            &[by_basic, form, by_basic],
            GRANT.as_bytes(),
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&client_secret=x",
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&client_id=x",
            400,
            "invalid_request",
        ),
        (
            &[by_basic, json],
            br#"{"grant_type":"client_credentials","grant_type":"password"}"#,
            400,
            "invalid_request",
        ),
        (&[by_basic, json], b"[]", 400, "invalid_request"),
        (
            &[by_basic, form],
            b"grant_type=refresh_token",
            400,
            "unsupported_grant_type",
        ),
        (
            &[by_basic, form],
            b"grant_type=Client_Credentials",
            400,
            "unsupported_grant_type",
        ),
        (&[form], GRANT.as_bytes(), 401, "invalid_client"),
        (
            &[form, ("authorization", "Bearer x")],
            GRANT.as_bytes(),
            401,
            "invalid_client",
        ),
        (
            &[form],
            b"grant_type=client_credentials&client_assertion=x",
            401,
            "invalid_client",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&audience=urn:x:unknown",
            400,
            "invalid_target",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&audience=urn:chancery:admin",
            400,
            "invalid_target",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&scope=billing:pay",
            400,
            "invalid_scope",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&scope=+",
            400,
            "invalid_scope",
        ),
    ] {
        let answer = node.post(headers, body.to_vec()).await;
        assert_eq!(
            answer.outcome(),
            (status, error.to_owned()),
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(80)])
        );
    }
    assert_eq!(node.ask(&client, "").await.status, 200);

    let wrong_method = node.get("/t/acme/oauth2/token", &[]).await;
    assert_eq!(
        (wrong_method.status, wrong_method.header("allow")),
        (405, Some("POST"))
    );
}

#[tokio::test]
async fn a_way_that_the_policy_forbids_is_refused() {
    let node = Node::new(TestStore::sqlite().await);
    let allowed_auth_methods = [TokenAuthMethod::ClientSecretPost].into();
    let policy = TenantPolicy {
        allowed_auth_methods,
        ..TenantPolicy::default()
    };
    let acme = node.world.tenant_with("acme", policy).await;
    let api = node.world.api(acme, ORDERS, "a", "").await;
    let client = node.world.client(acme, &[(api, "a", "")]).await;
    let answer = node.ask(&client, "").await;
    assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
    assert!(
        answer.description().contains("client_secret_basic"),
        "{answer:?}"
    );
    let body = format!(
        "{GRANT}&client_id={}&client_secret={}",
        client.id, client.secret
    );
    assert_eq!(node.post(&[("content-type", FORM)], body).await.status, 200);
}

#[tokio::test]
async fn limits_count_authenticated_requests() {
    let node = Node::new(TestStore::sqlite().await);
    let limit = |requests| {
        Some(RateLimit {
            requests,
            window_seconds: 60,
            enforce: true,
        })
    };
    let rate_limit = RateLimits {
        client: limit(2),
        tenant: limit(3),
    };
    let acme = node
        .world
        .tenant_with(
            "acme",
            TenantPolicy {
                rate_limit,
                ..TenantPolicy::default()
            },
        )
        .await;
    let api = node.world.api(acme, ORDERS, "a", "").await;
    let first = node.world.client(acme, &[(api, "a", "")]).await;
    let second = node.world.client(acme, &[(api, "a", "")]).await;
    let wrong = Known {
        secret: second.secret.clone(),
        ..first.clone()
    };
    let reset = (node.world.clock.now().seconds() + 60).to_string();

    let remaining = |answer: &Answer| answer.header("x-ratelimit-remaining").map(str::to_owned);
    let answer = node.ask(&wrong, "").await;
    assert_eq!((answer.status, remaining(&answer)), (401, None));
    let answer = node.ask(&first, "").await;
    assert_eq!(
        (answer.status, remaining(&answer).as_deref()),
        (200, Some("1"))
    );
    let answer = node.ask(&first, "scope=nowhere").await;
    assert_eq!(
        (answer.status, remaining(&answer).as_deref()),
        (400, Some("0"))
    );
    node.world.clock.advance(20);
    let answer = node.ask(&first, "").await;
    assert_eq!(answer.outcome(), (429, "rate_limit_exceeded".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("40"));
    assert_eq!(answer.header("x-ratelimit-limit"), Some("2"));
    assert_eq!(answer.header("x-ratelimit-reset"), Some(&*reset));
    assert_eq!(node.ask(&second, "").await.status, 200);
    let answer = node.ask(&second, "").await;
    assert_eq!(
        (answer.status, answer.header("x-ratelimit-limit")),
        (429, Some("3"))
    );
    node.world.clock.advance(40);
    assert_eq!(node.ask(&first, "").await.status, 200);
}

#[tokio::test]
async fn failures_from_one_address_are_borne_so_often() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let right = basic(&client);
    let wrong = basic(&Known {
        secret: "chs_".to_owned(),
        ..client.clone()
    });
    let from = async |address: &str, authorization: &str, body: &str| {
        let headers = [
            ("content-type", FORM),
            ("x-forwarded-for", address),
            ("authorization", authorization),
        ];
        node.post(&headers, body.to_owned()).await
    };
    for _ in 0..3 {
        assert_eq!(
            from("192.0.2.7", &right, "").await.status,
            400,
            "a malformed request is no failure"
        );
        assert_eq!(from("192.0.2.7", &wrong, GRANT).await.status, 401);
    }
    let answer = from("192.0.2.7", &wrong, GRANT).await;
    assert_eq!(answer.outcome(), (429, "rate_limit_exceeded".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(
        from("192.0.2.7", &wrong, "grant_type=password")
            .await
            .status,
        429
    );
    assert_eq!(from("192.0.2.7", &right, GRANT).await.status, 200);
    assert_eq!(
        from("192.0.2.7", &right, "grant_type=password")
            .await
            .status,
        400
    );
    assert_eq!(from("192.0.2.8", &wrong, GRANT).await.status, 401);
    assert_eq!(
        from("192.0.2.7, 192.0.2.8", &wrong, GRANT).await.status,
        401
    );
    node.world.clock.advance(60);
    assert_eq!(from("192.0.2.7", &wrong, GRANT).await.status, 401);
}

#[tokio::test]
async fn a_clock_that_is_behind_issues_nothing() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    node.world.clock.advance(-5);
    assert_eq!(node.ask(&client, "").await.status, 200);
    node.world.clock.advance(-1);
    assert_eq!(
        node.ask(&client, "").await.outcome(),
        (503, "temporarily_unavailable".to_owned())
    );
}

#[tokio::test]
async fn every_answer_names_its_trace() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let basic = basic(&client);
    let headers = [
        ("content-type", FORM),
        ("authorization", &*basic),
        ("traceparent", trace),
    ];
    assert_eq!(
        node.post(&headers, GRANT).await.header("traceparent"),
        Some(trace)
    );
    assert_eq!(
        node.get("/t/acme/oauth2/jwks", &[("traceparent", trace)])
            .await
            .header("traceparent"),
        Some(trace)
    );
    let begun = node
        .get("/t/acme/oauth2/jwks", &[("traceparent", "nonsense")])
        .await;
    assert_eq!(begun.header("traceparent").map(str::len), Some(55));
    assert_ne!(begun.header("traceparent"), Some(trace));
}

#[tokio::test]
async fn no_answer_repeats_a_secret() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let secret = &client.secret;
    let form = [("content-type", FORM)];
    let mut statuses = Vec::new();
    for body in [
        format!("{GRANT}&client_id={secret}&client_secret={secret}"),
        format!("{GRANT}&client_id={}&client_secret={secret}x", client.id),
        format!(
            "{GRANT}&client_id={}&client_secret={secret}&client_secret={secret}",
            client.id
        ),
        format!(
            "grant_type={secret}&client_id={}&client_secret={secret}",
            client.id
        ),
        format!(
            "{GRANT}&scope=a+{secret}&client_id={}&client_secret={secret}",
            client.id
        ),
        format!(
            "{GRANT}&audience=a:{secret}&client_id={}&client_secret={secret}",
            client.id
        ),
        format!("{GRANT}&client_id={}&client_secret={secret}", client.id),
    ] {
        let answer = node.post(&form, body).await;
        assert!(!answer.text.contains(&secret[4..]), "{answer:?}");
        statuses.push(answer.status);
    }
    let status = StatusCode::OK.as_u16();
    assert_eq!(statuses, [401, 401, 400, 400, 400, 400, status]);
}
