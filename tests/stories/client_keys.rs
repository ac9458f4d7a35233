//! A client's keys: registered, replaced, revoked.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::{
    first_token::roll,
    support::{GraphQl, Signer, World, assertion_claims, rows_of_secret, story},
};

const KEYS: &str =
    "client { id authMethod jwks keys { id kid algorithm state } secrets { state } }";

fn set(signers: &[&Signer]) -> Value {
    let keys: Vec<_> = signers.iter().map(|signer| &signer.jwk).collect();
    json!({"keys": keys})
}

/// The ids of a client's keys by `kid`.
fn id(answer: &Value, kid: &str) -> Value {
    let keys = answer["client"]["keys"].as_array().unwrap();
    keys.iter().find(|key| key["kid"] == kid).unwrap()["id"].clone()
}

fn states(answer: &Value) -> Vec<(&str, &str)> {
    let keys = answer["client"]["keys"].as_array().unwrap().iter();
    let mut states: Vec<_> = keys
        .map(|key| (key["kid"].as_str().unwrap(), key["state"].as_str().unwrap()))
        .collect();
    states.sort_unstable();
    states
}

async fn created(operator: &GraphQl<'_>, signers: &[&Signer]) -> Value {
    let input = json!({
        "tenant": "acme", "name": "signer", "authMethod": "PRIVATE_KEY_JWT", "jwks": set(signers),
        "grants": [{"api": "https://orders.example", "scopes": ["orders:read"]}],
    });
    operator.mutation("createClient", KEYS, input).await.data()
}

async fn status(world: &World, client: &Value, signer: &Signer) -> u16 {
    let claims = assertion_claims(world, "acme", client.as_str().unwrap());
    let assertion = signer.assertion(&claims);
    let answer = world
        .token("acme", "", "")
        .by_assertion(&assertion)
        .send()
        .await;
    answer.status
}

story! {
    /// A client with keys has no secret to show, and a retry gets the same answer.
    async fn a_client_with_keys_has_no_secret(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::EdDSA, "2"));
        let input = json!({
            "tenant": "acme", "name": "signer", "authMethod": "PRIVATE_KEY_JWT", "jwks": set(&[&first, &second]),
            "commandId": "0b8f5f6e-2f3c-4c5d-9f0e-1a2b3c4d5e70",
        });
        let fields = &format!("{KEYS} secret {{ plaintext }} replayed");
        let made = operator.mutation("createClient", fields, input.clone()).await.data();
        assert_eq!((&made["secret"], &made["replayed"]), (&Value::Null, &json!(false)));
        assert_eq!(made["client"]["authMethod"], "PRIVATE_KEY_JWT");
        assert_eq!(made["client"]["secrets"], json!([]));
        let registered = made["client"]["jwks"]["keys"].as_array().unwrap();
        assert!(registered.len() == 2 && registered.contains(&first.jwk) && registered.contains(&second.jwk));
        let again = operator.mutation("createClient", fields, input).await.data();
        assert_eq!((&again["client"], &again["secret"], &again["replayed"]), (&made["client"], &Value::Null, &json!(true)));

        for verb in ["rotateClientSecret", "issueClientSecret"] {
            let answer = operator.mutation(verb, "secret { id }", json!({"client": made["client"]["id"]})).await;
            assert_eq!(answer.refusal(), "CLIENT_HAS_NO_SECRET", "{verb}");
        }
    }
}

