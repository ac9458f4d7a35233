//! A new master key: everything is sealed again, wherever that is interrupted, while servers go on.

use std::ops::ControlFlow;

use chancery_application::{ResealError, reseal};
use chancery_crypto::{MasterKey, Sealer, SystemEntropy};
use serde_json::json;

use crate::support::{Signer, World, assertion_claims, story};

fn key(text: &str) -> MasterKey {
    MasterKey::from_base64(text).unwrap()
}

fn new_key() -> String {
    MasterKey::generate(&SystemEntropy::new())
        .to_base64()
        .to_string()
}

/// A client whose secrets are sealed, since they key assertions.
async fn hmac_client(world: &World) -> (String, String) {
    let operator = world.operator().await;
    let policy = json!({"allowedAuthMethods": ["CLIENT_SECRET_BASIC", "CLIENT_SECRET_JWT"]});
    operator
        .mutation(
            "updateTenant",
            "replayed",
            json!({"tenant": "acme", "policy": policy}),
        )
        .await
        .data();
    let input = json!({
        "tenant": "acme", "name": "hmac", "authMethod": "CLIENT_SECRET_JWT",
        "grants": [{"api": "https://orders.example", "scopes": ["orders:read"]}],
    });
    let made = operator
        .mutation("createClient", "client { id } secret { plaintext }", input)
        .await
        .data();
    let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    (text("/client/id"), text("/secret/plaintext"))
}

story! {
    /// Killed after each of its steps, it is always so that a node which has both keys reads every
    /// private key: those that sign tokens, those that key assertions, those that seal rolls. Begun again
    /// it comes to its end, and then the new key alone is enough and the old one is of no use.
    async fn a_new_master_key_that_is_interrupted_after_every_step(world: World) {
        let acme = world.acme().await;
        let (hmac, secret) = hmac_client(&world).await;
        let id = world.operator().await.query("tenant", "{ tenant(slug: \"acme\") { id } }").await.data();
        world.platform.application.seal_roll(id["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        let (old, new) = (world.master_key.clone(), new_key());
        let store = world.store.another().await;
        let both = || Sealer::new(key(&new), Some(key(&old)));
        let works = async |node: String| {
            world.token("acme", &acme.client, &acme.secret).at(&node).send().await.token();
            let claims = assertion_claims(&world, "acme", &hmac);
            let assertion = Signer::of_secret(&secret).assertion(&claims);
            let request = world.token("acme", &hmac, &secret).at(&node).by_assertion(&assertion);
            request.send().await.token();
        };
        let mut steps = 0;
        loop {
            let mut killed = false;
            let (keys, entropy) = (both(), SystemEntropy::new());
            let done = reseal(&store, &keys, &entropy, 1, |_, _| {
                killed = true;
                ControlFlow::Break(())
            });
            let done = done.await.unwrap();
            works(world.node_with(both(), |_| {}).await).await;
            // The order in which the keys are configured makes no difference.
            works(world.node_with(Sealer::new(key(&old), Some(key(&new))), |_| {}).await).await;
            if !killed {
                assert!(done.complete && done.resealed == 0, "{done:?}");
                break;
            }
            steps += 1;
        }
        assert!(steps >= 5, "{steps}: the installation's key, two tenants' keys, a note key, a secret");
        works(world.node_with(Sealer::new(key(&new), None), |_| {}).await).await;
        let refused = reseal(&store, &Sealer::new(key(&new_key()), Some(key(&old))), &SystemEntropy::new(), 9, |_, _| ControlFlow::Continue(())).await;
        assert!(matches!(refused, Err(ResealError::UnknownKey { .. })), "{refused:?}");
    }
}

story! {
    /// A server that runs with the old key alone finds the new one where it is configured, seals under it
    /// from then on, and keeps nothing under the old one.
    async fn a_running_server_changes_over(world: World) {
        let acme = world.acme().await;
        let (old, new) = (world.master_key.clone(), new_key());
        let later = new.clone();
        let running = Sealer::new(key(&old), None).reading(Box::new(move || vec![key(&later)]));
        let node = world.node_with(running, |_| {}).await;
        world.token("acme", &acme.client, &acme.secret).at(&node).send().await.token();
        let store = world.store.another().await;
        let both = Sealer::new(key(&new), Some(key(&old)));
        let done = reseal(&store, &both, &SystemEntropy::new(), 100, |_, _| ControlFlow::Continue(())).await.unwrap();
        assert!(done.complete && done.resealed >= 3, "{done:?}");
        // What it has not opened yet it opens now.
        let operator = world.token("system", world.operator["client_id"].as_str().unwrap(), world.operator["client_secret"].as_str().unwrap());
        operator.at(&node).with("audience", "urn:chancery:admin").send().await.token();
        // The first node has no way to the new key: what it would seal is refused, and nothing is lost.
        let operator = world.operator().await;
        let input = json!({"slug": "late", "displayName": "Late"});
        let refused = operator.mutation("createTenant", "tenant { id }", input).await;
        assert!(refused.body["errors"][0]["message"].as_str().is_some(), "{refused:?}");
        assert!(world.platform.application.follow_master_key().await.unwrap().is_some());
        let again = reseal(&store, &both, &SystemEntropy::new(), 100, |_, _| ControlFlow::Continue(())).await.unwrap();
        assert_eq!((again.resealed, again.complete), (0, true));
    }
}

story! {
    /// A key that is not this database's stops it before anything is changed, in a clear sentence.
    async fn a_wrong_master_key_changes_nothing(world: World) {
        world.acme().await;
        let store = world.store.another().await;
        let wrong = Sealer::new(key(&new_key()), Some(key(&new_key())));
        let refused = reseal(&store, &wrong, &SystemEntropy::new(), 100, |_, _| ControlFlow::Continue(())).await;
        let Err(error @ ResealError::UnknownKey { .. }) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("nothing was changed"), "{error}");
        let world = world.restart().await;
        world.operator().await;
    }
}
