//! Limits of clients, tenants and addresses.

use chancery_domain::{
    Clock as _,
    tenant::{RateLimit, RateLimits, TenantPolicy},
};
use chancery_testkit::stores::TestStore;

use crate::{Answer, FORM, GRANT, Node, ORDERS, basic, common::Known, shop};

#[tokio::test]
async fn limits_count_authenticated_requests() {
    let node = Node::new(TestStore::sqlite().await).await;
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
