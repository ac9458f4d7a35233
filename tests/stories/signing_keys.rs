//! Signing keys: followed by others without anybody noticing, revoked with everybody noticing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Browser, Verifier, World, story};

/// The tenant's keys, with what of them is asked for.
async fn keys(world: &World, fields: &str) -> Vec<Value> {
    let operator = world.operator().await;
    let query = format!("{{ tenant(slug: \"acme\") {{ signingKeys {{ {fields} }} }} }}");
    let tenant = operator.query("tenant", &query).await.data();
    tenant["signingKeys"].as_array().unwrap().clone()
}

async fn rotate(world: &World) -> Value {
    let operator = world.operator().await;
    let fields = "tenant { signingKeys { id algorithm state activatesAt retiresAt } }";
    let input = json!({"tenant": "acme"});
    let rotated = operator.mutation("rotateSigningKey", fields, input).await;
    rotated.data()["tenant"]["signingKeys"].clone()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

story! {
    /// The next key is published an hour before it signs, and the one before it stays until the last
    /// token that it signed has ended. Verifiers that keep the key set for as long as they are told, or
    /// for the whole hour, and fetch it for no other reason, verify every token.
    async fn a_rotation_that_no_verifier_notices(world: World) {
        let acme = world.acme().await;
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token();
        let mut told = Verifier::new(&world, "acme");
        let mut slow = Verifier::new(&world, "acme").keeping(3_600);
        let first = token().await;
        told.verify(&first).await.unwrap();
        slow.verify(&first).await.unwrap();
        // So that the new key is the younger one.
        world.clock.advance(1);
        let made = rotate(&world).await;
        let begins = world.now().plus_seconds(3_600);
        assert_eq!(made[1]["state"], "PUBLISHED");
        assert_eq!(made[1]["activatesAt"], json!(begins.to_string()));
        assert_eq!(made[0]["retiresAt"], json!(begins.plus_seconds(86_700).to_string()));
        let mut signed_by = BTreeSet::new();
        for _ in 0..80 {
            let issued = token().await;
            signed_by.insert(kid(&issued));
            told.verify(&issued).await.unwrap();
            slow.verify(&issued).await.unwrap();
            world.clock.advance(97);
        }
        assert_eq!(signed_by.len(), 2);
        assert!(told.fetched > 20 && slow.fetched <= 4, "{} {}", told.fetched, slow.fetched);
        assert_eq!(kid(&token().await), made[1]["id"].as_str().unwrap());

        let states = async || {
            let keys = keys(&world, "state").await;
            keys.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(states().await, ["RETIRING", "ACTIVE"]);
        told.verify(&first).await.unwrap();
        world.clock.advance(begins.seconds() + 86_700 - world.now().seconds());
        assert_eq!(states().await, ["RETIRED", "ACTIVE"]);
        assert!(told.verify(&first).await.is_err(), "everything that it signed has ended");
    }
}

story! {
    /// While one key waits, no second one is made, and a repeated request is answered once.
    async fn no_second_key_waits(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "algorithm": "ES256", "commandId": "7c9e6679-7425-40de-944b-e07fc1f90ae7"});
        let answer = operator.mutation("rotateSigningKey", "replayed", input.clone()).await.data();
        assert_eq!(answer["replayed"], false);
        let again = operator.mutation("rotateSigningKey", "replayed tenant { signingKeys { id } }", input).await.data();
        assert_eq!((&again["replayed"], again["tenant"]["signingKeys"].as_array().unwrap().len()), (&json!(true), 2));
        let other = operator.mutation("rotateSigningKey", "replayed", json!({"tenant": "acme"})).await;
        assert_eq!(other.refusal(), "KEY_ROTATION_PENDING");
    }
}

story! {
    /// A key that leaked is out of the key set at once, on every node, and with it what it signed; the
    /// tenant goes on with another, which is in the set in its place.
    async fn a_leaked_key_leaves_at_once_and_the_tenant_signs_on(world: World) {
        let acme = world.acme().await;
        let node = world.another_node().await;
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token();
        let stolen = token().await;
        world.clock.advance(1);
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "key": kid(&stolen), "reason": "found in a backup"});
        let fields = "tenant { signingKeys { id state retiresAt } }";
        let revoked = operator.mutation("revokeSigningKey", fields, input.clone()).await.data();
        let keys = revoked["tenant"]["signingKeys"].as_array().unwrap();
        assert_eq!((keys.len(), &keys[0]["state"], &keys[1]["state"]), (2, &json!("REVOKED"), &json!("ACTIVE")));
        let issued = token().await;
        assert_eq!(kid(&issued), keys[1]["id"].as_str().unwrap());
        let elsewhere = world.token("acme", &acme.client, &acme.secret).at(&node).send().await.token();
        assert_eq!(kid(&elsewhere), kid(&issued));
        let mut verifier = Verifier::new(&world, "acme");
        verifier.verify(&issued).await.unwrap();
        assert!(verifier.verify(&stolen).await.is_err());
        let again = operator.mutation("revokeSigningKey", fields, input).await;
        assert_eq!(again.refusal(), "SIGNING_KEY_REVOKED");
        let world = world.restart().await;
        let after = world.token("acme", &acme.client, &acme.secret).send().await.token();
        assert_eq!(kid(&after), kid(&issued));
    }
}

