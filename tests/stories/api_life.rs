//! An API from its creation to its end.

use jwt_simple::prelude::*;
use serde_json::{Value, json};

use crate::{
    first_token::{roll, verified_elsewhere},
    support::{World, story},
};

/// The types of a tenant's events past this number.
async fn kinds_past(world: &World, slug: &str, head: usize) -> Vec<&'static str> {
    let roll = roll(world, slug).await;
    let new = roll.iter().skip(head).map(|entry| entry.event.kind().0);
    new.collect()
}

/// A tenant's key set.
async fn keys(world: &World, slug: &str) -> Vec<Value> {
    let url = format!("{}/t/{slug}/oauth2/jwks", world.url);
    let set: Value = world
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    set["keys"].as_array().unwrap().clone()
}

story! {
    /// What is left out of an update stays; a scope that goes is granted to nobody any more, and one
    /// that comes back is granted again.
    async fn a_scope_that_goes_is_granted_to_nobody(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let ask = || world.token("acme", &acme.client, &acme.secret);
        let head = roll(&world, "acme").await.len();
        let fields = "api { name scopes { name description } roles { name scopes } accessTokenSeconds signingAlgorithm state }";

        let read = json!([{"name": "orders:read", "description": "Read orders"}]);
        let updated = operator.mutation("updateApi", fields, json!({"api": acme.api, "name": "Sales", "scopes": read})).await.data();
        assert_eq!(updated["api"], json!({
            "name": "Sales", "scopes": read, "roles": [{"name": "clerk", "scopes": ["orders:read"]}],
            "accessTokenSeconds": null, "signingAlgorithm": null, "state": "ACTIVE",
        }));
        assert_eq!(kinds_past(&world, "acme", head).await, ["ApiRenamed", "ApiScopesChanged"]);
        assert_eq!(ask().send().await.claims()["scope"], "orders:read");
        ask().with("scope", "orders:write").send().await.refused(400, "invalid_scope");

        // The client's own grant is as it was, and may stay so.
        let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read", "orders:write"], "roles": ["clerk"]}]);
        operator.mutation("updateClient", "client { id }", json!({"client": acme.client, "description": "same", "grants": grants})).await.data();

        // A role cannot be left with a scope that is gone.
        let none = operator.mutation("updateApi", fields, json!({"api": acme.api, "scopes": []})).await;
        assert_eq!(none.fault_paths(), ["input.scopes"]);
        let both = json!([{"name": "orders:read"}, {"name": "orders:write"}]);
        operator.mutation("updateApi", fields, json!({"api": acme.api, "scopes": both, "roles": []})).await.data();
        // A scope that comes back is another one of that name: it counts when it is granted again.
        let claims = ask().send().await.claims();
        assert_eq!((&claims["scope"], claims.get("roles")), (&json!("orders:read"), None));

        let head = roll(&world, "acme").await.len();
        operator.mutation("updateApi", fields, json!({"api": acme.api, "scopes": both, "accessTokenSeconds": null})).await.data();
        assert_eq!(kinds_past(&world, "acme", head).await, [""; 0]);
    }
}

story! {
    /// An API's tokens live as long and are signed as it says; for several APIs at once the shortest
    /// life holds, and the algorithm must be one.
    async fn an_api_overrides_the_tenants_tokens(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({
            "tenant": "acme", "identifier": "https://reports.example", "scopes": [{"name": "reports:read"}],
            "accessTokenSeconds": 7200,
        });
        let head = roll(&world, "acme").await.len();
        let created = operator.mutation("createApi", "api { accessTokenSeconds signingAlgorithm }", input).await.data();
        assert_eq!(created["api"], json!({"accessTokenSeconds": 7200, "signingAlgorithm": null}));
        assert_eq!(kinds_past(&world, "acme", head).await, ["ApiCreated", "ApiTokenSettingsChanged"]);
        let grants = json!([
            {"api": "https://orders.example", "scopes": ["orders:read"]},
            {"api": "https://reports.example", "scopes": ["reports:read"]},
        ]);
        operator.mutation("updateClient", "client { id }", json!({"client": acme.client, "grants": grants})).await.data();

        let ask = || world.token("acme", &acme.client, &acme.secret);
        assert_eq!(ask().with("audience", "https://reports.example").send().await.body["expires_in"], 7200);
        assert_eq!(ask().send().await.body["expires_in"], 3600);
        let before = ask().with("audience", "https://orders.example").send().await.token();

        let update = |changes: Value| {
            let mut input = json!({"api": acme.api});
            input.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            operator.mutation("updateApi", "api { accessTokenSeconds signingAlgorithm } replayed", input)
        };
        let head = roll(&world, "acme").await.len();
        let id = "11111111-1111-4111-8111-111111111111";
        let changes = json!({"accessTokenSeconds": 90, "signingAlgorithm": "EDDSA", "commandId": id});
        let answer = update(changes.clone()).await.data();
        assert_eq!(answer["api"], json!({"accessTokenSeconds": 90, "signingAlgorithm": "EDDSA"}));
        assert_eq!(update(changes).await.data()["replayed"], true);
        assert_eq!(
            kinds_past(&world, "acme", head).await,
            ["KeyGenerated", "KeyActivated", "AlgorithmChosen", "ApiTokenSettingsChanged"]
        );
        assert_eq!(keys(&world, "acme").await.len(), 2);
        verified_elsewhere(&world, "acme", &before).await;

        // It signs once everybody has had the time to see its key.
        world.clock.advance(3_600);
        let operator = world.operator().await;
        let update = |changes: Value| {
            let mut input = json!({"api": acme.api});
            input.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            operator.mutation("updateApi", "api { accessTokenSeconds signingAlgorithm } replayed", input)
        };
        let answer = ask().with("audience", "https://orders.example").send().await;
        assert_eq!(answer.body["expires_in"], 90);
        let token = answer.token();
        let header = Token::decode_metadata(&token).unwrap();
        assert_eq!(header.algorithm(), "EdDSA");
        let keys = keys(&world, "acme").await;
        let key = keys.iter().find(|key| key["kid"] == json!(header.key_id().unwrap())).unwrap();
        let point = Base64UrlSafeNoPadding::decode_to_vec(key["x"].as_str().unwrap(), None).unwrap();
        let now = Duration::from_secs(world.now().seconds().try_into().unwrap());
        let options = VerificationOptions { artificial_time: Some(now), ..VerificationOptions::default() };
        Ed25519PublicKey::from_bytes(&point).unwrap().verify_token::<Value>(&token, Some(options)).unwrap();

        ask().send().await.refused(400, "invalid_target");
        ask().with("scope", "orders:read reports:read").send().await.refused(400, "invalid_target");

        let head = roll(&world, "acme").await.len();
        let cleared = update(json!({"signingAlgorithm": null})).await.data();
        assert_eq!(cleared["api"], json!({"accessTokenSeconds": 90, "signingAlgorithm": null}));
        update(json!({"signingAlgorithm": "EDDSA"})).await.data();
        // The key from the first time signs again.
        assert_eq!(kinds_past(&world, "acme", head).await, ["AlgorithmChosen", "ApiTokenSettingsChanged"].repeat(2));

        for seconds in [59, 86_401] {
            let answer = update(json!({"accessTokenSeconds": seconds})).await;
            assert_eq!(answer.fault_paths(), ["input.accessTokenSeconds"]);
        }
    }
}

