//! APIs, clients, secrets, and a token tried out.

use serde_json::json;

use crate::support::{Browser, World, story};

story! {
    async fn from_nothing_to_the_first_token(world: World) {
        let browser = Browser::operator(&world).await;
        let submit = async |path: &str, fields: &[(&str, &str)]| browser.submit(path, path, fields).await;
        submit("/console/tenants/new", &[("slug", "acme"), ("displayName", "Acme")]).await.location();
        browser.open("/console/t/acme").await.shows("no API yet");
        let api = submit(
            "/console/t/acme/apis/new",
            &[("name", "Orders"), ("identifier", "https://orders.example"), ("scopes", "orders:read Read orders\r\norders:write"), ("roles", "clerk: orders:read")],
        )
        .await;
        let page = browser.open(api.location()).await;
        page.shows("The API is created");
        page.shows("orders:read Read orders");
        page.shows("clerk orders:read");

        let page = submit(
            "/console/t/acme/clients/new",
            &[
                ("name", "Billing"), ("description", "Nightly bills"), ("metadata", r#"{"team": "payments"}"#), ("expiresInDays", "30"),
                ("scope", "https://orders.example orders:read"), ("scope", "https://orders.example orders:write"), ("role", "https://orders.example clerk"),
            ],
        )
        .await;
        assert_eq!(page.status, 200, "{}", page.text());
        page.shows("Keep this now");
        page.shows("grant_type=client_credentials");
        let secret = page.within("data-secret");
        let id = page.text().split("Client id ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let token = world.token("acme", &id, &secret).send().await;
        assert_eq!(token.claims()["scope"], json!("orders:read orders:write"));

        let client = format!("/console/t/acme/clients/{id}");
        let shown = browser.open(&client).await;
        shown.shows("Billing");
        shown.shows("\"team\": \"payments\"");
        assert!(!shown.html.contains(&secret));
        let tried = browser.submit(&format!("{client}/try"), &format!("{client}/try"), &[("secret", &secret), ("scope", "orders:read")]).await;
        tried.shows("answered 200 with a token");
        tried.shows("aud https://orders.example The API that it is for");
        assert!(!tried.html.contains(&secret), "it is not written back");
        let wrong = browser.submit(&format!("{client}/try"), &format!("{client}/try"), &[("secret", "chs_wrong")]).await;
        wrong.shows("answered 401: invalid_client");
        let none = browser.submit(&format!("{client}/try"), &format!("{client}/try"), &[("secret", &secret), ("scope", "orders:delete")]).await;
        none.shows("invalid_scope");
    }
}

story! {
    /// Of a second click the browser shows the answer alone. After a minute nobody waits for it any more.
    async fn a_form_sent_again_makes_no_second_client_and_shows_the_secret_for_a_minute(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let new = "/console/t/acme/clients/new";
        let mut fields = browser.open(new).await.hidden(new);
        fields.push(("name".to_owned(), "twice".to_owned()));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (first, again) = futures_util::join!(browser.send(new, &fields), browser.send(new, &fields));
        first.shows("Keep this now");
        assert_eq!(again.within("data-secret"), first.within("data-secret"));
        let page = browser.send(new, &fields).await;
        assert_eq!(page.html, first.html);
        assert_eq!(page.headers["cache-control"], "no-store");
        // It is the answer to this form, of this session, and to no other.
        let other: Vec<_> = fields.iter().map(|field| if field.0 == "name" { ("name", "other") } else { *field }).collect();
        let other = browser.send(new, &other).await;
        other.shows("This form was sent before, with something else in it.");
        assert!(!other.html.contains("data-secret"));
        world.clock.advance(61);
        let again = browser.send(new, &fields).await;
        again.shows("This was done before");
        assert!(!again.html.contains("data-secret"));
        let list = browser.open("/console/t/acme/clients?q=twice").await;
        assert_eq!(list.text().matches("twice").count(), 1);
    }
}

story! {
    async fn a_client_is_granted_disabled_enabled_and_deleted(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let state = format!("{client}/state");
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.status;

        browser.submit(&client, &format!("{client}/grants"), &[("scope", "https://orders.example orders:read")]).await.location();
        assert_eq!(world.token("acme", &acme.client, &acme.secret).send().await.claims()["scope"], json!("orders:read"));
        let page = browser.submit(&client, &format!("{client}/grants"), &[("scope", "https://orders.example orders:none")]).await;
        assert_eq!(page.status, 422);
        page.shows("has no scope `orders:none`");

        let edit = format!("{client}/edit");
        browser.submit(&edit, &edit, &[("name", "renamed"), ("expiresAt", "2030-01-01T00:00")]).await.location();
        browser.open(&client).await.shows("renamed");
        browser.submit(&client, &state, &[("do", "disable"), ("reason", "left")]).await.location();
        assert_eq!(token().await, 401);
        browser.submit(&client, &state, &[("do", "enable")]).await.location();
        assert_eq!(token().await, 200);
        assert_eq!(browser.submit(&client, &state, &[("do", "delete"), ("reason", "x"), ("confirm", "wrong")]).await.status, 422);
        assert_eq!(token().await, 200);
        browser.submit(&client, &state, &[("do", "delete"), ("reason", "x"), ("confirm", "renamed")]).await.location();
        assert_eq!(token().await, 401);
        browser.open(&client).await.shows("deleted");
    }
}

story! {
    /// A key that was pasted with its private side is refused, and is a secret all the same.
    async fn a_private_key_is_not_written_back_into_the_page(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "first", "d": "VEMDZpDXXK8p8N0Cndsx",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }]})
        .to_string();
        let new = "/console/t/acme/clients/new";
        let twice = r#"{"team": "a", "team": "b"}"#;
        let page = browser.submit(new, new, &[("name", "Ledger"), ("authMethod", "PRIVATE_KEY_JWT"), ("jwks", &jwks), ("metadata", twice)]).await;
        assert_eq!(page.status, 422);
        assert!(!page.html.contains("VEMDZpDXXK8p8N0Cndsx"), "{}", page.html);
        assert!(page.html.contains("value=\"Ledger\"") && page.html.contains("stands twice"), "{}", page.html);
    }
}

