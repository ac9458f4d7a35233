//! Revocation: any token is answered alike, and what is touched is the caller's own.

use serde_json::{Value, json};

use crate::{
    refresh_tokens::{happened, refreshing},
    support::{Acme, GraphQl, TokenRequest, World, story},
};

fn ask<'a>(world: &'a World, acme: &Acme) -> TokenRequest<'a> {
    world.token("acme", &acme.client, &acme.secret)
}

story! {
    async fn an_access_token_ends_for_everybody_and_on_every_node(world: World) {
        let acme = world.acme().await;
        let other = world.another_node().await;
        let [token, another] = [ask(&world, &acme).send().await.token(), ask(&world, &acme).send().await.token()];
        for node in [&world.url, &other] {
            ask(&world, &acme).introspecting(&token).at(node).send().await.active();
        }
        let answer = ask(&world, &acme).revoking(&token).with("token_type_hint", "refresh_token").send().await;
        assert_eq!((answer.status, &answer.body), (200, &json!("")));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.headers.contains_key("traceparent"));
        for node in [&world.url, &other] {
            ask(&world, &acme).introspecting(&token).at(node).send().await.inactive();
            ask(&world, &acme).introspecting(&another).at(node).send().await.active();
        }
        // Again is no harm.
        assert_eq!(ask(&world, &acme).revoking(&token).send().await.status, 200);
        let told = happened(&world, "acme").await;
        assert_eq!(told.iter().filter(|it| *it == "token_revoked").count(), 2, "{told:?}");
    }
}

story! {
    async fn a_refresh_token_takes_its_family_with_it_and_no_other_node_goes_on(world: World) {
        let acme = refreshing(&world, "acme").await;
        let other = world.another_node().await;
        // By the latest, and by one that was used.
        for by_used in [false, true] {
            let first = ask(&world, &acme).send().await;
            let second = ask(&world, &acme).refreshing(&first.refresh_token()).at(&other).send().await;
            let untouched = ask(&world, &acme).send().await;
            let by = if by_used { &first } else { &second };
            assert_eq!(ask(&world, &acme).revoking(&by.refresh_token()).send().await.status, 200);
            for node in [&other, &world.url] {
                ask(&world, &acme).refreshing(&second.refresh_token()).at(node).send().await.refused(400, "invalid_grant");
                for ended in [&first, &second] {
                    ask(&world, &acme).introspecting(&ended.token()).at(node).send().await.inactive();
                    ask(&world, &acme).introspecting(&ended.refresh_token()).at(node).send().await.inactive();
                }
                ask(&world, &acme).introspecting(&untouched.token()).at(node).send().await.active();
                ask(&world, &acme).introspecting(&untouched.refresh_token()).at(node).send().await.active();
            }
        }
    }
}

story! {
    async fn nobody_revokes_what_is_not_its_own_and_nobody_learns_of_it(world: World) {
        let acme = refreshing(&world, "acme").await;
        let umbrella = refreshing(&world, "umbrella").await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "name": "server", "serves": ["https://orders.example"]});
        let server = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let server = (server["client"]["id"].as_str().unwrap(), server["secret"]["plaintext"].as_str().unwrap());
        let good = ask(&world, &acme).send().await;
        let foreign = world.token("umbrella", &umbrella.client, &umbrella.secret).send().await;
        for token in ["x", &good.token(), &good.refresh_token(), "chr_x", "a.b.c", &foreign.token(), &acme.secret] {
            for answer in [
                world.token("acme", server.0, server.1).revoking(token).send().await,
                world.token("umbrella", &umbrella.client, &umbrella.secret).revoking(if *token == foreign.token() { "x" } else { token }).send().await,
            ] {
                assert_eq!((answer.status, &answer.body), (200, &json!("")), "{token}");
            }
        }
        ask(&world, &acme).introspecting(&good.token()).send().await.active();
        ask(&world, &acme).introspecting(&good.refresh_token()).send().await.active();
        world.token("umbrella", &umbrella.client, &umbrella.secret).introspecting(&foreign.token()).send().await.active();
        // Who does not prove who it is gets no 200.
        world.token("acme", &acme.client, &umbrella.secret).revoking(&good.token()).send().await.refused(401, "invalid_client");
        ask(&world, &acme).revoking("").send().await.refused(400, "invalid_request");
        assert!(!happened(&world, "acme").await.iter().any(|it| it.starts_with("token_revoked")));
    }
}

story! {
    async fn a_revoked_admin_token_opens_nothing(world: World) {
        let operator = world.operator().await;
        let (client, secret) = (world.operator["client_id"].as_str().unwrap(), world.operator["client_secret"].as_str().unwrap());
        let again = GraphQl::new(&world, operator.token().to_owned());
        assert_eq!(again.query("tenant", "{ tenant(slug: \"system\") { id } }").await.status, 200);
        world.token("system", client, secret).revoking(operator.token()).send().await;
        let answer = again.query("tenant", "{ tenant(slug: \"system\") { id } }").await;
        assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED"));
        let fresh = world.operator().await;
        assert_eq!(fresh.query("tenant", "{ tenant(slug: \"system\") { id } }").await.status, 200);
    }
}

story! {
    async fn the_metadata_names_both_endpoints_and_how_clients_authenticate_there(world: World) {
        world.acme().await;
        let issuer = format!("{}/t/acme", world.url);
        let url = format!("{}/.well-known/oauth-authorization-server/t/acme", world.url);
        let document: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
        for (member, path) in [("introspection", "introspect"), ("revocation", "revoke")] {
            assert_eq!(document[format!("{member}_endpoint")], format!("{issuer}/oauth2/{path}"));
            for what in ["auth_methods_supported", "auth_signing_alg_values_supported"] {
                assert_eq!(document[format!("{member}_endpoint_{what}")], document[format!("token_endpoint_{what}")]);
            }
            let get = world.http.get(format!("{issuer}/oauth2/{path}")).send().await.unwrap();
            assert_eq!(get.status(), 405);
        }
    }
}
