//! Refresh tokens: rotated, narrowed, and ended with whatever they stood on.

use serde_json::{Value, json};

use crate::{
    repeated_commands::join_all,
    support::{Acme, GraphQl, TokenAnswer, World, dump, story},
};

/// A tenant like acme whose policy turns refresh tokens on, for a day.
pub(crate) async fn refreshing(world: &World, slug: &str) -> Acme {
    let acme = world.tenant_like_acme(slug).await;
    policy(
        &world.operator().await,
        slug,
        json!({"refreshTokenSeconds": 86_400}),
    )
    .await;
    acme
}

pub(crate) async fn policy(operator: &GraphQl<'_>, slug: &str, policy: Value) {
    let input = json!({"tenant": slug, "policy": policy});
    operator
        .mutation("updateTenant", "tenant { id }", input)
        .await
        .data();
}

/// The kinds of what happened at a tenant's endpoints, in their order, but for plain tokens.
pub(crate) async fn happened(world: &World, slug: &str) -> Vec<String> {
    let query = format!("{{ tenant(slug: \"{slug}\") {{ id }} }}");
    let tenant = world.operator().await.query("tenant", &query).await.data();
    let tenant = tenant["id"].as_str().unwrap().parse().unwrap();
    let log = &world.platform.log;
    log.drain().await;
    let filter = chancery_token_log::ActivityFilter::default();
    let page = log.page(tenant, (None, None), 10_000, &filter).await;
    let all = page.unwrap().records;
    let told = |it: &chancery_token_log::Activity| match &it.reason {
        Some(reason) => format!("{} {reason}", it.kind),
        None => it.kind.to_string(),
    };
    all.iter()
        .map(told)
        .filter(|kind| kind != "token_issued")
        .collect()
}

fn ask<'a>(world: &'a World, acme: &Acme) -> crate::support::TokenRequest<'a> {
    world.token("acme", &acme.client, &acme.secret)
}

async fn refresh(world: &World, acme: &Acme, token: &str) -> TokenAnswer {
    ask(world, acme).refreshing(token).send().await
}

story! {
    async fn there_are_none_unless_the_policy_turns_them_on(world: World) {
        let acme = world.acme().await;
        assert_eq!(ask(&world, &acme).send().await.body.get("refresh_token"), None);
        refresh(&world, &acme, "chr_x").await.refused(400, "unauthorized_client");
        ask(&world, &acme).refreshing("").send().await.refused(400, "invalid_request");
        let grants = async || -> Value {
            let url = format!("{}/t/acme/.well-known/openid-configuration", world.url);
            world.http.get(url).send().await.unwrap().json::<Value>().await.unwrap()["grant_types_supported"].clone()
        };
        assert_eq!(grants().await, json!(["client_credentials"]));
        let operator = world.operator().await;
        policy(&operator, "acme", json!({"refreshTokenSeconds": 86_400})).await;
        assert_eq!(grants().await, json!(["client_credentials", "refresh_token"]));
        let token = ask(&world, &acme).send().await.refresh_token();
        assert!(token.starts_with("chr_") && token.len() == 92, "{token}");
        // Turned off, none is taken; turned on again, it is as it was.
        policy(&operator, "acme", json!({"refreshTokenSeconds": null})).await;
        refresh(&world, &acme, &token).await.refused(400, "unauthorized_client");
        policy(&operator, "acme", json!({"refreshTokenSeconds": 86_400})).await;
        refresh(&world, &acme, &token).await.token();
    }
}

story! {
    async fn a_refresh_gives_the_same_again_and_rotates(world: World) {
        let acme = refreshing(&world, "acme").await;
        let first = ask(&world, &acme).send().await;
        let second = refresh(&world, &acme, &first.refresh_token()).await;
        let third = refresh(&world, &acme, &second.refresh_token()).await;
        for answer in [&second, &third] {
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("Bearer"), &json!(3_600)));
            for claim in ["sub", "aud", "scope", "scopes", "roles", "tenant_id", "credential_id"] {
                assert_eq!(answer.claims()[claim], first.claims()[claim], "{claim}");
            }
        }
        let tokens = [first.refresh_token(), second.refresh_token(), third.refresh_token()];
        assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
        let jtis = [&first, &second, &third].map(|answer| answer.claims()["jti"].to_string());
        assert!(jtis[0] != jtis[1] && jtis[1] != jtis[2]);
        assert_eq!(happened(&world, "acme").await, ["token_refreshed", "token_refreshed"]);
    }
}

