//! A client from its creation to its end.

use serde_json::json;

use crate::support::{World, story};

story! {
    /// Disabled: no token, and whoever has the secret learns why; enabled: a token again.
    async fn a_disabled_client_gets_no_token(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        world.token("acme", &acme.client, &acme.secret).send().await.token();

        let input = json!({"client": acme.client, "reason": "under review"});
        let disabled = operator.mutation("disableClient", "client { state }", input).await.data();
        assert_eq!(disabled["client"]["state"], "DISABLED");
        let refused = world.token("acme", &acme.client, &acme.secret).send().await;
        refused.refused(401, "invalid_client");
        let description = refused.body["error_description"].as_str().unwrap();
        assert!(description.starts_with("the client is disabled"), "{description}");

        // Without the right secret nobody learns that it exists.
        let stranger = world.token("acme", &acme.client, "chs_wrong").send().await;
        let nobody = world.token("acme", "client_01jd0000000000000000000000", "chs_wrong").send().await;
        assert_eq!(stranger.body, nobody.body);

        operator.mutation("enableClient", "client { state }", json!({"client": acme.client})).await.data();
        world.token("acme", &acme.client, &acme.secret).send().await.token();
    }
}

story! {
    /// Deleted is final.
    async fn a_deleted_client_never_comes_back(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "reason": "no longer needed"});
        let deleted = operator.mutation("deleteClient", "client { state }", input).await.data();
        assert_eq!(deleted["client"]["state"], "DELETED");
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        for (verb, input) in [
            ("enableClient", json!({"client": acme.client})),
            ("rotateClientSecret", json!({"client": acme.client})),
            ("updateClient", json!({"client": acme.client, "name": "other"})),
        ] {
            let answer = operator.mutation(verb, "client { id }", input).await;
            assert_eq!(answer.refusal(), "CLIENT_DELETED", "{verb}");
        }
    }
}

story! {
    /// The clock alone ends a client.
    async fn a_client_ends_when_its_time_comes(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "expiresInDays": 1});
        operator.mutation("updateClient", "client { expiresAt }", input).await.data();
        world.clock.advance(86_399);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.clock.advance(1);
        let refused = world.token("acme", &acme.client, &acme.secret).send().await;
        refused.refused(401, "invalid_client");
        let description = refused.body["error_description"].as_str().unwrap();
        assert!(description.starts_with("the client has expired"), "{description}");

        let operator = world.operator().await;
        let query = format!("{{ client(id: \"{}\") {{ state }} }}", acme.client);
        assert_eq!(operator.query("client", &query).await.data()["state"], "EXPIRED");
        let input = json!({"client": acme.client, "expiresAt": null});
        operator.mutation("updateClient", "client { state }", input).await.data();
        world.token("acme", &acme.client, &acme.secret).send().await.token();
    }
}

story! {
    /// What is left out of an update stays, what is given replaces the whole value.
    async fn an_update_changes_what_it_names(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let fields = "client { name description metadata customClaims serves grants { api { identifier } scopes roles } }";
        let input = json!({
            "client": acme.client,
            "description": "the nightly run",
            "metadata": {"team": "billing", "cost": 7},
            "customClaims": {"plan": "gold"},
            "serves": ["https://orders.example"],
        });
        let updated = operator.mutation("updateClient", fields, input).await.data();
        assert_eq!(
            updated["client"],
            json!({
                "name": "billing",
                "description": "the nightly run",
                "metadata": {"team": "billing", "cost": 7},
                "customClaims": {"plan": "gold"},
                "serves": ["https://orders.example"],
                "grants": [{
                    "api": {"identifier": "https://orders.example"},
                    "scopes": ["orders:read", "orders:write"],
                    "roles": ["clerk"],
                }],
            })
        );
        let claims = world.token("acme", &acme.client, &acme.secret).send().await.claims();
        assert_eq!(claims["plan"], "gold");

        let input = json!({"client": acme.client, "customClaims": {}, "grants": []});
        operator.mutation("updateClient", fields, input).await.data();
        world.token("acme", &acme.client, &acme.secret).send().await.refused(400, "invalid_target");
    }
}
