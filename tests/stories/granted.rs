//! What a client is granted is kept for the same words on the same entries: it is never given for others.

use jsonwebtoken::{Algorithm, decode_header};
use serde_json::{Value, json};

use crate::support::{Acme, GraphQl, World, story};

/// The claims that are granted, where these words are sent.
async fn granted(world: &World, acme: &Acme, words: &[(&str, &str)]) -> Value {
    let ask = world.token("acme", &acme.client, &acme.secret);
    let ask = words
        .iter()
        .fold(ask, |ask, (name, value)| ask.with(name, value));
    let claims = ask.send().await.claims();
    json!([claims["aud"], claims["scope"], claims["roles"]])
}

async fn with_billing(operator: &GraphQl<'_>, client: &str) {
    let api = json!({"tenant": "acme", "identifier": "https://billing.example", "name": "Billing", "scopes": [{"name": "billing:read"}]});
    operator.mutation("createApi", "replayed", api).await.data();
    let grants = json!([
        {"api": "https://orders.example", "scopes": ["orders:read", "orders:write"], "roles": ["clerk"]},
        {"api": "https://billing.example", "scopes": ["billing:read"]},
    ]);
    let input = json!({"client": client, "grants": grants});
    operator
        .mutation("updateClient", "replayed", input)
        .await
        .data();
}

story! {
    /// Other words are another wish, whatever was asked for before.
    async fn what_was_granted_for_other_words_is_not_given(world: World) {
        let acme = world.acme().await;
        with_billing(&world.operator().await, &acme.client).await;
        let (orders, billing) = ("https://orders.example", "https://billing.example");
        let both = json!([billing, orders]);
        let all = "billing:read orders:read orders:write";
        let cases = [
            (vec![], json!([both, all, ["clerk"]])),
            (vec![("audience", orders)], json!([orders, "orders:read orders:write", ["clerk"]])),
            (vec![("audience", billing)], json!([billing, "billing:read", null])),
            (vec![("scope", "orders:write")], json!([orders, "orders:write", null])),
            (vec![("scope", "orders:read")], json!([orders, "orders:read", ["clerk"]])),
            (vec![("audience", orders), ("scope", "orders:read")], json!([orders, "orders:read", ["clerk"]])),
            (vec![("resource", billing), ("resource", orders)], json!([both, all, ["clerk"]])),
        ];
        // Each after each, itself among them.
        for (before, _) in &cases {
            for (words, right) in &cases {
                granted(&world, &acme, before).await;
                assert_eq!(&granted(&world, &acme, words).await, right, "{words:?} after {before:?}");
            }
        }
    }
}

story! {
    /// Nothing is granted by what the client, an API or the policy was before.
    async fn what_was_granted_before_a_change_is_not_given_after_it(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let nodes = [world.url.clone(), world.another_node().await];
        let orders = |scopes: Value, roles: Value| {
            json!({"client": acme.client, "grants": [{"api": "https://orders.example", "scopes": scopes, "roles": roles}]})
        };
        let role = |scopes: Value| json!({"api": acme.api, "roles": [{"name": "clerk", "scopes": scopes}]});
        let life = |seconds: u32| json!({"tenant": "acme", "policy": {"accessTokenSeconds": seconds}});
        for (verb, input, right) in [
            ("updateClient", orders(json!(["orders:read"]), json!([])), json!(["orders:read", null, null, 3_600])),
            ("updateClient", orders(json!(["orders:read", "orders:write"]), json!(["clerk"])), json!(["orders:read orders:write", ["clerk"], null, 3_600])),
            ("updateClient", json!({"client": acme.client, "customClaims": {"plan": "gold"}}), json!(["orders:read orders:write", ["clerk"], "gold", 3_600])),
            ("updateApi", json!({"api": acme.api, "customClaims": {"plan": "lead"}}), json!(["orders:read orders:write", ["clerk"], "lead", 3_600])),
            ("updateTenant", life(600), json!(["orders:read orders:write", ["clerk"], "lead", 600])),
            ("updateApi", json!({"api": acme.api, "accessTokenSeconds": 120}), json!(["orders:read orders:write", ["clerk"], "lead", 120])),
            ("updateClient", orders(json!(["orders:write"]), json!(["clerk"])), json!(["orders:read orders:write", ["clerk"], "lead", 120])),
            ("updateApi", role(json!(["orders:write"])), json!(["orders:write", ["clerk"], "lead", 120])),
        ] {
            for node in &nodes {
                world.token("acme", &acme.client, &acme.secret).at(node).send().await.token();
            }
            operator.mutation(verb, "replayed", input.clone()).await.data();
            for node in &nodes {
                let claims = world.token("acme", &acme.client, &acme.secret).at(node).send().await.claims();
                let seconds = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
                assert_eq!(json!([claims["scope"], claims["roles"], claims["plan"], seconds]), right, "{verb} {input}");
            }
        }
    }
}

story! {
    /// An algorithm changes by the clock, without an entry at that moment; and back, where the clock is set back.
    async fn another_algorithm_signs_from_its_moment_on(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let signed_by = async || {
            let token = world.token("acme", &acme.client, &acme.secret).send().await.token();
            decode_header(token).unwrap().alg
        };
        assert_eq!(signed_by().await, Algorithm::ES256);
        let input = json!({"tenant": "acme", "policy": {"signingAlgorithm": "EDDSA"}});
        operator.mutation("updateTenant", "replayed", input).await.data();
        for (seconds, algorithm) in [
            (0, Algorithm::ES256),
            (3_599, Algorithm::ES256),
            (1, Algorithm::EdDSA),
            (2, Algorithm::EdDSA),
            (-3, Algorithm::ES256),
            (1, Algorithm::EdDSA),
        ] {
            world.clock.advance(seconds);
            assert_eq!(signed_by().await, algorithm, "{seconds}");
        }
    }
}
