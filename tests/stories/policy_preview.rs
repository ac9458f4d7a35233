//! What a change of policy would break: asked before it is made, and told with its refusal.

use serde_json::{Value, json};

use crate::{
    support::{GraphQl, World, story},
    sweep::a_signer,
};

const PREVIEW: &str = "query ($input: PreviewTenantPolicyInput!, $first: Int) {
    previewTenantPolicy(input: $input, first: $first) {
        policy { maxLiveSecrets allowMetadata }
        refusal
        breaks { rule effect message count more clients { client { id name } secrets } } } }";

async fn preview(operator: &GraphQl<'_>, tenant: &str, policy: Value) -> Value {
    let input = json!({"input": {"tenant": tenant, "policy": policy}});
    operator
        .send("previewTenantPolicy", PREVIEW, input)
        .await
        .data()
}

/// Each rule with its effect, its count and the clients that it shows.
fn rules(preview: &Value) -> Value {
    let breaks = preview["breaks"].as_array().unwrap();
    let rule = |each: &Value| {
        let clients = each["clients"].as_array().unwrap().iter();
        // The one by its query, the other in an error.
        let id = |client: &Value| {
            client
                .pointer("/client/id")
                .unwrap_or(&client["id"])
                .clone()
        };
        let clients: Vec<_> = clients.map(id).collect();
        json!([each["rule"], each["effect"], each["count"], clients])
    };
    breaks.iter().map(rule).collect()
}

async fn created(operator: &GraphQl<'_>, input: Value) -> String {
    let made = operator
        .mutation("createClient", "client { id }", input)
        .await;
    made.data()["client"]["id"].as_str().unwrap().to_owned()
}

story! {
    async fn a_preview_names_the_clients_and_secrets_that_a_policy_would_break(world: World) {
        let acme = world.acme().await;
        world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let policy = |policy: Value| json!({"tenant": "acme", "policy": policy});
        operator.mutation("updateTenant", "replayed", policy(json!({"requireClientName": false}))).await.data();
        let nameless = created(&operator, json!({"tenant": "acme", "expiresInDays": 30})).await;
        let noted = created(&operator, json!({"tenant": "acme", "name": "noted", "metadata": {"team": "a"}, "expiresInDays": 90})).await;
        let (signer, _) = a_signer(&operator, "acme", &json!([])).await;
        let issued = operator.mutation("issueClientSecret", "secret { id }", json!({"client": acme.client})).await.data();
        let gone = created(&operator, json!({"tenant": "acme", "metadata": {"a": 1}})).await;
        operator.mutation("deleteClient", "replayed", json!({"client": gone, "reason": "test"})).await.data();

        let nothing = preview(&operator, "acme", json!({"accessTokenSeconds": 60, "maxLiveSecrets": 5})).await;
        assert_eq!(nothing, json!({"policy": {"maxLiveSecrets": 5, "allowMetadata": true}, "refusal": null, "breaks": []}));
        for (change, expected) in [
            (json!({"allowedAuthMethods": ["CLIENT_SECRET_BASIC", "CLIENT_SECRET_POST"]}), json!([["AUTH_METHOD_NOT_ALLOWED", "STOPS", 1, [signer]]])),
            (json!({"requireClientName": true}), json!([["NAME_REQUIRED", "STANDS", 1, [nameless]]])),
            (json!({"allowMetadata": false}), json!([["METADATA_NOT_ALLOWED", "STANDS", 1, [noted]]])),
            (json!({"refreshTokenSeconds": 60}), json!([])),
        ] {
            assert_eq!(rules(&preview(&operator, "acme", change.clone()).await), expected, "{change}");
        }
        // Those without an end, and the one that ends later than the policy would have it.
        let lifetime = preview(&operator, "acme", json!({"clientLifetimeDays": {"max": 60}})).await;
        assert_eq!(lifetime["breaks"][0]["count"], 2);
        assert_eq!(rules(&lifetime)[1], json!(["LIFETIME_TOO_LONG", "STANDS", 1, [noted]]));
        let basic = preview(&operator, "acme", json!({"allowedAuthMethods": ["CLIENT_SECRET_BASIC", "PRIVATE_KEY_JWT"]})).await;
        assert_eq!((&basic["breaks"][0]["rule"], &basic["breaks"][0]["count"]), (&json!("SECRET_WAY_TURNED_OFF"), &json!(3)));
        let algorithm = preview(&operator, "acme", json!({"signingAlgorithm": "EDDSA"})).await;
        assert_eq!(rules(&algorithm), json!([["SIGNING_ALGORITHM_CHANGED", "MAY_STOP", 4, []]]));

        let secrets = preview(&operator, "acme", json!({"maxLiveSecrets": 1, "rotationOverlapSeconds": 0})).await;
        assert_eq!(rules(&secrets), json!([["TOO_MANY_LIVE_SECRETS", "STANDS", 1, [acme.client]]]));
        let mut named: Vec<_> = secrets["breaks"][0]["clients"][0]["secrets"].as_array().unwrap().iter().collect();
        let both = [json!(acme.secret_id), issued["secret"]["id"].clone()];
        let mut expected: Vec<_> = both.iter().collect();
        for secrets in [&mut named, &mut expected] {
            secrets.sort_by_key(ToString::to_string);
        }
        assert_eq!(named, expected);
        // Of three clients with four secrets without an end, one is shown.
        let input = json!({"input": {"tenant": "acme", "policy": {"secretLifetimeDays": 30}}, "first": 1});
        let shown = operator.send("previewTenantPolicy", PREVIEW, input).await.data();
        let lives = &shown["breaks"][0];
        assert_eq!((&lives["rule"], &lives["count"], &lives["more"]), (&json!("SECRET_LIVES_TOO_LONG"), &json!(3), &json!(false)));
        assert_eq!(lives["clients"].as_array().unwrap().len(), 1);

        // A secret that is over is no secret any more, recorded or not.
        let rotated = json!({"client": acme.client, "overlapSeconds": 0});
        operator.mutation("rotateClientSecret", "replayed", rotated).await.data();
        let after = preview(&operator, "acme", json!({"maxLiveSecrets": 1, "rotationOverlapSeconds": 0})).await;
        assert_eq!(rules(&after), json!([]));
    }
}