story! {
    /// Every fault of a key set is named; nothing is registered.
    async fn a_faulty_key_set_is_refused(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let (good, other) = (Signer::new(Algorithm::ES256, "1").jwk, Signer::new(Algorithm::ES384, "2").jwk);
        let rsa = Signer::new(Algorithm::RS256, "3").jwk;
        let with = |key: &Value, name: &str, value: Value| {
            let mut key = key.clone();
            key[name] = value;
            key
        };
        let without_kid = json!({"kty": good["kty"], "crv": good["crv"], "x": good["x"], "y": good["y"]});
        for (jwks, path) in [
            (json!({"keys": [with(&good, "d", json!("AQAB"))]}), "input.jwks.keys[0]"),
            (json!({"keys": [with(&rsa, "p", json!("AQAB"))]}), "input.jwks.keys[0]"),
            (json!({"keys": [{"kty": "oct", "kid": "1", "k": "AQAB"}]}), "input.jwks.keys[0]"),
            (json!({"keys": [good, with(&other, "kid", json!("1"))]}), "input.jwks.keys[1]"),
            (json!({"keys": [good, with(&good, "kid", json!("2"))]}), "input.jwks.keys[1]"),
            (json!({"keys": [without_kid]}), "input.jwks.keys[0]"),
            (json!({"keys": [with(&rsa, "n", json!("AQAB"))]}), "input.jwks.keys[0]"),
            (json!({"keys": [with(&good, "crv", json!("P-521"))]}), "input.jwks.keys[0]"),
            (json!({"keys": [with(&good, "alg", json!("RS256"))]}), "input.jwks.keys[0]"),
            (json!({"keys": [with(&good, "use", json!("enc"))]}), "input.jwks.keys[0]"),
            (json!({"keys": [other, with(&good, "x", good["y"].clone())]}), "input.jwks.keys[1]"),
            (json!({"keys": []}), "input.jwks"),
            (json!({"jwks_uri": "http://127.0.0.1/keys"}), "input.jwks"),
            (json!("https://elsewhere.example/jwks"), "input.jwks"),
        ] {
            let input = json!({"tenant": "acme", "name": "x", "authMethod": "PRIVATE_KEY_JWT", "jwks": jwks});
            let answer = operator.mutation("createClient", "client { id }", input).await;
            assert_eq!(answer.fault_paths(), [path], "{jwks}");
        }
    }
}

story! {
    /// Keys go with the way to authenticate, within the policy, and the refusal says whose policy.
    async fn keys_and_the_way_to_authenticate_go_together(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let signer = Signer::new(Algorithm::ES256, "1");
        let create = |more: Value| {
            let mut input = json!({"tenant": "acme", "name": "x"});
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            operator.mutation("createClient", "client { id }", input)
        };
        assert_eq!(create(json!({"jwks": set(&[&signer])})).await.refusal(), "KEYS_NOT_ALLOWED");
        assert_eq!(create(json!({"authMethod": "PRIVATE_KEY_JWT"})).await.refusal(), "KEYS_REQUIRED");
        let refused = create(json!({"authMethod": "CLIENT_SECRET_JWT"})).await;
        assert_eq!(refused.refusal(), "AUTH_METHOD_NOT_ALLOWED");
        let message = refused.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("policy of the tenant acme"), "{message}");
        let update = |more: Value| {
            let mut input = json!({"client": acme.client});
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            operator.mutation("updateClient", "client { id }", input)
        };
        assert_eq!(update(json!({"jwks": set(&[&signer])})).await.refusal(), "KEYS_NOT_ALLOWED");
        assert_eq!(update(json!({"authMethod": "PRIVATE_KEY_JWT"})).await.refusal(), "KEYS_REQUIRED");
        world.token("acme", &acme.client, &acme.secret).send().await.token();
    }
}

