//! A tenant from its creation to its end.

use serde_json::json;

use crate::{
    first_token::{roll, verified_elsewhere},
    support::{World, claims, story},
};

story! {
    /// A suspended tenant gets no token and its clients learn why; resumed, it does again.
    async fn a_suspended_tenant_gets_no_token_until_it_is_resumed(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let token = || async { world.token("acme", &acme.client, &acme.secret).send().await };
        token().await.token();

        let reason = json!({"tenant": "acme", "reason": "unpaid"});
        let suspended = operator.mutation("suspendTenant", "tenant { state }", reason.clone()).await.data();
        assert_eq!(suspended["tenant"]["state"], "SUSPENDED");
        token().await.refused(401, "invalid_client");
        let again = operator.mutation("suspendTenant", "tenant { state }", reason).await;
        assert_eq!(again.refusal(), "TENANT_SUSPENDED");

        let resumed = operator.mutation("resumeTenant", "tenant { state }", json!({"tenant": "acme"})).await.data();
        assert_eq!(resumed["tenant"]["state"], "ACTIVE");
        token().await.token();
    }
}

story! {
    /// A closed tenant's slug never comes back to life.
    async fn a_closed_tenant_stays_closed(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        operator.mutation("closeTenant", "tenant { state }", json!({"tenant": "acme", "reason": "gone"})).await.data();
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");

        let again = operator.mutation("createTenant", "tenant { id }", json!({"slug": "acme", "displayName": "A"})).await;
        assert_eq!(again.refusal(), "SLUG_TAKEN");
        let resume = operator.mutation("resumeTenant", "tenant { id }", json!({"tenant": "acme"})).await;
        assert_eq!(resume.refusal(), "TENANT_CLOSED");
        let enable = operator.mutation("enableClient", "client { id }", json!({"client": acme.client})).await;
        assert_eq!(enable.refusal(), "TENANT_CLOSED");
    }
}

story! {
    /// The operators' own tenant can be neither suspended, closed nor made again.
    async fn the_system_tenant_stays(world: World) {
        let operator = world.operator().await;
        for verb in ["suspendTenant", "closeTenant"] {
            let answer = operator.mutation(verb, "tenant { id }", json!({"tenant": "system", "reason": "why not"})).await;
            assert_eq!(answer.refusal(), "SYSTEM_TENANT", "{verb}");
        }
        let made = operator.mutation("createTenant", "tenant { id }", json!({"slug": "system", "displayName": "S"})).await;
        assert_eq!(made.refusal(), "SLUG_RESERVED");
    }
}

story! {
    /// Each of the three algorithms signs a tenant's tokens.
    async fn a_tenant_chooses_how_its_tokens_are_signed(world: World) {
        let operator = world.operator().await;
        for (slug, algorithm, alg) in [("es", "ES256", "ES256"), ("rs", "RS256", "RS256"), ("ed", "EDDSA", "EdDSA")] {
            let slug = format!("tenant-{slug}");
            let input = json!({"slug": slug, "displayName": slug, "policy": {"signingAlgorithm": algorithm}});
            let fields = "tenant { policy { signingAlgorithm } signingKeys { algorithm state } }";
            let tenant = operator.mutation("createTenant", fields, input).await.data();
            assert_eq!(tenant["tenant"]["policy"]["signingAlgorithm"], algorithm);
            assert_eq!(tenant["tenant"]["signingKeys"][0]["state"], "ACTIVE");
            let keys: serde_json::Value = world
                .http
                .get(format!("{}/t/{slug}/oauth2/jwks", world.url))
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            assert_eq!(keys["keys"][0]["alg"], alg);
        }
    }
}

story! {
    /// A policy is changed in parts: what is left out stays, null turns off, and what is wrong is named
    /// and changes nothing.
    async fn a_tenants_policy_changes_in_parts(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let fields = "tenant { displayName policy { accessTokenSeconds maxLiveSecrets rateLimit { client { requests } tenant { requests } } } }";
        let head = roll(&world, "acme").await.len();
        let input = json!({
            "tenant": "acme", "displayName": "Acme International",
            "policy": {"accessTokenSeconds": 60, "rateLimit": {"client": null}},
        });
        let updated = operator.mutation("updateTenant", fields, input.clone()).await.data();
        assert_eq!(updated["tenant"], json!({
            "displayName": "Acme International",
            "policy": {"accessTokenSeconds": 60, "maxLiveSecrets": 2, "rateLimit": {"client": null, "tenant": null}},
        }));
        let answer = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!(answer.body["expires_in"], 60);
        assert!(!answer.headers.contains_key("x-ratelimit-limit"));

        operator.mutation("updateTenant", fields, input).await.data();
        let wrong = json!({"tenant": "acme", "displayName": "Other", "policy": {"accessTokenSeconds": 59, "maxLiveSecrets": 6}});
        let refused = operator.mutation("updateTenant", fields, wrong).await;
        assert_eq!(refused.fault_paths(), ["input.policy.accessTokenSeconds", "input.policy.maxLiveSecrets"]);
        let roll = roll(&world, "acme").await;
        let kinds: Vec<_> = roll.iter().skip(head).map(|entry| entry.event.kind().0).collect();
        assert_eq!(kinds, ["TenantRenamed", "TenantPolicyChanged"]);
    }
}

