//! Limits with long windows: they outlive a node, and hold for all nodes together.

use serde_json::{Value, json};

use crate::{
    refresh_tokens::policy,
    support::{World, story},
};

story! {
    async fn a_quota_holds_across_nodes_and_restarts(world: World) {
        let acme = world.acme().await;
        policy(&world.operator().await, "acme", json!({"rateLimit": {"client": {"requests": 5, "windowSeconds": 3_600}}})).await;
        let other = world.another_node().await;
        for (node, remaining) in [(&world.url, "4"), (&other, "3"), (&world.url, "2"), (&other, "1")] {
            let answer = world.token("acme", &acme.client, &acme.secret).at(node).send().await;
            answer.token();
            assert_eq!(answer.headers["x-ratelimit-remaining"], remaining);
        }
        let world = world.restart().await;
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let third = world.another_node().await;
        for node in [&world.url, &third] {
            let over = world.token("acme", &acme.client, &acme.secret).at(node).send().await;
            over.refused(429, "rate_limit_exceeded");
            let wait: i64 = over.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=3_600).contains(&wait), "{wait}");
        }
        world.clock.advance(3_600);
        world.token("acme", &acme.client, &acme.secret).at(&third).send().await.token();
    }
}

story! {
    async fn many_at_once_on_two_nodes_get_no_more_than_the_tenants_quota(world: World) {
        let acme = world.acme().await;
        let other = world.another_node().await;
        policy(&world.operator().await, "acme", json!({"rateLimit": {"client": null, "tenant": {"requests": 20, "windowSeconds": 86_400}}})).await;
        let answers = crate::repeated_commands::join_all(30, |number| {
            let node = if number % 2 == 0 { &other } else { &world.url };
            world.token("acme", &acme.client, &acme.secret).at(node).send()
        }).await;
        let (passed, over): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((passed.len(), over.len()), (20, 10));
        for answer in over {
            answer.refused(429, "rate_limit_exceeded");
        }
    }
}

story! {
    async fn what_is_not_enforced_is_counted_and_can_be_seen(world: World) {
        let operator = world.operator().await;
        let passed = async |whose: &str| {
            let series = format!("chancery_token_beyond_limits_total{{chancery_reason=\"{whose}_not_enforced\"}}");
            world.counted(&series).await
        };
        for (slug, seconds) in [("short", 60), ("long", 3_600)] {
            let acme = world.tenant_like_acme(slug).await;
            policy(&operator, slug, json!({"rateLimit": {"client": {"requests": 2, "windowSeconds": seconds, "enforce": false}}})).await;
            for remaining in ["1", "0", "0", "0"] {
                let answer = world.token(slug, &acme.client, &acme.secret).send().await;
                answer.token();
                assert_eq!(answer.headers["x-ratelimit-remaining"], remaining, "{slug}");
            }
            let query = format!("{{ tenant(slug: \"{slug}\") {{ id }} }}");
            let tenant = operator.query("tenant", &query).await.data()["id"].as_str().unwrap().parse().unwrap();
            let filter = chancery_token_log::ActivityFilter { reason: Some("client_limit_not_enforced".to_owned()), ..Default::default() };
            world.platform.log.drain().await;
            assert_eq!(world.platform.log.page(tenant, (None, None), 100, &filter).await.unwrap().records.len(), 2, "{slug}");
            // Whatever is asked counts, and where both limits are used up both are named.
            let before = passed("client_limit").await;
            world.token(slug, &acme.client, &acme.secret).introspecting("x").send().await.inactive();
            assert_eq!(passed("client_limit").await, before + 1);
            policy(&operator, slug, json!({"rateLimit": {"tenant": {"requests": 1, "windowSeconds": seconds, "enforce": false}}})).await;
            let before = passed("client_and_tenant_limit").await;
            for _ in 0..3 {
                world.token(slug, &acme.client, &acme.secret).send().await.token();
            }
            assert_eq!(passed("client_and_tenant_limit").await, before + 2);
        }
    }
}

story! {
    /// A limit that was changed holds for the very next request, also on a node that has not seen the change.
    async fn a_changed_limit_counts_from_the_next_request_on(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let other = world.another_node().await;
        for (node, seconds) in [(&world.url, 60), (&other, 86_400)] {
            policy(&operator, "acme", json!({"rateLimit": {"client": {"requests": 1_000, "windowSeconds": 60}}})).await;
            let ask = || world.token("acme", &acme.client, &acme.secret).at(node).send();
            assert_eq!(ask().await.headers["x-ratelimit-limit"], "1000");
            policy(&operator, "acme", json!({"rateLimit": {"client": {"requests": 2, "windowSeconds": seconds}}})).await;
            world.clock.advance(60);
            for remaining in ["1", "0"] {
                let answer = ask().await;
                assert_eq!((&answer.headers["x-ratelimit-limit"], &answer.headers["x-ratelimit-remaining"]), (&"2".parse().unwrap(), &remaining.parse().unwrap()));
                answer.token();
            }
            ask().await.refused(429, "rate_limit_exceeded");
        }
    }
}

story! {
    /// What leaked can be revoked although a quota is used up, which may be so for a month. A limit with a short
    /// window holds for revocations too.
    async fn a_quota_that_is_used_up_keeps_nobody_from_revoking(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let ask = || world.token("acme", &acme.client, &acme.secret);
        let limits = async |client: Value, tenant: Value| {
            policy(&operator, "acme", json!({"rateLimit": {"client": client, "tenant": tenant}})).await;
        };
        let one_in = |seconds: u32| json!({"requests": 1, "windowSeconds": seconds});
        for (client, tenant) in [(one_in(86_400), Value::Null), (Value::Null, one_in(86_400))] {
            limits(client, tenant).await;
            let leaked = ask().send().await.token();
            ask().send().await.refused(429, "rate_limit_exceeded");
            ask().introspecting(&leaked).send().await.refused(429, "rate_limit_exceeded");
            let revoked = ask().revoking(&leaked).send().await;
            assert_eq!((revoked.status, &revoked.headers["x-ratelimit-remaining"]), (200, &"0".parse().unwrap()));
            limits(Value::Null, Value::Null).await;
            ask().introspecting(&leaked).send().await.inactive();
        }
        // Both limits are enforced, and so nothing passed beyond one that is not.
        for whose in ["client", "tenant"] {
            let series = format!("chancery_token_beyond_limits_total{{chancery_reason=\"{whose}_limit_not_enforced\"}}");
            assert_eq!(world.counted(&series).await, 0, "{whose}");
        }
        limits(one_in(60), Value::Null).await;
        let leaked = ask().send().await.token();
        ask().revoking(&leaked).send().await.refused(429, "rate_limit_exceeded");
        world.clock.advance(60);
        assert_eq!(ask().revoking(&leaked).send().await.status, 200);
    }
}
