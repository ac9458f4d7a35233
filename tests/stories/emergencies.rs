//! Somebody else has what only a client or a tenant should have.

use std::collections::BTreeSet;

use chancery_domain::TenantId;
use chancery_token_log::{Entry, Kind, Operation};
use serde_json::{Value, json};

use crate::{
    refresh_tokens::refreshing,
    support::{Acme, Browser, Verifier, World, story},
};

/// The nodes of an edge, as GraphQL answers to a query of one connection.
async fn nodes(world: &World, field: &str, arguments: &str, node: &str) -> Vec<Value> {
    let query =
        format!("{{ {field}(tenant: \"acme\", {arguments}) {{ edges {{ node {{ {node} }} }} }} }}");
    let page = world.operator().await.query(field, &query).await.data();
    let edges = page["edges"].as_array().unwrap().iter();
    edges.map(|edge| edge["node"].clone()).collect()
}

/// Which secrets will end within thirty days: some at one moment, so their order says nothing.
async fn ending(world: &World) -> BTreeSet<String> {
    let items = nodes(world, "upcoming", "days: 30", "kind secret").await;
    let items = items.into_iter();
    items
        .filter(|item| item["kind"] == "SECRET_EXPIRES")
        .map(|item| item["secret"].as_str().unwrap().to_owned())
        .collect()
}

async fn advised(world: &World, acme: &Acme) -> Vec<(Value, Value)> {
    world.platform.log.drain().await;
    let query = "query($client: ID!) { rotationAdvice(client: $client) { credential verdict } }";
    let operator = world.operator().await;
    let variables = json!({"client": acme.client});
    let advice = operator
        .send("rotationAdvice", query, variables)
        .await
        .data();
    let advice = advice.as_array().unwrap().iter();
    advice
        .map(|it| (it["credential"].clone(), it["verdict"].clone()))
        .collect()
}

/// The states of the client's secrets, oldest first, as of a moment.
async fn states(world: &World, acme: &Acme, as_of: Value) -> Vec<(Value, Value)> {
    let query =
        "query($id: ID!, $at: DateTime) { client(id: $id, asOf: $at) { secrets { id state } } }";
    let operator = world.operator().await;
    let variables = json!({"id": acme.client, "at": as_of});
    let client = operator.send("client", query, variables).await.data();
    let secrets = client["secrets"].as_array().unwrap().iter();
    secrets
        .map(|secret| (secret["id"].clone(), secret["state"].clone()))
        .collect()
}

/// So many tokens that the client obtained a while ago, and that end after so many seconds from now.
async fn obtained(world: &World, acme: &Acme, count: usize, ends_in: i64) {
    let tenant = world
        .operator()
        .await
        .query("tenant", "{ tenant(slug: \"acme\") { id } }")
        .await
        .data();
    let tenant: TenantId = tenant["id"].as_str().unwrap().parse().unwrap();
    let now = world.now();
    for number in 0..count {
        let entry = Entry {
            client: Some((&*acme.client).into()),
            credential: Some((&*acme.secret_id).into()),
            jti: Some(format!("{ends_in}-{number}").into()),
            expires_at: Some(now.plus_seconds(ends_in)),
            ..Entry::new(tenant, now, Kind::TokenIssued)
        };
        drop(world.platform.log.submit(Operation::of(entry)).unwrap());
    }
    world.platform.log.drain().await;
}

