//! Tokens that are issued.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_domain::{
    Clock as _,
    tenant::{SigningAlgorithm, TenantPolicy},
    value::Patch,
};
use chancery_testkit::{on_both_stores, stores::TestStore};
use serde_json::{Value, json};

use crate::{Answer, BILLING, FORM, GRANT, Node, ORDERS, basic, shop};

/// What a token says that it is signed with.
fn algorithm(answer: &Answer) -> String {
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["alg"].as_str().unwrap().to_owned()
}

on_both_stores! {
    async fn a_client_gets_a_token_that_its_key_set_verifies(store: TestStore) {
        let (node, client) = shop(store).await;
        let answer = node.ask(&client, "").await;
        let claims = node.claims("acme", ORDERS, &answer).await;
        let now = node.world.clock.now().seconds();
        let mut body = answer.json();
        body["access_token"] = Value::Null;
        let scope = "billing:read orders:read orders:write";
        assert_eq!(body, json!({
            "access_token": null, "token_type": "Bearer", "expires_in": 3600, "scope": scope,
        }));
        let mut expected = json!({
            "iss": "https://auth.example/t/acme",
            "sub": client.id, "client_id": client.id, "tenant_id": client.tenant,
            "aud": [BILLING, ORDERS],
            "iat": now, "nbf": now, "exp": now + 3600,
            "scope": scope, "scopes": scope.split(' ').collect::<Vec<_>>(),
            "roles": ["clerk"], "type": "m2m", "credential_id": client.secret_id,
            "plan": "gold", "region": {"eu": [1]},
        });
        expected["jti"] = claims["jti"].clone();
        assert_eq!(claims, expected);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("600"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("599"));
        assert_eq!(answer.header("x-ratelimit-reset"), Some(&*(now + 60).to_string()));

        let narrow = node.ask(&client, "scope=orders%3Awrite&unknown=1&audience=").await;
        let narrow = node.claims("acme", ORDERS, &narrow).await;
        assert_eq!((&narrow["aud"], &narrow["scope"]), (&json!(ORDERS), &json!("orders:write")));
        assert_eq!(narrow.get("roles"), None);
        assert_ne!(narrow["jti"], claims["jti"]);
    }

    async fn three_ways_to_write_the_same_request(store: TestStore) {
        let (node, client) = shop(store).await;
        let basic = basic(&client);
        let (id, secret) = (client.id, &client.secret);
        let form = format!("{GRANT}&audience={ORDERS}&client_id={id}");
        let json = json!({
            "grant_type": "client_credentials", "resource": [ORDERS],
            "client_id": id, "client_secret": secret,
        });
        let by_basic = node.post(&[("content-type", FORM), ("authorization", &basic)], form.clone()).await;
        let by_body = node.post(
            &[("content-type", "Application/X-WWW-Form-URLencoded; charset=utf-8")],
            format!("{form}&client_secret={secret}"),
        ).await;
        let by_json = node.post(&[("content-type", "application/json")], json.to_string()).await;
        for answer in [by_basic, by_body, by_json] {
            assert_eq!(node.claims("acme", ORDERS, &answer).await["aud"], ORDERS);
        }
    }

    async fn every_algorithm_of_the_policy_signs(store: TestStore) {
        let node = Node::new(store).await;
        for (slug, algorithm) in [("rsa", SigningAlgorithm::Rs256), ("eddsa", SigningAlgorithm::EdDsa)] {
            let policy = TenantPolicy { signing_algorithm: algorithm, access_token_seconds: 61, ..TenantPolicy::default() };
            let tenant = node.world.tenant_with(slug, policy).await;
            let api = node.world.api(tenant, ORDERS, "a", "").await;
            let client = node.world.client(tenant, &[(api, "a", "")]).await;
            let headers = [("content-type", FORM), ("authorization", &*basic(&client))];
            let answer = node.post_to(slug, &headers, GRANT).await;
            let claims = node.claims(slug, ORDERS, &answer).await;
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 61);
        }
    }

    async fn an_api_has_a_lifetime_and_an_algorithm_of_its_own(store: TestStore) {
        let (node, client, orders) = {
            let node = Node::new(store).await;
            let acme = node.world.tenant("acme").await;
            let orders = node.world.api(acme, ORDERS, "a", "").await;
            let billing = node.world.api(acme, BILLING, "b", "").await;
            let client = node.world.client(acme, &[(orders, "a", ""), (billing, "b", "")]).await;
            (node, client, orders)
        };
        assert_eq!(node.ask(&client, "").await.json()["expires_in"], 3_600);

        let settings = |seconds, algorithm| node.world.settings(client.tenant, orders, seconds, algorithm);
        settings(Patch::Set(90), Patch::Set(SigningAlgorithm::EdDsa)).await;
        let ask = || node.ask(&client, "audience=https://orders.example");
        assert_eq!(algorithm(&ask().await), "ES256", "until everybody knows the new key");
        node.world.clock.advance(3_600);
        let answer = ask().await;
        assert_eq!(answer.json()["expires_in"], 90);
        assert_eq!(algorithm(&answer), "EdDSA");
        node.claims("acme", ORDERS, &answer).await;
        let billing = node.ask(&client, "scope=b").await;
        assert_eq!((algorithm(&billing), &billing.json()["expires_in"]), ("ES256".to_owned(), &json!(3_600)));
        assert_eq!(node.ask(&client, "").await.outcome(), (400, "invalid_target".to_owned()));

        let keys = node.get("/t/acme/oauth2/jwks", &[]).await.json();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
        let metadata = node.get("/t/acme/.well-known/openid-configuration", &[]).await.json();
        assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["ES256", "EdDSA"]));

        settings(Patch::Keep, Patch::Clear).await;
        let both = node.ask(&client, "").await;
        assert_eq!((algorithm(&both), &both.json()["expires_in"]), ("ES256".to_owned(), &json!(90)));
        // What it signed before can still be verified.
        node.claims("acme", ORDERS, &answer).await;
    }

    async fn both_secrets_live_through_the_overlap_and_no_longer(store: TestStore) {
        let (node, first) = shop(store).await;
        let world = &node.world;
        assert_eq!(node.ask(&first, "").await.status, 200);
        let second = world.rotated(&first, 60).await;
        world.clock.advance(59);
        for client in [&first, &second] {
            let answer = node.ask(client, &format!("audience={ORDERS}")).await;
            let claims = node.claims("acme", ORDERS, &answer).await;
            assert_eq!(claims["credential_id"], client.secret_id.to_string());
        }
        world.clock.advance(1);
        assert_eq!(node.ask(&first, "").await.status, 401);
        assert_eq!(node.ask(&second, "").await.status, 200);
        world.revoke(&second).await;
        assert_eq!(node.ask(&second, "").await.status, 401);
    }
}