story! {
    /// Another algorithm signs after an hour with a key of its own; what was signed before can still be
    /// verified. That holds for the operators' own tenant too, whose tokens open the admin API.
    async fn a_tenant_changes_how_its_tokens_are_signed(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let token = || async { world.token("acme", &acme.client, &acme.secret).send().await.token() };
        let before = token().await;
        let fields = "tenant { signingKeys { algorithm state } }";
        // So that the new key is the younger one.
        world.clock.advance(1);
        for slug in ["acme", "system"] {
            let input = json!({"tenant": slug, "policy": {"signingAlgorithm": "EDDSA"}});
            let keys = operator.mutation("updateTenant", fields, input).await.data();
            assert_eq!(keys["tenant"]["signingKeys"], json!([
                {"algorithm": "ES256", "state": "ACTIVE"}, {"algorithm": "EDDSA", "state": "PUBLISHED"},
            ]));
        }
        let algorithm = |token: &str| {
            let header = jwt_simple::token::Token::decode_metadata(token).unwrap();
            header.algorithm().to_owned()
        };
        assert_eq!(algorithm(&token().await), "ES256");
        world.clock.advance(3_600);
        let after = token().await;
        assert_eq!((algorithm(&before), algorithm(&after)), ("ES256".to_owned(), "EdDSA".to_owned()));
        assert_eq!(claims(&after)["iss"], claims(&before)["iss"]);
        verified_elsewhere(&world, "acme", &before).await;

        // The token that the operator holds is still good, and so is a new one.
        let back = json!({"tenant": "acme", "policy": {"signingAlgorithm": "ES256"}});
        world.operator().await.mutation("updateTenant", "tenant { id }", back).await.data();
        verified_elsewhere(&world, "acme", &token().await).await;
        let head = roll(&world, "acme").await.len();
        let forth = json!({"tenant": "acme", "policy": {"signingAlgorithm": "EDDSA"}});
        world.operator().await.mutation("updateTenant", "tenant { id }", forth).await.data();
        assert_eq!(roll(&world, "acme").await.len(), head + 2, "the key is there already");

        let world = world.restart().await;
        assert_eq!(algorithm(&world.token("acme", &acme.client, &acme.secret).send().await.token()), "EdDSA");
    }
}

story! {
    /// A tenant's administrator changes its own tenant and no other; whoever only reads changes none.
    async fn a_tenants_administrator_changes_the_own_tenant(world: World) {
        world.acme().await;
        world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let change = |slug: &str| json!({"tenant": slug, "displayName": "Changed"});
        for (scope, code) in [("tenant:admin", None), ("tenant:read", Some("FORBIDDEN"))] {
            let grants = json!([{"api": "urn:chancery:admin", "scopes": [scope]}]);
            let input = json!({"tenant": "acme", "name": scope, "grants": grants});
            let created = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
            let text = |pointer: &str| created.pointer(pointer).and_then(serde_json::Value::as_str).unwrap().to_owned();
            let caller = world.admin("acme", &text("/client/id"), &text("/secret/plaintext")).await;
            let own = caller.mutation("updateTenant", "tenant { id }", change("acme")).await;
            match code {
                None => assert!(own.body.get("errors").is_none(), "{:#}", own.body),
                Some(code) => assert_eq!(own.code(), code),
            }
            let foreign = caller.mutation("updateTenant", "tenant { id }", change("umbrella")).await;
            assert_eq!(foreign.code(), "NOT_FOUND");
        }
    }
}

story! {
    /// A limit that only a token can lift must not refuse that token for a month; the preview says so first.
    async fn no_rate_limit_shuts_the_operators_out(world: World) {
        let operator = world.operator().await;
        let limits = |client: serde_json::Value, tenant: serde_json::Value| json!({"tenant": "system", "policy": {"rateLimit": {"client": client, "tenant": tenant}}});
        let limit = |requests: u32, seconds: u32| json!({"requests": requests, "windowSeconds": seconds, "enforce": true});
        let off = || serde_json::Value::Null;
        for wrong in [limits(limit(1, 2_678_400), off()), limits(off(), limit(1, 2_678_400))] {
            let preview = "query P($input: PreviewTenantPolicyInput!) { previewTenantPolicy(input: $input) { refusal } }";
            let preview = operator.send("previewTenantPolicy", preview, json!({"input": wrong.clone()})).await.data();
            assert_eq!(preview["refusal"], "SYSTEM_RATE_LIMIT");
            let refused = operator.mutation("updateTenant", "replayed", wrong).await;
            assert_eq!((refused.code(), refused.refusal()), ("REFUSED", "SYSTEM_RATE_LIMIT"));
        }
        operator.mutation("updateTenant", "replayed", limits(limit(10, 60), off())).await.data();
        let ask = || world.token("system", world.operator["client_id"].as_str().unwrap(), world.operator["client_secret"].as_str().unwrap()).with("audience", "urn:chancery:admin").send();
        while ask().await.status == 200 {}
        world.clock.advance(60);
        assert_eq!(ask().await.status, 200, "a minute later the operator is in again");
    }
}
