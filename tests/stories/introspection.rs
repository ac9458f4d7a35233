//! Introspection: what is told of a token, to whom, and when it is nothing.

use serde_json::{Value, json};

use crate::{
    refresh_tokens::{happened, refreshing},
    support::{Acme, TokenRequest, World, claims, story},
};

fn ask<'a>(world: &'a World, acme: &Acme) -> TokenRequest<'a> {
    world.token("acme", &acme.client, &acme.secret)
}

/// A client of acme that is granted nothing and serves these APIs.
async fn server(world: &World, serves: &[&str]) -> (String, String) {
    let operator = world.operator().await;
    let input = json!({"tenant": "acme", "name": "server", "serves": serves});
    let made = operator
        .mutation("createClient", "client { id } secret { plaintext }", input)
        .await
        .data();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        text(&made["client"]["id"]),
        text(&made["secret"]["plaintext"]),
    )
}

story! {
    async fn a_token_is_told_to_its_client_and_to_who_serves_its_audience_and_to_nobody_else(world: World) {
        let acme = refreshing(&world, "acme").await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let billing = json!({"tenant": "acme", "identifier": "https://billing.example", "name": "Billing"});
        world.operator().await.mutation("createApi", "api { id }", billing).await.data();
        let serving = server(&world, &["https://orders.example"]).await;
        let elsewhere = server(&world, &["https://billing.example"]).await;
        let idle = server(&world, &[]).await;
        let answer = ask(&world, &acme).send().await;
        let (token, refresh) = (answer.token(), answer.refresh_token());
        let by = |(id, secret): &(String, String), token: &str| world.token("acme", id, secret).introspecting(token).send();
        let said = answer.claims();
        for found in [ask(&world, &acme).introspecting(&token).send().await, by(&serving, &token).await] {
            let mut expected = json!({"active": true, "token_type": "Bearer"});
            for member in ["iss", "sub", "client_id", "tenant_id", "aud", "scope", "roles", "iat", "nbf", "exp", "jti", "credential_id"] {
                expected[member] = said[member].clone();
            }
            assert_eq!(found.active(), &expected);
            assert_eq!(found.headers["cache-control"], "no-store");
            assert_eq!(found.headers["x-ratelimit-limit"], "600");
        }
        by(&elsewhere, &token).await.inactive();
        by(&idle, &token).await.inactive();
        world.token("umbrella", &umbrella.client, &umbrella.secret).introspecting(&token).send().await.inactive();

        let found = ask(&world, &acme).introspecting(&refresh).send().await;
        let found = found.active();
        assert_eq!((&found["client_id"], &found["scope"], &found["aud"]), (&said["client_id"], &said["scope"], &said["aud"]));
        assert_eq!(found["exp"].as_i64().unwrap(), said["iat"].as_i64().unwrap() + 86_400);
        assert_eq!((found.get("jti"), found.get("token_type")), (None, None));
        by(&serving, &refresh).await.inactive();
    }
}

story! {
    async fn what_is_no_live_token_of_the_tenant_is_nothing(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let token = ask(&world, &acme).send().await.token();
        let foreign = world.token("umbrella", &umbrella.client, &umbrella.secret).send().await.token();
        let parts: Vec<_> = token.split('.').collect();
        let others: Vec<_> = foreign.split('.').collect();
        let look = |token: &str| ask(&world, &acme).introspecting(token).send();
        for strange in [
            "x", "a.b.c", "..", &token[..token.len() - 2], &format!("{token}."), &format!("{token}.{}", parts[2]),
            &format!("{}.{}.", parts[0], parts[1]),
            &format!("{}.{}.{}", parts[0], parts[1], others[2]),
            &format!("{}.{}.{}", others[0], parts[1], parts[2]),
            &format!("{}.{}.{}", parts[0], others[1], parts[2]),
            &foreign, &acme.secret, &acme.client,
        ] {
            look(strange).await.inactive();
        }
        look(&token).await.active();
        look("").await.refused(400, "invalid_request");
        let ends = claims(&token)["exp"].as_i64().unwrap() - claims(&token)["iat"].as_i64().unwrap();
        world.clock.advance(ends - 1);
        look(&token).await.active();
        world.clock.advance(1);
        look(&token).await.inactive();
    }
}

story! {
    async fn a_token_is_as_alive_as_its_client_and_its_credential_are_now(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let warm = world.another_node().await;
        let serving = server(&world, &["https://orders.example"]).await;
        let look = |node: &str, token: &str| world.token("acme", &serving.0, &serving.1).introspecting(token).at(node).send();
        let token = ask(&world, &acme).send().await.token();
        let client = json!({"client": acme.client, "reason": "r"});
        look(&warm, &token).await.active();
        operator.mutation("disableClient", "client { id }", client.clone()).await.data();
        for node in [&world.url, &warm] {
            look(node, &token).await.inactive();
        }
        operator.mutation("enableClient", "client { id }", json!({"client": acme.client})).await.data();
        for node in [&world.url, &warm] {
            look(node, &token).await.active();
        }
        // Revoked, the secret leaves its tokens alone; compromised, it takes those with it that it
        // obtained before.
        let rotated = operator.mutation("rotateClientSecret", "secret { plaintext }", json!({"client": acme.client, "overlapSeconds": 3_600})).await.data();
        let by_new = world.token("acme", &acme.client, rotated["secret"]["plaintext"].as_str().unwrap()).send().await.token();
        for compromised in [false, true] {
            let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "r", "compromised": compromised});
            operator.mutation("revokeClientSecret", "client { id }", input).await.data();
            for node in [&world.url, &warm] {
                look(node, &by_new).await.active();
                let found = look(node, &token).await;
                if compromised {
                    found.inactive();
                } else {
                    found.active();
                }
            }
        }
        operator.mutation("deleteClient", "client { id }", client).await.data();
        for node in [&world.url, &warm] {
            look(node, &by_new).await.inactive();
        }
    }
}

story! {
    async fn introspections_are_told_of_and_counted(world: World) {
        let acme = world.acme().await;
        let token = ask(&world, &acme).send().await.token();
        for _ in 0..30 {
            ask(&world, &acme).introspecting(&token).send().await.active();
        }
        ask(&world, &acme).introspecting("x").send().await.inactive();
        let told = happened(&world, "acme").await;
        // Twenty by themselves, ten in one, and one that was of no token.
        assert_eq!(told.iter().filter(|it| *it == "token_introspected").count(), 21, "{told:?}");
        assert_eq!(told.iter().filter(|it| *it == "token_introspected inactive").count(), 1);
    }
}

story! {
    async fn the_limits_are_those_of_the_token_endpoint(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let policy = json!({"rateLimit": {"client": {"requests": 3, "windowSeconds": 60}}});
        operator.mutation("updateTenant", "tenant { id }", json!({"tenant": "acme", "policy": policy})).await.data();
        let token = ask(&world, &acme).send().await.token();
        ask(&world, &acme).introspecting(&token).send().await.active();
        assert_eq!(ask(&world, &acme).revoking("x").send().await.headers["x-ratelimit-remaining"], "0");
        for request in [ask(&world, &acme).introspecting(&token), ask(&world, &acme).revoking(&token), ask(&world, &acme)] {
            let over = request.send().await;
            over.refused(429, "rate_limit_exceeded");
            assert!(over.headers.contains_key("retry-after"));
        }
    }
}