story! {
    async fn a_refresh_narrows_and_never_widens(world: World) {
        let acme = refreshing(&world, "acme").await;
        let operator = world.operator().await;
        let narrow = ask(&world, &acme).with("scope", "orders:read").send().await.refresh_token();
        let ask = |token: &str| ask(&world, &acme).refreshing(token);
        ask(&narrow).with("scope", "orders:write").send().await.refused(400, "invalid_scope");
        ask(&narrow).with("scope", "orders:read orders:write").send().await.refused(400, "invalid_scope");
        ask(&narrow).with("audience", "https://other.example").send().await.refused(400, "invalid_target");
        // What was refused has used nothing up.
        let again = ask(&narrow).send().await;
        assert_eq!(again.claims()["scope"], "orders:read");
        // What is granted later is not in it either.
        let input = json!({"api": acme.api, "scopes": [{"name": "orders:read"}, {"name": "orders:write"}, {"name": "orders:new"}],
            "roles": [{"name": "clerk", "scopes": ["orders:read"]}, {"name": "reader", "scopes": ["orders:read"]}]});
        operator.mutation("updateApi", "api { id }", input).await.data();
        let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read", "orders:new"], "roles": ["clerk", "reader"]}]);
        operator.mutation("updateClient", "client { id }", json!({"client": acme.client, "grants": grants})).await.data();
        let later = ask(&again.refresh_token()).send().await;
        assert_eq!((&later.claims()["scope"], &later.claims()["roles"]), (&json!("orders:read"), &json!(["clerk"])));
        ask(&later.refresh_token()).with("scope", "orders:new").send().await.refused(400, "invalid_scope");
        // A wider family, asked for less and then for all of it again.
        let wide = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!(wide.claims()["scope"], "orders:new orders:read");
        let less = ask(&wide.refresh_token()).with("scope", "orders:new").send().await;
        assert_eq!(less.claims()["scope"], "orders:new");
        assert_eq!(less.claims().get("roles"), None);
        assert_eq!(ask(&less.refresh_token()).send().await.claims()["scope"], "orders:new orders:read");
    }
}

story! {
    async fn what_the_client_is_not_granted_any_more_is_refused_and_not_dropped(world: World) {
        let acme = refreshing(&world, "acme").await;
        let operator = world.operator().await;
        let token = ask(&world, &acme).send().await.refresh_token();
        let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read"]}]);
        operator.mutation("updateClient", "client { id }", json!({"client": acme.client, "grants": grants})).await.data();
        refresh(&world, &acme, &token).await.refused(400, "invalid_scope");
        let less = ask(&world, &acme).refreshing(&token).with("scope", "orders:read").send().await;
        assert_eq!(less.claims()["scope"], "orders:read");
        operator.mutation("updateClient", "client { id }", json!({"client": acme.client, "grants": []})).await.data();
        refresh(&world, &acme, &less.refresh_token()).await.refused(400, "invalid_target");
    }
}

story! {
    async fn a_refresh_token_that_comes_again_takes_its_family_with_it(world: World) {
        let acme = refreshing(&world, "acme").await;
        let first = ask(&world, &acme).send().await;
        let second = refresh(&world, &acme, &first.refresh_token()).await;
        let untouched = ask(&world, &acme).send().await;
        // Within ten seconds, while the successor is unused, it may be a retry.
        world.clock.advance(10);
        refresh(&world, &acme, &first.refresh_token()).await.refused(400, "invalid_grant");
        let third = refresh(&world, &acme, &second.refresh_token()).await;
        third.token();
        // Now its successor is used.
        let reused = refresh(&world, &acme, &first.refresh_token()).await;
        reused.refused(400, "invalid_grant");
        for ended in [&first, &second, &third] {
            refresh(&world, &acme, &ended.refresh_token()).await.refused(400, "invalid_grant");
            ask(&world, &acme).introspecting(&ended.token()).send().await.inactive();
            ask(&world, &acme).introspecting(&ended.refresh_token()).send().await.inactive();
        }
        ask(&world, &acme).introspecting(&untouched.token()).send().await.active();
        refresh(&world, &acme, &untouched.refresh_token()).await.token();
        let told = happened(&world, "acme").await;
        assert_eq!(told.iter().filter(|it| **it == "refresh_reused refresh_token_reused").count(), 1, "{told:?}");
    }
}