story! {
    /// An operator whose token was signed with a key that is revoked has to sign in again.
    async fn a_revoked_key_opens_the_admin_api_to_nobody(world: World) {
        let operator = world.operator().await;
        let input = json!({"tenant": "system", "key": kid(operator.token()), "reason": "test"});
        // The payload is read with the token that has just become worthless.
        operator.mutation("revokeSigningKey", "replayed", input).await;
        let shut = operator.query("tenants", "{ tenants { edges { node { slug } } } }").await;
        assert_eq!((shut.status, shut.code()), (401, "UNAUTHENTICATED"));
        world.operator().await.query("tenants", "{ tenants { edges { node { slug } } } }").await.data();
    }
}

story! {
    /// Where a key waits already, it takes the place of the one that leaked: most verifiers know it.
    async fn the_key_that_waited_takes_the_place_of_one_that_leaked(world: World) {
        let acme = world.acme().await;
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token();
        let leaked = kid(&token().await);
        world.clock.advance(1);
        let made = rotate(&world).await;
        let mut verifier = Verifier::new(&world, "acme");
        verifier.verify(&token().await).await.unwrap();
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "key": leaked, "reason": "leaked"});
        operator.mutation("revokeSigningKey", "replayed", input).await.data();
        let issued = token().await;
        assert_eq!(kid(&issued), made[1]["id"].as_str().unwrap());
        verifier.verify(&issued).await.unwrap();
        assert_eq!(verifier.fetched, 1);
    }
}

story! {
    /// A tenant goes from RS256 to ES256 while its clients ask for tokens all the time, of two nodes: not
    /// one token fails to verify, with a key set that is as old as it may be.
    async fn a_change_of_algorithm_without_one_failed_verification(world: World) {
        use jsonwebtoken::Algorithm::{ES256, RS256};

        let acme = world.acme().await;
        let node = world.another_node().await;
        let to = async |algorithm: &str| {
            let input = json!({"tenant": "acme", "policy": {"signingAlgorithm": algorithm}});
            world.operator().await.mutation("updateTenant", "replayed", input).await.data();
        };
        to("RS256").await;
        world.clock.advance(100_000);
        let mut told = Verifier::new(&world, "acme");
        let mut slow = Verifier::new(&world, "acme").keeping(3_600);
        let ask = || world.token("acme", &acme.client, &acme.secret);
        let first = ask().send().await.token();
        slow.verify(&first).await.unwrap();
        to("ES256").await;
        let mut algorithms = Vec::new();
        for _ in 0..45 {
            let requests = [ask().send(), ask().at(&node).send(), ask().send(), ask().at(&node).send()];
            for answer in futures_util::future::join_all(requests).await {
                let issued = answer.token();
                told.verify(&issued).await.unwrap();
                slow.verify(&issued).await.unwrap();
                let algorithm = jsonwebtoken::decode_header(&issued).unwrap().alg;
                if algorithms.last() != Some(&algorithm) {
                    algorithms.push(algorithm);
                }
            }
            world.clock.advance(119);
        }
        assert_eq!(algorithms, [RS256, ES256], "both nodes change at one moment");
        told.verify(&first).await.unwrap();
    }
}

story! {
    /// What is shown of a key is true: the one of an algorithm that was just chosen waits, and the one before
    /// it signs, until the hour has passed.
    async fn a_key_of_a_newly_chosen_algorithm_waits_until_that_signs(world: World) {
        let acme = world.acme().await;
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.clock.advance(1);
        let input = json!({"tenant": "acme", "policy": {"signingAlgorithm": "EDDSA"}});
        world.operator().await.mutation("updateTenant", "replayed", input).await.data();
        let begins = world.now().plus_seconds(3_600);
        let made = keys(&world, "id state activatesAt").await;
        assert_eq!((&made[0]["state"], &made[1]["state"]), (&json!("ACTIVE"), &json!("PUBLISHED")));
        assert_eq!(made[1]["activatesAt"], json!(begins.to_string()));
        assert_eq!(kid(&token().await), made[0]["id"].as_str().unwrap());
        world.clock.advance(3_600);
        let made = keys(&world, "id state").await;
        assert_eq!((&made[0]["state"], &made[1]["state"]), (&json!("RETIRING"), &json!("ACTIVE")));
        assert_eq!(kid(&token().await), made[1]["id"].as_str().unwrap());
    }
}