story! {
    /// Keys are replaced as a whole; one that stays keeps its id, one that comes back too.
    async fn a_key_that_is_replaced_ends_at_once_and_one_that_stays_keeps_its_id(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let signers = ["1", "2", "3"].map(|kid| Signer::new(Algorithm::ES256, kid));
        let [first, second, third] = &signers;
        let made = created(&operator, &[first, second]).await;
        let client = &made["client"]["id"];
        assert_eq!((status(&world, client, first).await, status(&world, client, second).await), (200, 200));

        let update = async |signers: &[&Signer]| {
            let input = json!({"client": client, "jwks": set(signers)});
            operator.mutation("updateClient", KEYS, input).await.data()
        };
        let head = roll(&world, "acme").await.len();
        update(&[second, first]).await;
        assert_eq!(roll(&world, "acme").await.len(), head, "the same keys are no change");
        let changed = update(&[second, third]).await;
        assert_eq!(states(&changed), [("1", "REMOVED"), ("2", "ACTIVE"), ("3", "ACTIVE")]);
        assert_eq!((id(&changed, "1"), id(&changed, "2")), (id(&made, "1"), id(&made, "2")));
        assert_eq!(changed["client"]["jwks"]["keys"].as_array().unwrap().len(), 2);
        assert_eq!(
            (status(&world, client, first).await, status(&world, client, second).await, status(&world, client, third).await),
            (401, 200, 200)
        );
        let back = update(&[first]).await;
        assert_eq!(id(&back, "1"), id(&made, "1"));
        assert_eq!((status(&world, client, first).await, status(&world, client, second).await), (200, 401));
    }
}

story! {
    /// A revoked key is refused at once and on every node, cannot come back under any name, and can be
    /// called compromised later.
    async fn a_revoked_key_is_refused_at_once_and_for_good(world: World) {
        world.acme().await;
        let warm = world.another_node().await;
        let operator = world.operator().await;
        let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"));
        let made = created(&operator, &[&first, &second]).await;
        let client = made["client"]["id"].clone();
        let at = async |node: &str, signer: &Signer| {
            let claims = assertion_claims(&world, "acme", client.as_str().unwrap());
            let assertion = signer.assertion(&claims);
            world.token("acme", "", "").at(node).by_assertion(&assertion).send().await.status
        };
        assert_eq!((at(&world.url, &first).await, at(&warm, &first).await), (200, 200));
        let revoke = |compromised: bool| {
            let input = json!({"client": client, "key": id(&made, "1"), "reason": "its host was stolen", "compromised": compromised});
            operator.mutation("revokeClientKey", KEYS, input)
        };
        let revoked = revoke(false).await.data();
        assert_eq!(states(&revoked), [("1", "REVOKED"), ("2", "ACTIVE")]);
        let cold = world.another_node().await;
        for node in [&world.url, &warm, &cold] {
            assert_eq!((at(node, &first).await, at(node, &second).await), (401, 200));
        }
        assert_eq!(revoke(false).await.refusal(), "KEY_REVOKED");
        revoke(true).await.data();
        assert_eq!(revoke(true).await.refusal(), "KEY_REVOKED");

        let mut renamed = first.jwk.clone();
        renamed["kid"] = json!("another");
        for keys in [json!([first.jwk]), json!([renamed, second.jwk])] {
            let input = json!({"client": client, "jwks": {"keys": keys}});
            assert_eq!(operator.mutation("updateClient", "client { id }", input).await.refusal(), "KEY_CANNOT_RETURN");
        }
        // The key of another client is not this one's.
        let other = created(&operator, &[&Signer::new(Algorithm::ES256, "1")]).await;
        let input = json!({"client": client, "key": id(&other, "1"), "reason": "a mistake"});
        assert_eq!(operator.mutation("revokeClientKey", "client { id }", input).await.code(), "NOT_FOUND");
    }
}

story! {
    /// An operator can sign; when its key is found to be compromised, what it did with it ends at once.
    async fn a_compromised_key_ends_the_access_that_it_gave(world: World) {
        let operator = world.operator().await;
        let signer = Signer::new(Algorithm::EdDSA, "1");
        let input = json!({
            "tenant": "system", "name": "signing operator", "authMethod": "PRIVATE_KEY_JWT", "jwks": set(&[&signer]),
            "grants": [{"api": "urn:chancery:admin", "scopes": ["platform:read"]}],
        });
        let made = operator.mutation("createClient", KEYS, input).await.data();
        let client = made["client"]["id"].as_str().unwrap();
        let assertion = signer.assertion(&assertion_claims(&world, "system", client));
        let token = world.token("system", "", "").by_assertion(&assertion).with("audience", "urn:chancery:admin");
        let admin = GraphQl::new(&world, token.send().await.token());
        let tenants = "{ tenants { pageInfo { hasNextPage } } }";
        admin.query("tenants", tenants).await.data();
        for (compromised, status) in [(false, 200), (true, 401)] {
            let input = json!({"client": client, "key": id(&made, "1"), "reason": "stolen", "compromised": compromised});
            let told = operator.mutation("revokeClientKey", "warnings tokens { jti }", input).await.data();
            assert_eq!(admin.query("tenants", tenants).await.status, status, "compromised: {compromised}");
            let listed = told["tokens"].as_array().unwrap().len();
            assert_eq!(listed, usize::from(compromised), "{told:#}");
            // When it is called compromised, it is not accepted any more.
            let warned = told["warnings"].to_string().contains("the client has no other");
            assert_eq!(warned, !compromised, "{told:#}");
        }
    }
}

