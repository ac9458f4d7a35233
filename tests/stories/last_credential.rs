//! The last administrator of the platform keeps a credential to rely on.

use serde_json::{Value, json};

use crate::{
    support::{GraphQl, World, story},
    sweep::a_signer,
};

async fn revoke(operator: &GraphQl<'_>, client: &Value, secret: &Value) -> crate::support::Answer {
    let input = json!({"client": client, "secret": secret, "reason": "test"});
    operator
        .mutation("revokeClientSecret", "replayed", input)
        .await
}

/// The first operator's only secret.
async fn only_secret(operator: &GraphQl<'_>, me: &Value) -> Value {
    let query = format!("{{ client(id: {me}) {{ secrets {{ id state }} }} }}");
    let secrets = operator.query("client", &query).await.data()["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 1);
    secrets[0]["id"].clone()
}

story! {
    async fn the_last_administrators_last_secret_stays(world: World) {
        let operator = world.operator().await;
        let me = &world.operator["client_id"];
        let first = only_secret(&operator, me).await;
        assert_eq!(revoke(&operator, me, &first).await.refusal(), "LAST_OPERATOR");

        // Neither one that begins later nor one that ends earlier is in its place.
        let tomorrow = (world.now().plus_days(1)).to_string();
        for instead in [json!({"client": me, "notBefore": tomorrow}), json!({"client": me, "expiresAt": tomorrow})] {
            let issued = operator.mutation("issueClientSecret", "secret { id }", instead.clone()).await.data();
            assert_eq!(revoke(&operator, me, &first).await.refusal(), "LAST_OPERATOR", "{instead}");
            revoke(&operator, me, &issued["secret"]["id"]).await.data();
        }
        // After a rotation the old one retires: the new one is the one to keep.
        let rotated = operator.mutation("rotateClientSecret", "secret { id }", json!({"client": me})).await.data();
        let second = &rotated["secret"]["id"];
        assert_eq!(revoke(&operator, me, second).await.refusal(), "LAST_OPERATOR");
        revoke(&operator, me, &first).await.data();
    }
}

story! {
    async fn a_policy_that_ends_every_secret_shuts_nobody_out(world: World) {
        let operator = world.operator().await;
        let me = &world.operator["client_id"];
        let policy = json!({"tenant": "system", "policy": {"secretLifetimeDays": 90}});
        operator.mutation("updateTenant", "replayed", policy).await.data();
        // Another one is issued, and a while later the one without an end goes.
        let first = only_secret(&operator, me).await;
        operator.mutation("issueClientSecret", "replayed", json!({"client": me})).await.data();
        world.clock.advance(1_800);
        revoke(&operator, me, &first).await.data();
    }
}

story! {
    async fn the_last_administrator_rotates_without_an_overlap(world: World) {
        let operator = world.operator().await;
        let me = &world.operator["client_id"];
        let policy = json!({"tenant": "system", "policy": {"secretLifetimeDays": 90}});
        operator.mutation("updateTenant", "replayed", policy).await.data();
        let rotated = json!({"client": me, "overlapSeconds": 0});
        let rotated = operator.mutation("rotateClientSecret", "secret { id plaintext expiresAt }", rotated).await.data();
        assert!(rotated["secret"]["expiresAt"].is_string());
        let secret = rotated["secret"]["plaintext"].as_str().unwrap();
        let operator = world.admin("system", me.as_str().unwrap(), secret).await;
        assert_eq!(revoke(&operator, me, &rotated["secret"]["id"]).await.refusal(), "LAST_OPERATOR");
    }
}

story! {
    async fn another_way_to_authenticate_comes_with_what_it_needs(world: World) {
        let operator = world.operator().await;
        let me = &world.operator["client_id"];
        let ways = ["CLIENT_SECRET_BASIC", "CLIENT_SECRET_POST", "CLIENT_SECRET_JWT", "PRIVATE_KEY_JWT"];
        let policy = json!({"tenant": "system", "policy": {"allowedAuthMethods": ways}});
        operator.mutation("updateTenant", "replayed", policy).await.data();
        // The secrets would be gone, and there is none yet that keys assertions.
        let change = json!({"client": me, "authMethod": "CLIENT_SECRET_JWT"});
        assert_eq!(operator.mutation("updateClient", "replayed", change).await.refusal(), "LAST_OPERATOR");

        // With a second administrator who signs, either may lose its credential, and not both.
        let admin = json!([{"api": "urn:chancery:admin", "scopes": ["platform:admin"]}]);
        let (signer, key) = a_signer(&operator, "system", &admin).await;
        let input = json!({"client": signer, "key": key, "reason": "test"});
        operator.mutation("revokeClientKey", "replayed", input).await.data();
        let first = only_secret(&operator, me).await;
        assert_eq!(revoke(&operator, me, &first).await.refusal(), "LAST_OPERATOR");
        for (verb, input) in [
            ("disableClient", json!({"client": me, "reason": "test"})),
            ("deleteClient", json!({"client": me, "reason": "test"})),
            ("updateClient", json!({"client": me, "grants": []})),
        ] {
            // The other one is there and active, and has nothing to authenticate with.
            assert_eq!(operator.mutation(verb, "replayed", input).await.refusal(), "LAST_OPERATOR", "{verb}");
        }
        let second = json!({"tenant": "system", "name": "second", "grants": admin});
        operator.mutation("createClient", "client { id }", second).await.data();
        revoke(&operator, me, &first).await.data();
    }
}