story! {
    /// Keys that are made at one moment are everywhere in the order in which they were made, whatever their ids
    /// say: of each revocation the next key is the newest.
    async fn keys_of_one_moment_have_an_order(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let fields = "tenant { signingKeys { id state } }";
        let mut made = Vec::new();
        for _ in 0..6 {
            let keys = operator.query("tenant", "{ tenant(slug: \"acme\") { signingKeys { id state } } }").await.data();
            let active = keys["signingKeys"].as_array().unwrap().iter().find(|key| key["state"] == "ACTIVE").unwrap().clone();
            made.push(active["id"].clone());
            let input = json!({"tenant": "acme", "key": active["id"], "reason": "drill"});
            operator.mutation("revokeSigningKey", fields, input).await.data();
        }
        for algorithm in ["RS256", "EDDSA"] {
            let input = json!({"tenant": "acme", "algorithm": algorithm});
            operator.mutation("rotateSigningKey", fields, input).await.data();
        }
        let keys = operator.query("tenant", "{ tenant(slug: \"acme\") { signingKeys { id algorithm } } }").await.data();
        let keys = keys["signingKeys"].as_array().unwrap();
        let ids: Vec<_> = keys.iter().map(|key| key["id"].clone()).collect();
        assert_eq!(ids[..6], made, "oldest first");
        let algorithms: Vec<_> = keys[6..].iter().map(|key| key["algorithm"].as_str().unwrap()).collect();
        assert_eq!(algorithms, ["ES256", "RS256", "EDDSA"]);
        let set = world.http.get(format!("{}/t/acme/oauth2/jwks", world.url)).send().await.unwrap();
        let set: Value = set.json().await.unwrap();
        let published: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
        assert_eq!(published, ids[6..], "the key set too");
        let browser = Browser::operator(&world).await;
        let page = browser.get("/console/t/acme/keys").await.html;
        let places: Vec<_> = ids.iter().map(|id| page.find(id.as_str().unwrap()).unwrap()).collect();
        assert!(places.is_sorted_by(|one, next| one > next), "the console shows the newest first: {places:?}");
    }
}

story! {
    /// Just before a change of algorithm its key is found to have leaked. The one that takes its place has its hour
    /// in the key set too: the algorithm before goes on for so long, and no verifier meets a key that it has not.
    async fn a_key_that_leaks_before_it_signs_puts_the_change_off(world: World) {
        let acme = world.acme().await;
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token();
        let mut slow = Verifier::new(&world, "acme").keeping(3_600);
        world.clock.advance(1);
        let input = json!({"tenant": "acme", "policy": {"signingAlgorithm": "EDDSA"}});
        world.operator().await.mutation("updateTenant", "replayed", input).await.data();
        world.clock.advance(3_540);
        slow.verify(&token().await).await.unwrap();
        let leaked = keys(&world, "id").await[1]["id"].clone();
        let input = json!({"tenant": "acme", "key": leaked, "reason": "in a backup"});
        world.operator().await.mutation("revokeSigningKey", "replayed", input).await.data();
        let begins = world.now().plus_seconds(3_600);
        let next = keys(&world, "id state activatesAt").await[2].clone();
        assert_eq!((&next["state"], &next["activatesAt"]), (&json!("PUBLISHED"), &json!(begins.to_string())));
        let mut signed_by = Vec::new();
        for _ in 0..65 {
            let issued = token().await;
            slow.verify(&issued).await.unwrap();
            signed_by.push(kid(&issued));
            world.clock.advance(61);
        }
        signed_by.dedup();
        assert_eq!((signed_by.len(), &json!(signed_by[1])), (2, &next["id"]));
    }
}

story! {
    /// A key that is made for an algorithm on its way out leaves with it, whether it was rotated or revoked.
    async fn a_key_of_an_algorithm_on_its_way_out_leaves_with_it(world: World) {
        let acme = world.acme().await;
        world.clock.advance(1);
        let input = json!({"tenant": "acme", "policy": {"signingAlgorithm": "EDDSA"}});
        world.operator().await.mutation("updateTenant", "replayed", input).await.data();
        let left = world.now().plus_seconds(3_600 + 86_700);
        let first = kid(&world.token("acme", &acme.client, &acme.secret).send().await.token());
        world.clock.advance(60);
        let input = json!({"tenant": "acme", "key": first, "reason": "leaked"});
        world.operator().await.mutation("revokeSigningKey", "replayed", input).await.data();
        world.clock.advance(60);
        let input = json!({"tenant": "acme", "algorithm": "ES256"});
        world.operator().await.mutation("rotateSigningKey", "replayed", input).await.data();
        let ends: Vec<_> = keys(&world, "algorithm state retiresAt").await.into_iter()
            .filter(|key| key["algorithm"] == "ES256" && key["state"] != "REVOKED")
            .map(|key| key["retiresAt"].clone())
            .collect();
        assert_eq!(ends, [json!(left.to_string()), json!(left.to_string())]);
        world.clock.advance(3_600 + 86_700);
        let states: Vec<_> = keys(&world, "state").await.into_iter().map(|key| key["state"].clone()).collect();
        assert_eq!(states, ["REVOKED", "ACTIVE", "RETIRED", "RETIRED"]);
    }
}
