//! Secrets: issued, rotated with an overlap, revoked.

use serde_json::{Value, json};

use crate::support::{World, story};

story! {
    /// Both secrets work during the overlap; when it has passed, only the new one.
    async fn a_rotation_overlaps_and_then_the_old_secret_ends(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        // Secrets are listed by age, also where they were issued at one moment.
        let input = json!({"client": acme.client, "overlapSeconds": 3600, "label": "blue"});
        let fields = "secret { id plaintext hint } client { secrets { id label state retiresAt } } replayed";
        let rotated = operator.mutation("rotateClientSecret", fields, input).await.data();
        let new = rotated["secret"]["plaintext"].as_str().unwrap().to_owned();
        assert!(new.ends_with(rotated["secret"]["hint"].as_str().unwrap()));
        let states: Vec<_> =
            rotated["client"]["secrets"].as_array().unwrap().iter().map(|secret| &secret["state"]).collect();
        assert_eq!(states, ["RETIRING", "ACTIVE"]);

        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let by_new = world.token("acme", &acme.client, &new).send().await.claims();
        assert_eq!(by_new["credential_id"], rotated["secret"]["id"]);

        world.clock.advance(3_599);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.clock.advance(1);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, &new).send().await.token();
    }
}

story! {
    /// A revoked secret is refused at once; the one beside it goes on.
    async fn a_revoked_secret_is_refused_at_once(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "label": "second"});
        let issued = operator.mutation("issueClientSecret", "secret { id plaintext }", input).await.data();
        let second = issued["secret"]["plaintext"].as_str().unwrap();
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.token("acme", &acme.client, second).send().await.token();

        let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "left the company"});
        operator.mutation("revokeClientSecret", "client { id }", input.clone()).await.data();
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, second).send().await.token();
        let again = operator.mutation("revokeClientSecret", "client { id }", input).await;
        assert_eq!(again.refusal(), "SECRET_REVOKED");
    }
}

story! {
    /// A secret with a beginning is not accepted before it, and one with an end not after it.
    async fn a_secret_is_accepted_between_its_beginning_and_its_end(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let begin = world.now().plus_seconds(60).to_string();
        let end = world.now().plus_seconds(120).to_string();
        let input = json!({"client": acme.client, "notBefore": begin, "expiresAt": end});
        let issued = operator.mutation("issueClientSecret", "secret { plaintext expiresAt }", input).await.data();
        let secret = issued["secret"]["plaintext"].as_str().unwrap().to_owned();
        let token = || async { world.token("acme", &acme.client, &secret).send().await };
        token().await.refused(401, "invalid_client");
        world.clock.advance(60);
        token().await.token();
        world.clock.advance(60);
        token().await.refused(401, "invalid_client");
    }
}

story! {
    /// The answer to a repeated rotation names the same secret and does not show it again.
    async fn a_repeated_rotation_shows_no_secret(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "commandId": "7c9e6679-7425-40de-944b-e07fc1f90ae7"});
        let fields = "secret { id plaintext hint } replayed";
        let first = operator.mutation("rotateClientSecret", fields, input.clone()).await.data();
        let again = operator.mutation("rotateClientSecret", fields, input).await.data();
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["secret"]["id"], again["secret"]["id"]);
        assert_eq!(first["secret"]["hint"], again["secret"]["hint"]);
        assert_eq!(again["secret"]["plaintext"], Value::Null);
    }
}