story! {
    /// Of a busy client, what lives is listed, however much it obtained that day; and where that is more than can
    /// be listed, it is said.
    async fn what_a_leaked_secret_of_a_busy_client_reaches_is_listed(world: World) {
        let acme = world.acme().await;
        let revoke = async |acme: &Acme| {
            let input = json!({"client": acme.client, "secret": acme.secret_id, "compromised": true, "reason": "leaked"});
            world.operator().await.mutation("revokeClientSecret", "warnings tokens { jti }", input).await.data()
        };
        obtained(&world, &acme, 1_001, 60).await;
        world.clock.advance(61);
        obtained(&world, &acme, 3, 60).await;
        let told = revoke(&acme).await;
        let listed: Vec<_> = told["tokens"].as_array().unwrap().iter().map(|token| &token["jti"]).collect();
        assert_eq!(listed, ["60-0", "60-1", "60-2"]);
        let said = |told: &Value| told["warnings"].to_string().contains("more than 1000 tokens");
        assert!(!said(&told), "{told:#}");

        let input = json!({"client": acme.client, "overlapSeconds": 0});
        let rotated = world.operator().await.mutation("rotateClientSecret", "secret { id }", input).await.data();
        let acme = Acme { secret_id: rotated["secret"]["id"].as_str().unwrap().to_owned(), ..acme };
        obtained(&world, &acme, 1_001, 90).await;
        let told = revoke(&acme).await;
        assert_eq!(told["tokens"].as_array().unwrap().len(), 1_000);
        assert!(said(&told), "{}", told["warnings"]);
    }
}

fn kid(token: &str) -> Value {
    json!(jsonwebtoken::decode_header(token).unwrap().kid.unwrap())
}