story! {
    /// A retired API grants nothing, and its identifier is never given again.
    async fn a_retired_api_never_comes_back(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let ask = || world.token("acme", &acme.client, &acme.secret);
        ask().send().await.token();
        let input = json!({"tenant": "acme", "identifier": "https://reports.example", "scopes": [{"name": "reports:read"}]});
        operator.mutation("createApi", "api { id }", input).await.data();
        let orders = json!({"api": "https://orders.example", "scopes": ["orders:read"]});
        let grants = json!([orders, {"api": "https://reports.example", "scopes": ["reports:read"]}]);
        operator.mutation("updateClient", "client { id }", json!({"client": acme.client, "grants": grants})).await.data();

        let head = roll(&world, "acme").await.len();
        let retired = operator.mutation("retireApi", "api { state }", json!({"api": acme.api})).await.data();
        assert_eq!(retired["api"]["state"], "RETIRED");
        assert_eq!(kinds_past(&world, "acme", head).await, ["ApiRetired"]);

        ask().with("audience", "https://orders.example").send().await.refused(400, "invalid_target");
        ask().with("scope", "orders:read").send().await.refused(400, "invalid_scope");
        let claims = ask().send().await.claims();
        assert_eq!((&claims["aud"], &claims["scope"]), (&json!("https://reports.example"), &json!("reports:read")));

        let input = json!({"tenant": "acme", "name": "another", "grants": [orders]});
        assert_eq!(operator.mutation("createClient", "client { id }", input).await.refusal(), "API_RETIRED");
        for (verb, input) in [
            ("updateApi", json!({"api": acme.api, "name": "Back again"})),
            ("retireApi", json!({"api": acme.api})),
        ] {
            assert_eq!(operator.mutation(verb, "api { id }", input).await.refusal(), "API_RETIRED", "{verb}");
        }
        let input = json!({"tenant": "acme", "identifier": "https://orders.example"});
        assert_eq!(operator.mutation("createApi", "api { id }", input).await.refusal(), "IDENTIFIER_TAKEN");
    }
}

story! {
    /// The admin API stays as it is, and an API of another tenant does not exist.
    async fn only_the_tenants_own_apis_change(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let apis = operator.query("apis", "{ apis(tenant: \"acme\") { edges { node { id builtIn } } } }").await.data();
        let mut nodes = apis["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]);
        let admin_api = nodes.find(|api| api["builtIn"] == true).unwrap().clone();
        let grants = json!([{"api": "urn:chancery:admin", "scopes": ["tenant:admin"]}]);
        let input = json!({"tenant": "acme", "name": "admin", "grants": grants});
        let created = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let text = |pointer: &str| created.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let admin = world.admin("acme", &text("/client/id"), &text("/secret/plaintext")).await;

        for caller in [&operator, &admin] {
            for verb in ["updateApi", "retireApi"] {
                let answer = caller.mutation(verb, "api { id }", json!({"api": admin_api["id"]})).await;
                assert_eq!(answer.refusal(), "API_BUILT_IN", "{verb}");
            }
        }
        for verb in ["updateApi", "retireApi"] {
            let answer = admin.mutation(verb, "api { id }", json!({"api": umbrella.api})).await;
            assert_eq!(answer.code(), "NOT_FOUND", "{verb}");
        }
        admin.mutation("updateApi", "api { id }", json!({"api": acme.api, "name": "Mine"})).await.data();
        admin.mutation("retireApi", "api { id }", json!({"api": acme.api})).await.data();
    }
}
