//! What most clients and APIs do without: claims, keys, what they serve, tokens of their own kind.

use serde_json::json;

use crate::support::{Browser, World, story};

story! {
    async fn a_client_gets_claims_and_serves_an_api(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let edit = format!("{client}/edit");
        let fields = [
            ("name", "billing"), ("authMethod", "CLIENT_SECRET"), ("metadata", ""), ("jwks", ""),
            ("customClaims", r#"{"region": "eu"}"#), ("serves", "https://orders.example"),
        ];
        let location = browser.submit(&edit, &edit, &fields).await.location().to_owned();
        let page = browser.open(&location).await;
        page.shows("\"region\": \"eu\"");
        page.shows("Serves https://orders.example");
        let claims = world.token("acme", &acme.client, &acme.secret).send().await.claims();
        assert_eq!(claims["region"], json!("eu"));
        browser.open(&edit).await.shows("\"region\": \"eu\"");

        let wrong = browser.submit(&edit, &edit, &[("customClaims", r#"{"sub": "x"}"#)]).await;
        assert_eq!(wrong.status, 422);
        wrong.shows("must not set the claim `sub`");
        // What a form does not have, and what nobody touched, stays.
        let ticked = [("name", "renamed"), ("serves", "https://orders.example")];
        browser.submit(&edit, &edit, &ticked).await.location();
        let page = browser.open(&client).await;
        page.shows("renamed");
        page.shows("\"region\": \"eu\"");
        page.shows("Serves");
        let none = [("name", "renamed"), ("serves", ""), ("customClaims", "")];
        browser.submit(&edit, &edit, &none).await.location();
        let page = browser.open(&client).await;
        page.shows_not("region");
        page.shows_not("Serves");
    }
}

story! {
    async fn a_client_is_given_a_key_of_its_own_which_is_revoked(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "first",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }]})
        .to_string();
        let new = "/console/t/acme/clients/new";
        let page = browser.submit(new, new, &[("name", "Ledger"), ("authMethod", "PRIVATE_KEY_JWT"), ("jwks", &jwks)]).await;
        page.shows("there is no secret to show");
        let id = page.text().split("Client id ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let client = format!("/console/t/acme/clients/{id}");
        let page = browser.open(&client).await;
        page.shows("first");
        // Its key set as it stands in the form changes nothing.
        let edit = format!("{client}/edit");
        let shown = browser.open(&edit).await.within("name=\"jwks\"");
        assert!(shown.contains("\"kid\": \"first\""), "{shown}");
        browser.submit(&edit, &edit, &[("jwks", &shown), ("name", "Ledger")]).await.location();
        let revoke = format!("{client}/keys/revoke");
        let told = browser.submit(&client, &revoke, &[("reason", "lost"), ("compromised", "yes")]).await;
        told.shows("The key is revoked");
        told.shows("the client has no other that stays");
        browser.open(&client).await.shows("compromised");
    }
}

story! {
    async fn an_api_has_tokens_of_its_own_kind(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let api = format!("/console/t/acme/apis/{}", acme.api);
        let fields = [
            ("name", "Orders"), ("scopes", "orders:read\norders:write"), ("roles", "clerk: orders:read"),
            ("accessTokenSeconds", "120"), ("signingAlgorithm", "EdDSA"), ("customClaims", r#"{"plan": "gold"}"#),
        ];
        browser.submit(&api, &api, &fields).await.location();
        let page = browser.open(&api).await;
        page.shows("Its access tokens live 2 minutes");
        page.shows("They are signed with EdDSA");
        page.shows("\"plan\": \"gold\"");
        // Who may ask for it, as a matrix.
        page.shows("Client orders:read orders:write role clerk");
        let claims = world.token("acme", &acme.client, &acme.secret).send().await.claims();
        assert_eq!(claims["plan"], json!("gold"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
        let cleared = [("name", "Orders"), ("scopes", "orders:read\norders:write"), ("roles", "clerk: orders:read"), ("accessTokenSeconds", ""), ("signingAlgorithm", ""), ("customClaims", "")];
        browser.submit(&api, &api, &cleared).await.location();
        let page = browser.open(&api).await;
        page.shows_not("Its access tokens live 2");
        page.shows_not("gold");
    }
}
