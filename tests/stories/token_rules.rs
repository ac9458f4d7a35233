//! What a token can hold, and whose credentials and names count where.

use serde_json::{Value, json};

use crate::support::{World, story};

/// Every claim that a token or an introspection answer sets itself.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "client_id",
    "tenant_id",
    "aud",
    "iat",
    "nbf",
    "exp",
    "jti",
    "scope",
    "scopes",
    "roles",
    "type",
    "credential_id",
    "active",
    "token_type",
    "username",
    "cnf",
    "act",
    "may_act",
    "azp",
];

story! {
    /// No claim of our own can be set, shadowed or doubled by a configured one, in any letter case,
    /// neither at first nor later; and of what is accepted none takes the place of another.
    async fn custom_claims_cannot_touch_a_registered_claim(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let plain = world.token("acme", &acme.client, &acme.secret).send().await.claims();
        for claim in plain.as_object().unwrap().keys() {
            assert!(RESERVED.contains(&&**claim), "{claim} is set and not reserved");
        }
        for claim in RESERVED {
            let capital = format!("{}{}", claim[..1].to_uppercase(), &claim[1..]);
            for name in [(*claim).to_owned(), claim.to_uppercase(), capital] {
                let claims = json!({name.clone(): "forged"});
                let create = json!({"tenant": "acme", "name": "c", "customClaims": claims});
                let answer = operator.mutation("createClient", "client { id }", create).await;
                assert_eq!(answer.fault_paths(), ["input.customClaims"], "{name}");
                let update = json!({"client": acme.client, "customClaims": claims});
                let answer = operator.mutation("updateClient", "client { id }", update).await;
                assert_eq!(answer.fault_paths(), ["input.customClaims"], "{name}");
            }
        }
        let odd = json!({"iss ": "a", "sub\u{200b}": "b", "x": {"sub": "c"}, "permissions": ["d"]});
        let update = json!({"client": acme.client, "customClaims": odd});
        operator.mutation("updateClient", "client { id }", update).await.data();
        let claims = world.token("acme", &acme.client, &acme.secret).send().await.claims();
        for member in ["iss", "sub", "client_id", "aud", "scope", "tenant_id"] {
            assert_eq!(claims[member], plain[member], "{member}");
        }
        for (name, value) in odd.as_object().unwrap() {
            assert_eq!(&claims[name], value);
        }
    }
}

story! {
    /// A token for several audiences gives at none of them a scope or a role that was granted only
    /// at another, whichever way it is asked for.
    async fn a_token_for_two_audiences_gives_at_each_what_was_granted_there(world: World) {
        let operator = world.operator().await;
        operator.mutation("createTenant", "replayed", json!({"slug": "acme", "displayName": "Acme"})).await.data();
        for (identifier, own) in [("https://one.example", "one:read"), ("https://two.example", "two:read")] {
            let scopes = json!([{"name": own}, {"name": "delete"}]);
            let roles = json!([{"name": "chief", "scopes": ["delete"]}, {"name": "clerk", "scopes": [own]}]);
            let api = json!({"tenant": "acme", "identifier": identifier, "scopes": scopes, "roles": roles});
            operator.mutation("createApi", "replayed", api).await.data();
        }
        let client = |grants: Value| json!({"tenant": "acme", "name": "both", "grants": grants});
        let make = async |grants: Value| {
            let made = operator.mutation("createClient", "client { id } secret { plaintext }", client(grants)).await.data();
            let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            (text("/client/id"), text("/secret/plaintext"))
        };
        for grants in [
            json!([{"api": "https://one.example", "scopes": ["one:read", "delete"]}, {"api": "https://two.example", "scopes": ["two:read"]}]),
            json!([{"api": "https://one.example", "scopes": ["one:read"], "roles": ["chief"]}, {"api": "https://two.example", "scopes": ["two:read"]}]),
        ] {
            let (id, secret) = make(grants).await;
            let ask = |audience: &str, scope: &str| {
                world.token("acme", &id, &secret).with("audience", audience).with("scope", scope).send()
            };
            let both = "https://one.example https://two.example";
            // Two audiences define it and one grants it: no token could say where it counts.
            ask(both, "delete").await.refused(400, "invalid_target");
            ask(both, "one:read two:read delete").await.refused(400, "invalid_target");
            ask(both, "").await.refused(400, "invalid_target");
            ask("https://two.example", "delete").await.refused(400, "invalid_scope");
            let alone = ask("https://one.example", "delete").await.claims();
            assert_eq!((&alone["aud"], &alone["scope"]), (&json!("https://one.example"), &json!("delete")));
            let apart = ask(both, "one:read two:read").await.claims();
            assert_eq!(apart["scope"], "one:read two:read");
            assert_eq!(apart["roles"], json!(null));
        }
    }
}