story! {
    async fn after_ten_seconds_a_used_refresh_token_is_reused(world: World) {
        let acme = refreshing(&world, "acme").await;
        let first = ask(&world, &acme).send().await;
        let second = refresh(&world, &acme, &first.refresh_token()).await;
        world.clock.advance(11);
        refresh(&world, &acme, &first.refresh_token()).await.refused(400, "invalid_grant");
        refresh(&world, &acme, &second.refresh_token()).await.refused(400, "invalid_grant");
        ask(&world, &acme).introspecting(&second.token()).send().await.inactive();
    }
}

story! {
    async fn of_two_uses_at_once_on_two_nodes_one_wins_and_the_family_lives(world: World) {
        let acme = refreshing(&world, "acme").await;
        let other = world.another_node().await;
        let mut latest = ask(&world, &acme).send().await.refresh_token();
        for _ in 0..5 {
            let answers = join_all(8, |number| {
                let node = if number % 2 == 0 { &other } else { &world.url };
                ask(&world, &acme).refreshing(&latest).at(node).send()
            }).await;
            let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
            assert_eq!(won.len(), 1, "{lost:?}");
            for answer in lost {
                answer.refused(400, "invalid_grant");
            }
            latest = won[0].refresh_token();
        }
        refresh(&world, &acme, &latest).await.token();
    }
}

story! {
    async fn a_family_ends_with_its_time_however_often_it_is_used(world: World) {
        let acme = refreshing(&world, "acme").await;
        let mut latest = ask(&world, &acme).send().await.refresh_token();
        for _ in 0..3 {
            world.clock.advance(86_400 / 4);
            latest = refresh(&world, &acme, &latest).await.refresh_token();
        }
        world.clock.advance(86_400 / 4 - 1);
        latest = refresh(&world, &acme, &latest).await.refresh_token();
        world.clock.advance(1);
        refresh(&world, &acme, &latest).await.refused(400, "invalid_grant");
        // A policy that is made shorter holds for those that live.
        let operator = world.operator().await;
        let latest = ask(&world, &acme).send().await.refresh_token();
        policy(&operator, "acme", json!({"refreshTokenSeconds": 60})).await;
        world.clock.advance(60);
        refresh(&world, &acme, &latest).await.refused(400, "invalid_grant");
    }
}

story! {
    async fn a_refresh_token_is_of_one_client_and_one_tenant(world: World) {
        let acme = refreshing(&world, "acme").await;
        let umbrella = refreshing(&world, "umbrella").await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "name": "second", "grants": [{"api": "https://orders.example", "scopes": ["orders:read"]}]});
        let second = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let (id, secret) = (second["client"]["id"].as_str().unwrap(), second["secret"]["plaintext"].as_str().unwrap());
        let token = ask(&world, &acme).send().await.refresh_token();
        world.token("acme", id, secret).refreshing(&token).send().await.refused(400, "invalid_grant");
        world.token("umbrella", &umbrella.client, &umbrella.secret).refreshing(&token).send().await.refused(400, "invalid_grant");
        world.token("acme", id, secret).introspecting(&token).send().await.inactive();
        world.token("acme", id, secret).revoking(&token).send().await;
        // Without authentication, and with a wrong one, it is worth nothing.
        ask(&world, &acme).refreshing(&token).without_authentication().send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, &umbrella.secret).refreshing(&token).send().await.refused(401, "invalid_client");
        for strange in ["chr_", "x", &acme.secret, &acme.secret.replace("chs_", "chr_"), &format!("{token} "), &ask(&world, &acme).send().await.token()] {
            refresh(&world, &acme, strange).await.refused(400, "invalid_grant");
        }
        refresh(&world, &acme, &token).await.token();
    }
}

story! {
    async fn values_of_one_kind_are_never_taken_as_another(world: World) {
        let acme = refreshing(&world, "acme").await;
        let answer = ask(&world, &acme).send().await;
        let (access, token) = (answer.token(), answer.refresh_token());
        let ids = answer.claims();
        for secret in [&token, &access, &token.replace("chr_", "chs_")] {
            world.token("acme", &acme.client, secret).send().await.refused(401, "invalid_client");
        }
        for strange in [&*access, ids["jti"].as_str().unwrap(), &acme.secret] {
            refresh(&world, &acme, strange).await.refused(400, "invalid_grant");
        }
        for strange in [ids["jti"].as_str().unwrap(), &acme.secret, &acme.secret_id] {
            ask(&world, &acme).introspecting(strange).send().await.inactive();
        }
        let admin = GraphQl::new(&world, token.clone());
        assert_eq!(admin.query("tenant", "{ tenant(slug: \"acme\") { id } }").await.status, 401);
    }
}