story! {
    /// From the moment at which a secret is found in a public place to the end of the matter: what it
    /// obtained ends and is listed, who comes with it is refused and named, whoever has another of the
    /// client's secrets goes on, and everything that shows secrets says the same.
    async fn a_leaked_secret_ends_with_all_that_it_obtained_and_the_client_goes_on(world: World) {
        let acme = refreshing(&world, "acme").await;
        let node = world.another_node().await;
        let operator = world.operator().await;
        let issue = async |label: &str| {
            let end = world.now().plus_days(20).to_string();
            let input = json!({"client": acme.client, "label": label, "expiresAt": end});
            let issued = world.operator().await.mutation("issueClientSecret", "secret { id plaintext }", input).await.data();
            let text = |name: &str| issued["secret"][name].as_str().unwrap().to_owned();
            (text("id"), text("plaintext"))
        };
        let (leaked, leaked_secret) = issue("blue").await;
        // The first one makes room: two of them may live.
        let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "replaced"});
        operator.mutation("revokeClientSecret", "replayed", input).await.data();
        let (other, other_secret) = issue("green").await;
        let by = |secret: &str| world.token("acme", &acme.client, secret);
        let taken = [by(&leaked_secret).send().await, by(&leaked_secret).at(&node).send().await];
        let own = by(&other_secret).send().await;
        let look = async |token: &str| {
            let mut found = Vec::new();
            for url in [&world.url, &node] {
                let answer = by(&other_secret).at(url).introspecting(token).send().await;
                found.push(answer.body["active"].as_bool().unwrap());
            }
            found
        };
        for answer in taken.iter().chain([&own]) {
            assert_eq!(look(&answer.token()).await, [true, true]);
        }
        assert_eq!(ending(&world).await, [leaked.clone(), other.clone()].into());
        world.clock.advance(90);
        let before = world.now();
        world.clock.advance(30);

        // It is called compromised: what it obtained is listed, and what speaks against it is said.
        let input = json!({
            "client": acme.client, "secret": leaked, "compromised": true, "reason": "in a public repository",
            "commandId": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        });
        let fields = "warnings tokens { jti issuedAt expiresAt audience scopes address } replayed";
        let told = operator.mutation("revokeClientSecret", fields, input.clone()).await.data();
        assert!(told["warnings"][0].as_str().unwrap().contains("last used 2 minutes ago from 127.0.0.1"), "{told:#}");
        let listed: Vec<_> = told["tokens"].as_array().unwrap().iter().map(|token| token["jti"].clone()).collect();
        assert_eq!(listed, taken.iter().map(|answer| answer.claims()["jti"].clone()).collect::<Vec<_>>());
        let first = &told["tokens"][0];
        assert_eq!((&first["audience"], &first["address"]), (&json!(["https://orders.example"]), &json!("127.0.0.1")));
        assert_eq!(first["expiresAt"], json!(world.now().plus_seconds(3_600 - 120).to_string()));
        let again = operator.mutation("revokeClientSecret", fields, input).await.data();
        assert_eq!((&again["replayed"], &again["tokens"]), (&json!(true), &told["tokens"]));

        // At once, on every node: its tokens, its refresh tokens, the secret itself.
        for answer in &taken {
            assert_eq!(look(&answer.token()).await, [false, false]);
        }
        assert_eq!(look(&own.token()).await, [true, true]);
        by(&other_secret).refreshing(&taken[0].refresh_token()).send().await.refused(400, "invalid_grant");
        for url in [&world.url, &node] {
            let refused = by(&leaked_secret).at(url).send().await;
            refused.refused(401, "invalid_client");
            let wrong = by("chs_wrong").at(url).send().await;
            assert_eq!(refused.body, wrong.body, "a thief learns nothing");
        }
        by(&other_secret).at(&node).send().await.token();
        by(&other_secret).refreshing(&own.refresh_token()).send().await.token();

        // A new one takes its place.
        let (new, new_secret) = issue("blue again").await;
        assert_eq!(by(&new_secret).at(&node).send().await.claims()["credential_id"], new);

        // The activity names the attempts, and why they failed.
        world.platform.log.drain().await;
        let denied = nodes(&world, "activity", "filter: {kinds: [\"token_denied\"]}", "client reason address credentialId").await;
        let attempts: Vec<_> = denied.iter().filter(|it| it["reason"] == "secret_revoked").collect();
        assert_eq!(attempts.len(), 2, "{denied:#?}");
        assert!(attempts.iter().all(|it| it["client"] == acme.client && it["address"] == "127.0.0.1"));
        assert!(attempts.iter().all(|it| it["credentialId"] == leaked), "{attempts:#?}");
        assert_eq!(denied.iter().filter(|it| it["reason"] == "refresh_token_compromised").count(), 1, "{denied:#?}");

        // Whatever shows secrets agrees.
        let shown = |state: &str| [(&acme.secret_id, "REVOKED"), (&leaked, state), (&other, "ACTIVE")].map(|(id, state)| (json!(id), json!(state)));
        assert_eq!(states(&world, &acme, json!(before.to_string())).await, shown("ACTIVE"));
        let now = states(&world, &acme, Value::Null).await;
        assert_eq!(now[..3], shown("REVOKED"));
        assert_eq!(now[3], (json!(new), json!("ACTIVE")));
        assert_eq!(advised(&world, &acme).await, [(json!(other), json!("IN_USE")), (json!(new), json!("NEWEST"))]);
        assert_eq!(ending(&world).await, [other.clone(), new.clone()].into());
        let page = Browser::operator(&world).await.open(&format!("/console/t/acme/clients/{}", acme.client)).await;
        page.shows("blue revoked");
        page.shows("green active");
        let roll = nodes(&world, "events", "first: 1000, filter: {types: [\"SecretRevoked\"]}", "actor { type id } payload").await;
        let entry = roll.iter().find(|entry| entry["payload"]["secret"] == leaked).unwrap();
        assert_eq!(entry["payload"], json!({"secret": leaked, "reason": "in a public repository", "compromised": true}));
        assert_eq!(entry["actor"], json!({"type": "client", "id": world.operator["client_id"]}));

        // And so it stays, also when its own end has passed and the steward has looked at it.
        let world = world.restart().await;
        let by = |secret: &str| world.token("acme", &acme.client, secret);
        by(&other_secret).introspecting(&taken[1].token()).send().await.inactive();
        by(&leaked_secret).send().await.refused(401, "invalid_client");
        world.clock.advance(21 * 86_400);
        assert_eq!(world.platform.application.record_due().await.unwrap().failed, 0);
        assert_eq!(states(&world, &acme, Value::Null).await[1], (json!(leaked), json!("REVOKED")));
        let expired = nodes(&world, "events", "first: 1000, filter: {types: [\"SecretExpired\"]}", "payload").await;
        assert_eq!(expired.len(), 2, "the two that lived: {expired:#?}");
    }
}