story! {
    async fn a_policy_that_would_break_something_is_refused_to_those_who_ask_for_it(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let keys_only = json!({"allowedAuthMethods": ["PRIVATE_KEY_JWT"]});
        let input = json!({"tenant": "acme", "displayName": "Renamed", "policy": keys_only, "refuseIfBreaks": true});
        let refused = operator.mutation("updateTenant", "replayed", input).await;
        assert_eq!(refused.refusal(), "POLICY_BREAKS_CLIENTS");
        let preview = &refused.body["errors"][0]["extensions"]["preview"];
        assert_eq!(rules(preview), json!([["AUTH_METHOD_NOT_ALLOWED", "STOPS", 1, [acme.client]]]));
        assert_eq!(preview["breaks"][0]["clients"][0]["name"], "billing");
        let tenant = operator.query("tenant", "{ tenant(slug: \"acme\") { displayName policy { allowedAuthMethods } } }").await.data();
        assert_eq!(tenant["displayName"], "acme", "nothing has changed");
        world.token("acme", &acme.client, &acme.secret).send().await.token();

        let harmless = json!({"tenant": "acme", "policy": {"maxLiveSecrets": 3}, "refuseIfBreaks": true});
        operator.mutation("updateTenant", "replayed", harmless).await.data();
        // Whoever does not ask for it has decided.
        let input = json!({"tenant": "acme", "policy": keys_only});
        operator.mutation("updateTenant", "replayed", input).await.data();
        let answer = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!(answer.status, 401);
    }
}

story! {
    async fn the_refusal_of_a_policy_tells_what_it_would_have_broken(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let invalid = json!({"maxLiveSecrets": 0, "allowMetadata": false, "rotationOverlapSeconds": 0});
        let input = json!({"tenant": "acme", "policy": invalid});
        let refused = operator.mutation("updateTenant", "replayed", input.clone()).await;
        assert_eq!(refused.fault_paths(), ["input.policy.maxLiveSecrets"]);
        let preview = &refused.body["errors"][0]["extensions"]["preview"];
        assert_eq!(rules(preview), json!([["TOO_MANY_LIVE_SECRETS", "STANDS", 1, [acme.client]]]));
        let asked = operator.send("previewTenantPolicy", PREVIEW, json!({"input": input})).await;
        assert_eq!(asked.fault_paths(), ["input.policy.maxLiveSecrets"]);
        assert_eq!(&asked.body["errors"][0]["extensions"]["preview"], preview);

        let keys_only = json!({"allowedAuthMethods": ["PRIVATE_KEY_JWT"]});
        let input = json!({"tenant": "system", "policy": keys_only});
        let refused = operator.mutation("updateTenant", "replayed", input.clone()).await;
        assert_eq!(refused.refusal(), "LAST_OPERATOR");
        let preview = &refused.body["errors"][0]["extensions"]["preview"];
        let me = &world.operator["client_id"];
        assert_eq!(rules(preview), json!([["AUTH_METHOD_NOT_ALLOWED", "STOPS", 1, [me]]]));
        let asked = operator.send("previewTenantPolicy", PREVIEW, json!({"input": input})).await.data();
        assert_eq!((&asked["refusal"], rules(&asked)), (&json!("LAST_OPERATOR"), rules(preview)));

        // As far from valid as a number can be.
        let input = json!({"input": {"tenant": "acme", "policy": {"secretLifetimeDays": i32::MAX}}});
        let asked = operator.send("previewTenantPolicy", PREVIEW, input).await;
        assert_eq!(asked.fault_paths(), ["input.policy.secretLifetimeDays"]);

        // A fault of the input itself is no policy, and tells of none.
        let input = json!({"tenant": "acme", "policy": {"maxLiveSecrets": -1}});
        let refused = operator.mutation("updateTenant", "replayed", input).await;
        assert!(refused.body["errors"][0]["extensions"]["preview"].is_null(), "{:#}", refused.body);
    }
}