story! {
    /// Another tenant's client, secret, API and token are worth nothing at a tenant's endpoints: the
    /// answers are those to what does not exist, on a node that knows both tenants and on one that
    /// knows neither.
    async fn nothing_of_another_tenant_counts_at_a_tenants_endpoints(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let api = json!({"tenant": "umbrella", "identifier": "https://umbrella.example", "scopes": [{"name": "umbrella:read"}]});
        operator.mutation("createApi", "replayed", api).await.data();
        // Warm: the node has issued for both.
        for (slug, tenant) in [("acme", &acme), ("umbrella", &umbrella)] {
            world.token(slug, &tenant.client, &tenant.secret).send().await.token();
        }
        for node in [world.url.clone(), world.another_node().await] {
            let nobody = "client_01jd0000000000000000000000";
            let unknown = world.token("acme", nobody, &acme.secret).at(&node).send().await;
            unknown.refused(401, "invalid_client");
            for (slug, client, secret) in [
                ("acme", &umbrella.client, &umbrella.secret),
                ("acme", &acme.client, &umbrella.secret),
                ("acme", &umbrella.client, &acme.secret),
                ("umbrella", &acme.client, &acme.secret),
                ("nowhere", &acme.client, &acme.secret),
            ] {
                let answer = world.token(slug, client, secret).at(&node).send().await;
                assert_eq!((answer.status, &answer.body), (unknown.status, &unknown.body), "{slug} {client}");
            }
            for name in ["audience", "resource"] {
                let ask = |audience: &str| world.token("acme", &acme.client, &acme.secret).at(&node).with(name, audience).send();
                let (foreign, nowhere) = (ask("https://umbrella.example").await, ask("https://nowhere1.example").await);
                foreign.refused(400, "invalid_target");
                let said = |body: &Value| body.to_string().replace("umbrella", "…").replace("nowhere1", "…");
                assert_eq!(said(&foreign.body), said(&nowhere.body));
            }
            let ask = |scope: &str| world.token("acme", &acme.client, &acme.secret).at(&node).with("scope", scope).send();
            let (foreign, nowhere) = (ask("umbrella:read").await, ask("nowhere1:read").await);
            foreign.refused(400, "invalid_scope");
            assert_eq!(foreign.body.to_string().replace("umbrella", "…"), nowhere.body.to_string().replace("nowhere1", "…"));
        }
    }
}

story! {
    /// An operator who is disabled, deleted, ungranted or whose tenant is suspended has no access at
    /// once, on the node that was told and on the others, however well they know it.
    async fn an_operator_who_has_ended_is_out_on_every_node_at_once(world: World) {
        let operator = world.operator().await;
        let nodes = [world.url.clone(), world.another_node().await];
        let read = json!({"query": "{ tenants { pageInfo { hasNextPage } } }"});
        for (verb, more) in [
            ("disableClient", json!({"reason": "left"})),
            ("deleteClient", json!({"reason": "left"})),
            ("updateClient", json!({"grants": []})),
        ] {
            let grants = json!([{"api": "urn:chancery:admin", "scopes": ["platform:admin"]}]);
            let made = operator.mutation("createClient", "client { id } secret { plaintext }", json!({"tenant": "system", "name": "o", "grants": grants})).await.data();
            let id = made["client"]["id"].as_str().unwrap();
            let caller = world.admin("system", id, made["secret"]["plaintext"].as_str().unwrap()).await;
            let bearer = format!("Bearer {}", caller.token());
            for node in &nodes {
                let reply = world.ask(node, Some(&bearer), &read).await;
                assert!(reply.codes().is_empty(), "{reply:?}");
            }
            let mut input = more;
            input["client"] = json!(id);
            operator.mutation(verb, "replayed", input).await.data();
            for node in &nodes {
                let reply = world.ask(node, Some(&bearer), &read).await;
                let code = if verb == "updateClient" { "FORBIDDEN" } else { "UNAUTHENTICATED" };
                assert!(reply.is_only(code), "{verb}: {reply:?}");
            }
        }
    }
}
