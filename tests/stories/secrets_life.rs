//! Secrets: issued, rotated with an overlap, revoked.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chancery_crypto::{MasterKey, Purpose, SealContext, Sealed, Sealer};
use serde_json::{Value, json};

use crate::{
    first_token::tenant_id,
    support::{World, dump, hex, story},
};

story! {
    /// Both secrets work during the overlap; when it has passed, only the new one.
    async fn a_rotation_overlaps_and_then_the_old_secret_ends(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        // Secrets are listed by age, and within one moment by chance.
        world.clock.advance(1);
        let input = json!({"client": acme.client, "overlapSeconds": 3600, "label": "blue"});
        let fields = "secret { id plaintext hint } client { secrets { id label state retiresAt } } replayed";
        let rotated = operator.mutation("rotateClientSecret", fields, input).await.data();
        let new = rotated["secret"]["plaintext"].as_str().unwrap().to_owned();
        assert!(new.ends_with(rotated["secret"]["hint"].as_str().unwrap()));
        let states: Vec<_> =
            rotated["client"]["secrets"].as_array().unwrap().iter().map(|secret| &secret["state"]).collect();
        assert_eq!(states, ["RETIRING", "ACTIVE"]);

        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let by_new = world.token("acme", &acme.client, &new).send().await.claims();
        assert_eq!(by_new["credential_id"], rotated["secret"]["id"]);

        world.clock.advance(3_599);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.clock.advance(1);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, &new).send().await.token();
    }
}

story! {
    /// A revoked secret is refused at once; the one beside it goes on.
    async fn a_revoked_secret_is_refused_at_once(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "label": "second"});
        let issued = operator.mutation("issueClientSecret", "secret { id plaintext }", input).await.data();
        let second = issued["secret"]["plaintext"].as_str().unwrap();
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.token("acme", &acme.client, second).send().await.token();

        let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "left the company"});
        operator.mutation("revokeClientSecret", "client { id }", input.clone()).await.data();
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, second).send().await.token();
        let again = operator.mutation("revokeClientSecret", "client { id }", input).await;
        assert_eq!(again.refusal(), "SECRET_REVOKED");
    }
}

story! {
    /// A secret with a beginning is not accepted before it, and one with an end not after it.
    async fn a_secret_is_accepted_between_its_beginning_and_its_end(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let begin = world.now().plus_seconds(60).to_string();
        let end = world.now().plus_seconds(120).to_string();
        let input = json!({"client": acme.client, "notBefore": begin, "expiresAt": end});
        let issued = operator.mutation("issueClientSecret", "secret { plaintext expiresAt }", input).await.data();
        let secret = issued["secret"]["plaintext"].as_str().unwrap().to_owned();
        let token = || async { world.token("acme", &acme.client, &secret).send().await };
        token().await.refused(401, "invalid_client");
        world.clock.advance(60);
        token().await.token();
        world.clock.advance(60);
        token().await.refused(401, "invalid_client");
    }
}

story! {
    /// After everything that can happen to secrets and keys, none of them is in what is kept: not in
    /// an event, not in a row, not in what is remembered of a command.
    async fn no_secret_is_kept_anywhere(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let mut secrets = vec![acme.secret.clone(), world.operator["client_secret"].as_str().unwrap().to_owned()];
        for (verb, input) in [
            ("rotateClientSecret", json!({"client": acme.client, "overlapSeconds": 60, "commandId": "0b8f5f6e-2f3c-4c5d-9f0e-1a2b3c4d5e6f"})),
            ("issueClientSecret", json!({"client": acme.client, "overlapSeconds": 0})),
        ] {
            let input = if verb == "issueClientSecret" { json!({"client": acme.client}) } else { input };
            if verb == "issueClientSecret" {
                let revoke = json!({"client": acme.client, "secret": acme.secret_id, "reason": "make room", "compromised": true});
                operator.mutation("revokeClientSecret", "client { id }", revoke).await.data();
            }
            let issued = operator.mutation(verb, "secret { plaintext }", input).await.data();
            secrets.push(issued["secret"]["plaintext"].as_str().unwrap().to_owned());
        }
        let kept = dump(world.store.database()).await;
        assert!(kept.contains("SecretRotated"), "the dump holds the events");
        for secret in &secrets {
            // Its body without the prefix and without the hint, which is shown on purpose.
            assert!(!kept.contains(&secret[4..secret.len() - 4]), "a secret is kept");
        }
        for (sealed, open) in private_keys(&world).await {
            assert!(kept.contains(&hex(&sealed)), "the dump holds what is sealed");
            for spelling in [hex(&open), STANDARD.encode(&open), URL_SAFE_NO_PAD.encode(&open)] {
                assert!(!kept.contains(&spelling[8..]), "a private key is kept in the clear");
            }
            // The scalar of an EC key, wherever it might stand.
            assert!(!kept.contains(&hex(&open[36..68])), "a private key is kept in the clear");
        }
    }
}

story! {
    /// The answer to a repeated rotation names the same secret and does not show it again.
    async fn a_repeated_rotation_shows_no_secret(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "commandId": "7c9e6679-7425-40de-944b-e07fc1f90ae7"});
        let fields = "secret { id plaintext hint } replayed";
        let first = operator.mutation("rotateClientSecret", fields, input.clone()).await.data();
        let again = operator.mutation("rotateClientSecret", fields, input).await.data();
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["secret"]["id"], again["secret"]["id"]);
        assert_eq!(first["secret"]["hint"], again["secret"]["hint"]);
        assert_eq!(again["secret"]["plaintext"], Value::Null);
    }
}

/// Each private key of acme, as it is sealed and as it is.
async fn private_keys(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let tenant = tenant_id(world, "acme").await;
    let opener = Sealer::new(MasterKey::from_base64(&world.master_key).unwrap(), None);
    let keys = world
        .platform
        .store
        .sealed_keys(tenant.parse().unwrap())
        .await
        .unwrap();
    assert!(!keys.is_empty());
    keys.into_iter()
        .map(|row| {
            let kid = row.key.to_string();
            let context = SealContext {
                purpose: Purpose::SigningKey,
                tenant: &tenant,
                row: &kid,
            };
            let sealed = Sealed {
                master_key_id: row.master_key_id,
                bytes: row.sealed,
            };
            let open = opener.open(&context, &sealed).unwrap().to_vec();
            (sealed.bytes, open)
        })
        .collect()
}