story! {
    /// Another way to authenticate ends what the old one used, in the same change; afterwards a
    /// secret is issued, and keys come back by themselves.
    async fn another_way_to_authenticate_ends_what_the_old_one_used(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let signer = Signer::new(Algorithm::ES256, "1");
        let client = json!(acme.client);
        let head = roll(&world, "acme").await.len();
        let input = json!({"client": client, "authMethod": "PRIVATE_KEY_JWT", "jwks": set(&[&signer])});
        let changed = operator.mutation("updateClient", KEYS, input).await.data();
        assert_eq!(changed["client"]["secrets"], json!([{"state": "REVOKED"}]));
        let kinds: Vec<_> = roll(&world, "acme").await.iter().skip(head).map(|entry| entry.event.kind().0).collect();
        assert_eq!(kinds, ["ClientAuthMethodChanged", "SecretRevoked", "ClientKeysChanged"]);
        assert_eq!(rows_of_secret(world.store.database(), "secret_verifiers", &acme.secret_id).await, 0);
        assert_eq!(status(&world, &client, &signer).await, 200);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");

        let input = json!({"client": client, "authMethod": "CLIENT_SECRET"});
        let back = operator.mutation("updateClient", KEYS, input).await.data();
        assert_eq!((&back["client"]["jwks"], states(&back)), (&Value::Null, vec![("1", "REMOVED")]));
        assert_eq!(status(&world, &client, &signer).await, 401);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        let issued = operator.mutation("issueClientSecret", "secret { plaintext }", json!({"client": client})).await.data();
        world.token("acme", &acme.client, issued["secret"]["plaintext"].as_str().unwrap()).send().await.token();
    }
}

story! {
    /// Whoever may do less than a client changes neither its keys nor its way to authenticate.
    async fn nobody_touches_the_keys_of_a_client_that_may_more(world: World) {
        let operator = world.operator().await;
        let signer = Signer::new(Algorithm::ES256, "1");
        let grants = |scope: &str| json!([{"api": "urn:chancery:admin", "scopes": [scope]}]);
        let input = json!({
            "tenant": "system", "name": "signing operator", "authMethod": "PRIVATE_KEY_JWT", "jwks": set(&[&signer]),
            "grants": grants("platform:admin"),
        });
        let made = operator.mutation("createClient", KEYS, input).await.data();
        let input = json!({"tenant": "system", "name": "keeper", "grants": grants("tenant:admin")});
        let keeper = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let text = |pointer: &str| keeper.pointer(pointer).and_then(Value::as_str).unwrap();
        let keeper = world.admin("system", text("/client/id"), text("/secret/plaintext")).await;
        let mine = Signer::new(Algorithm::ES256, "mine");
        let client = &made["client"]["id"];
        for (verb, input) in [
            ("revokeClientKey", json!({"client": client, "key": id(&made, "1"), "reason": "mine now"})),
            ("updateClient", json!({"client": client, "jwks": set(&[&mine])})),
            ("updateClient", json!({"client": client, "authMethod": "CLIENT_SECRET"})),
        ] {
            assert_eq!(keeper.mutation(verb, "client { id }", input).await.refusal(), "EXCEEDS_CALLER", "{verb}");
        }
    }
}
