//! A tenant from its creation to its end.

use serde_json::json;

use crate::support::{World, story};

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