story! {
    async fn a_compromised_credential_ends_its_families_and_a_withdrawn_one_does_not(world: World) {
        let acme = refreshing(&world, "acme").await;
        let operator = world.operator().await;
        let other = world.another_node().await;
        let by_first = ask(&world, &acme).send().await;
        let rotated = operator.mutation("rotateClientSecret", "secret { id plaintext }", json!({"client": acme.client, "overlapSeconds": 3_600})).await.data();
        let new = (rotated["secret"]["id"].as_str().unwrap(), rotated["secret"]["plaintext"].as_str().unwrap());
        let ask_new = || world.token("acme", &acme.client, new.1);
        // The family goes on with the new secret, and its access tokens say so.
        let by_new = ask_new().refreshing(&by_first.refresh_token()).send().await;
        assert_eq!((&by_first.claims()["credential_id"], &by_new.claims()["credential_id"]), (&json!(acme.secret_id), &json!(new.0)));
        let revoke = |compromised| {
            let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "r", "compromised": compromised});
            operator.mutation("revokeClientSecret", "client { id }", input)
        };
        revoke(false).await.data();
        let next = ask_new().refreshing(&by_new.refresh_token()).send().await;
        ask_new().introspecting(&by_first.token()).send().await.active();
        revoke(true).await.data();
        for node in [&world.url, &other] {
            ask_new().refreshing(&next.refresh_token()).at(node).send().await.refused(400, "invalid_grant");
            ask_new().introspecting(&next.refresh_token()).at(node).send().await.inactive();
            ask_new().introspecting(&by_first.token()).at(node).send().await.inactive();
            // What another secret obtained is as it was.
            ask_new().introspecting(&next.token()).at(node).send().await.active();
        }
        ask_new().send().await.token();
    }
}

story! {
    /// Whatever ends a client or its tenant ends its refresh tokens, on a node that knows it and on one
    /// that does not.
    async fn what_has_ended_refreshes_nothing_warm_or_cold(world: World) {
        let operator = world.operator().await;
        let warm = world.another_node().await;
        for (slug, verb, end) in [
            ("disabled", "disableClient", json!({"client": null, "reason": "r"})),
            ("deleted", "deleteClient", json!({"client": null, "reason": "r"})),
            ("revoked", "revokeClientSecret", json!({"client": null, "secret": null, "reason": "r"})),
            ("expired", "updateClient", json!({"client": null, "expiresInDays": 1})),
            ("suspended", "suspendTenant", json!({"tenant": "suspended", "reason": "r"})),
            ("closed", "closeTenant", json!({"tenant": "closed", "reason": "r"})),
        ] {
            let tenant = refreshing(&world, slug).await;
            let ask = || world.token(slug, &tenant.client, &tenant.secret);
            let token = ask().send().await.refresh_token();
            let token = ask().at(&warm).refreshing(&token).send().await.refresh_token();
            let access = ask().at(&warm).send().await.token();
            let mut input = end.clone();
            for (member, value) in [("client", &tenant.client), ("secret", &tenant.secret_id)] {
                if input.get(member).is_some() {
                    input[member] = json!(value);
                }
            }
            let fields = if verb.ends_with("Tenant") { "tenant { id }" } else { "client { id }" };
            operator.mutation(verb, fields, input).await.data();
            if slug == "expired" {
                world.clock.advance(86_400);
            }
            let cold = world.another_node().await;
            for node in [&world.url, &warm, &cold] {
                ask().refreshing(&token).at(node).send().await.refused(401, "invalid_client");
                ask().introspecting(&access).at(node).send().await.refused(401, "invalid_client");
                ask().revoking(&access).at(node).send().await.refused(401, "invalid_client");
            }
            if slug == "expired" {
                world.clock.advance(-86_400);
            }
        }
    }
}

story! {
    async fn a_refresh_token_that_is_stored_is_hashed(world: World) {
        let acme = refreshing(&world, "acme").await;
        let first = ask(&world, &acme).send().await.refresh_token();
        let second = refresh(&world, &acme, &first).await.refresh_token();
        world.platform.log.drain().await;
        let rows = crate::support::dump_tokens(world.store.database()).await;
        assert!(rows.contains("refresh_families"), "{rows}");
        let everything = rows + &dump(world.store.database()).await;
        for token in [&first, &second] {
            // Its four first letters alone stand somewhere by chance, once in ten thousand runs.
            let (begin, body) = (&token[..4 + 8], &token[4 + 22..4 + 66]);
            assert!(!everything.contains(body) && !everything.contains(begin));
        }
    }
}