story! {
    /// Somebody else may have a signing key. It leaves the key set at once, so what it signed is worth nothing
    /// for who asks, and for who does not when the time has passed for which verifiers keep the set;
    /// another signs from then on, and everything that shows keys says so.
    async fn a_leaked_signing_key_is_worth_nothing_when_key_sets_have_been_fetched_again(world: World) {
        let acme = world.acme().await;
        let node = world.another_node().await;
        let operator = world.operator().await;
        let ask = || world.token("acme", &acme.client, &acme.secret);
        let stolen = ask().send().await.token();
        let mut verifier = Verifier::new(&world, "acme");
        verifier.verify(&stolen).await.unwrap();
        let leaked = kid(&stolen);
        let input = json!({"tenant": "acme", "key": leaked, "reason": "in a memory dump"});
        operator.mutation("revokeSigningKey", "replayed", input).await.data();
        let revoked_at = world.now();

        // Whoever asks is told at once, of every node.
        for url in [&world.url, &node] {
            ask().at(url).introspecting(&stolen).send().await.inactive();
            let set: Value = world.http.get(format!("{url}/t/acme/oauth2/jwks")).send().await.unwrap().json().await.unwrap();
            let kids: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
            assert_eq!((kids.len(), kids.contains(&leaked)), (1, false), "{set:#}");
        }
        // Every node signs with the other key at once: whoever fetches the set when it meets a new key,
        // as libraries do, verifies it at once.
        let tokens = [ask().send().await.token(), ask().at(&node).send().await.token()];
        assert_eq!(kid(&tokens[0]), kid(&tokens[1]));
        let mut fresh = Verifier::new(&world, "acme");
        for token in &tokens {
            fresh.verify(token).await.unwrap();
            ask().introspecting(token).send().await.active();
        }
        // Whoever keeps its set to the end of its time believes in the leaked key for as long, and no longer.
        world.clock.advance(299);
        verifier.verify(&stolen).await.unwrap();
        verifier.verify(&tokens[0]).await.unwrap_err();
        world.clock.advance(1);
        verifier.verify(&stolen).await.unwrap_err();
        verifier.verify(&tokens[0]).await.unwrap();
        assert_eq!(verifier.fetched, 2);

        // Whatever shows keys agrees, and nothing is due for the one that is gone.
        let keys = operator.query("tenant", "{ tenant(slug: \"acme\") { signingKeys { id state retiresAt } } }").await.data();
        let key = |id: &Value| keys["signingKeys"].as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap();
        let gone = json!({"id": leaked, "state": "REVOKED", "retiresAt": revoked_at.to_string()});
        assert_eq!((key(&leaked), &key(&kid(&tokens[0]))["state"]), (&gone, &json!("ACTIVE")));
        let due = nodes(&world, "upcoming", "days: 365", "kind key").await;
        assert!(due.iter().all(|item| item["key"] != leaked), "{due:#?}");
        assert!(due.contains(&json!({"kind": "KEY_ROTATION_DUE", "key": kid(&tokens[0])})), "{due:#?}");
        let page = Browser::operator(&world).await.open("/console/t/acme/keys").await;
        page.shows("revoked");
        let roll = nodes(&world, "events", "first: 1000, filter: {aggregateType: \"key_ring\"}", "type actor { type } payload recordedAt").await;
        let entry = roll.iter().find(|entry| entry["type"] == "KeyRevoked").unwrap();
        assert_eq!((&entry["payload"]["key"], &entry["payload"]["reason"]), (&leaked, &json!("in a memory dump")));
        assert_eq!(entry["actor"]["type"], json!("client"));
        assert_eq!(entry["recordedAt"], json!(revoked_at.to_string()));
        assert_eq!(world.platform.application.record_due().await.unwrap().entries, 0);
    }
}
