//! Which keys are in the key set, and for how long.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{World, story};

/// The algorithms of the key set, and its tag.
async fn published(world: &World) -> (BTreeSet<String>, String) {
    let url = format!("{}/t/acme/oauth2/jwks", world.url);
    let answer = world.http.get(url).send().await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let set: Value = answer.json().await.unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    (
        keys.map(|key| key["alg"].as_str().unwrap().to_owned())
            .collect(),
        tag,
    )
}

fn algorithms(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

story! {
    /// A key is in the set while its algorithm is in use, by the policy or by an API, and then until the
    /// last token that it signed has ended. Chosen again, it is the same key.
    async fn each_algorithm_is_in_the_key_set_only_while_it_is_in_use(world: World) {
        let acme = world.acme().await;
        let update = async |name: &str, input: Value| {
            let operator = world.operator().await;
            operator.mutation(name, "replayed", input).await.data();
        };
        let states = async || {
            let operator = world.operator().await;
            let keys = "{ tenant(slug: \"acme\") { signingKeys { algorithm state retiresAt } } }";
            operator.query("tenant", keys).await.data()["signingKeys"].clone()
        };
        let all = algorithms(&["ES256", "RS256", "EdDSA"]);
        assert_eq!(published(&world).await.0, algorithms(&["ES256"]));
        update("updateApi", json!({"api": acme.api, "signingAlgorithm": "EDDSA"})).await;
        update("updateTenant", json!({"tenant": "acme", "policy": {"signingAlgorithm": "RS256"}})).await;
        // In an hour nobody signs with ES256 any more, but what it signed lives on.
        let (set, tag) = published(&world).await;
        assert_eq!(set, all);
        let end = world.now().plus_seconds(3_600 + 86_700).to_string();
        let es256 = async || {
            let found = states().await;
            found.as_array().unwrap().iter().find(|key| key["algorithm"] == "ES256").unwrap().clone()
        };
        assert_eq!(es256().await, json!({"algorithm": "ES256", "state": "ACTIVE", "retiresAt": end}));
        world.clock.advance(3_600);
        assert_eq!(es256().await, json!({"algorithm": "ES256", "state": "RETIRING", "retiresAt": end}));
        world.clock.advance(86_699);
        assert_eq!(published(&world).await.0, all);
        world.clock.advance(1);
        let (set, later) = published(&world).await;
        assert_eq!(set, algorithms(&["RS256", "EdDSA"]));
        assert_ne!(tag, later, "another set has another tag");

        // The API follows the tenant again: EdDSA goes the same way, and comes back by being chosen.
        update("updateApi", json!({"api": acme.api, "signingAlgorithm": null})).await;
        world.clock.advance(86_700);
        assert_eq!(published(&world).await.0, algorithms(&["RS256"]));
        let before = states().await;
        update("updateTenant", json!({"tenant": "acme", "policy": {"signingAlgorithm": "EDDSA"}})).await;
        assert_eq!(published(&world).await.0, algorithms(&["RS256", "EdDSA"]));
        let after = states().await;
        assert_eq!(after.as_array().unwrap().len(), before.as_array().unwrap().len(), "no new key was made");
        let issued = world.token("acme", &acme.client, &acme.secret).send().await.token();
        assert!(issued.starts_with("eyJ"));

        // The last API that signs so is retired.
        update("updateApi", json!({"api": acme.api, "signingAlgorithm": "ES256"})).await;
        update("retireApi", json!({"api": acme.api})).await;
        world.clock.advance(86_700 + 3_600);
        assert_eq!(published(&world).await.0, algorithms(&["EdDSA"]));
    }
}