story! {
    /// How the program gets a token is told as its tenant and its client have it, and tried out where it can be.
    async fn what_a_new_client_is_told_fits_how_it_authenticates(world: World) {
        world.acme().await;
        let policy = json!({"tenant": "acme", "policy": {"allowedAuthMethods": ["CLIENT_SECRET_POST", "CLIENT_SECRET_JWT", "PRIVATE_KEY_JWT"]}});
        world.operator().await.mutation("updateTenant", "tenant { id }", policy).await.data();
        let browser = Browser::operator(&world).await;
        let new = "/console/t/acme/clients/new";
        let create = |name: &'static str, method: &'static str, scope: &'static str| {
            let browser = &browser;
            async move { browser.submit(new, new, &[("name", name), ("authMethod", method), ("scope", scope)]).await }
        };
        let orders = "https://orders.example orders:read";
        let by_post = create("by post", "CLIENT_SECRET", orders).await;
        by_post.shows("client_secret=$CHANCERY_CLIENT_SECRET");
        assert!(!by_post.html.contains("-u &quot;client_"), "{}", by_post.html);
        by_post.shows("Ask for a token, in another tab");
        let keyed = create("keyed", "CLIENT_SECRET_JWT", orders).await;
        keyed.shows("It sends no secret: each request has an assertion");
        keyed.shows_not("curl");
        keyed.shows_not("Ask for a token");
        let id = keyed.text().split("Client id ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        browser.open(&format!("/console/t/acme/clients/{id}")).await.shows_not("Try a token");
        browser.open(&format!("/console/t/acme/clients/{id}/try")).await.shows("there is nothing to try from here");
        create("nothing", "CLIENT_SECRET", "").await.shows("It may ask for no API yet");
        let admin = create("ada", "CLIENT_SECRET", "urn:chancery:admin tenant:admin").await;
        admin.shows("It may ask for no API yet");
    }
}

