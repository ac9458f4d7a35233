//! What changes of an API mean for the clients that it is granted to, and the claims that it adds.

use serde_json::{Value, json};

use crate::support::{World, story};

story! {
    /// A scope that is taken away and put back counts again for nobody who had it, until they are granted
    /// it again.
    async fn a_scope_that_comes_back_has_to_be_granted_again(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let define = async |scopes: &[&str], roles: Value| {
            let scopes: Vec<_> = scopes.iter().map(|name| json!({"name": name})).collect();
            let input = json!({"api": acme.api, "scopes": scopes, "roles": roles});
            operator.mutation("updateApi", "replayed", input).await.data();
        };
        let scope = async || world.token("acme", &acme.client, &acme.secret).send().await.body["scope"].clone();
        let clerk = json!([{"name": "clerk", "scopes": ["orders:read"]}]);
        assert_eq!(scope().await, "orders:read orders:write");
        define(&["orders:read"], clerk.clone()).await;
        assert_eq!(scope().await, "orders:read");
        define(&["orders:read", "orders:write"], clerk).await;
        assert_eq!(scope().await, "orders:read", "it is another scope of the same name");
        let asked = world.token("acme", &acme.client, &acme.secret).with("scope", "orders:write").send().await;
        asked.refused(400, "invalid_scope");
        // A role is no way around it.
        define(&["orders:read", "orders:write"], json!([])).await;
        define(&["orders:read", "orders:write"], json!([{"name": "clerk", "scopes": ["orders:read", "orders:write"]}])).await;
        let issued = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!((issued.body["scope"].clone(), issued.claims().get("roles").cloned()), (json!("orders:read"), None));

        let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read", "orders:write"], "roles": ["clerk"]}]);
        operator.mutation("updateClient", "replayed", json!({"client": acme.client, "grants": grants})).await.data();
        let issued = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!((&issued.body["scope"], &issued.claims()["roles"]), (&json!("orders:read orders:write"), &json!(["clerk"])));
    }
}

story! {
    /// Claims of an API are in its tokens and win over those of the client; what two APIs say differently
    /// is in no token for both.
    async fn an_api_adds_claims_of_its_own(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        for name in ["sub", "ISS", "Client_ID", "act", "ſcope"] {
            for (mutation, input) in [
                ("updateApi", json!({"api": acme.api, "customClaims": {name: 1}})),
                ("createApi", json!({"tenant": "acme", "identifier": "urn:x", "customClaims": {name: 1}})),
            ] {
                let refused = operator.mutation(mutation, "replayed", input).await;
                assert_eq!(refused.fault_paths(), ["input.customClaims"], "{name}");
            }
        }
        let invoices = json!({
            "tenant": "acme", "identifier": "https://invoices.example", "scopes": [{"name": "invoices:read"}],
            "customClaims": {"plan": "free", "region": "eu"},
        });
        let made = operator.mutation("createApi", "api { id customClaims }", invoices).await.data();
        assert_eq!(made["api"]["customClaims"], json!({"plan": "free", "region": "eu"}));
        let orders = json!({"api": acme.api, "customClaims": {"plan": "free", "tier": 2}});
        operator.mutation("updateApi", "replayed", orders).await.data();
        let client = json!({
            "client": acme.client, "customClaims": {"plan": "gold", "team": "billing"},
            "grants": [
                {"api": "https://orders.example", "scopes": ["orders:read"]},
                {"api": "https://invoices.example", "scopes": ["invoices:read"]},
            ],
        });
        operator.mutation("updateClient", "replayed", client).await.data();
        let ask = async |audience: &str| world.token("acme", &acme.client, &acme.secret).with("audience", audience).send().await;
        let claims = |claims: Value| json!([claims["plan"], claims["tier"], claims["region"], claims["team"]]);
        assert_eq!(claims(ask("https://orders.example").await.claims()), json!(["free", 2, null, "billing"]));
        let both = "https://orders.example https://invoices.example";
        assert_eq!(claims(ask(both).await.claims()), json!(["free", 2, "eu", "billing"]));
        let other = json!({"api": made["api"]["id"], "customClaims": {"plan": "trial"}});
        operator.mutation("updateApi", "replayed", other).await.data();
        ask(both).await.refused(400, "invalid_target");
        assert_eq!(claims(ask("https://invoices.example").await.claims()), json!(["trial", null, null, "billing"]));
    }
}