story! {
    /// What was taken away from an API counts no more for who was granted it, also when it has come back: the form does
    /// not give it back by the way.
    async fn a_scope_that_was_taken_away_is_not_given_back_by_another_change(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let scopes = |names: &[&str]| {
            let scopes: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
            json!({"api": acme.api, "scopes": scopes, "roles": []})
        };
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let grants = format!("{client}/grants");
        let all = [("scope", "https://orders.example orders:read"), ("scope", "https://orders.example orders:write")];
        browser.submit(&client, &grants, &all).await.location();
        operator.mutation("updateApi", "api { id }", scopes(&["orders:read"])).await.data();
        operator.mutation("updateApi", "api { id }", scopes(&["orders:read", "orders:write", "orders:more"])).await.data();
        let page = browser.open(&client).await;
        assert!(page.html.contains("value=\"https://orders.example orders:read\" checked"), "{}", page.html);
        assert!(!page.html.contains("value=\"https://orders.example orders:write\" checked"), "{}", page.html);
        page.shows("orders:write (was granted before it was taken away, and counts no more: tick it to grant it again)");
        let past = browser.open("/console/t/acme/past").await;
        past.shows("https://orders.example orders:read …");
        let (id, secret) = crate::console::readers::holder(&world, "acme", "tenant:read").await;
        let reader = Browser::signed_in(&world, "acme", &id, &secret).await;
        reader.open(&client).await.shows_not("orders:write");
        // What is ticked is sent as it stands, and one more.
        let more = [("scope", "https://orders.example orders:read"), ("scope", "https://orders.example orders:more")];
        browser.submit(&client, &grants, &more).await.location();
        let token = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!(token.claims()["scope"], json!("orders:more orders:read"));
        browser.submit(&client, &grants, &all).await.location();
        let token = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!(token.claims()["scope"], json!("orders:read orders:write"), "ticked, it is granted again");
    }
}

story! {
    /// More APIs than a page has boxes for: what a client holds is shown all the same, and the newest can be granted.
    async fn the_newest_of_many_apis_can_be_granted_and_is_shown(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        for number in 0..201 {
            let input = json!({"tenant": "acme", "identifier": format!("https://a{number}.example"), "name": format!("A{number}"), "scopes": [{"name": "a:read"}]});
            operator.mutation("createApi", "api { id }", input).await.data();
            world.clock.advance(1);
        }
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let page = browser.open(&client).await;
        page.shows("This tenant has more APIs than these.");
        assert!(!page.html.contains("value=\"https://a200.example a:read\""));
        let grants = format!("{client}/grants");
        let wrong = browser.submit(&client, &grants, &[("others", "https://none.example a:read")]).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.html.contains(">https://none.example a:read</textarea>"), "what was typed stays");
        browser.submit(&client, &grants, &[("others", "https://a200.example a:read")]).await.location();
        let page = browser.open(&client).await;
        assert!(page.html.contains("value=\"https://a200.example a:read\" checked"), "{}", page.text());
        // Saved once more without it in the lines, it is its box that counts.
        browser.submit(&client, &grants, &[("scope", "https://a200.example a:read")]).await.location();
        assert!(browser.open(&client).await.html.contains("value=\"https://a200.example a:read\" checked"));
    }
}

story! {
    async fn a_secret_is_rotated_and_a_compromised_one_revoked(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let token = async |secret: &str| world.token("acme", &acme.client, secret).send().await.status;
        let page = browser.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "60")]).await;
        page.shows("keep working for 60 seconds");
        let new = page.within("data-secret");
        assert_eq!((token(&acme.secret).await, token(&new).await), (200, 200));
        browser.open(&client).await.shows("retiring");
        let revoke = format!("{client}/secrets/revoke");
        browser.submit(&client, &revoke, &[("secret", &acme.secret_id), ("reason", "in a log"), ("compromised", "yes")]).await.shows("1 token ended with it");
        assert_eq!((token(&acme.secret).await, token(&new).await), (401, 200));
        browser.open(&client).await.shows("revoked");
        world.clock.advance(60);
        assert_eq!(token(&new).await, 200);
    }
}
