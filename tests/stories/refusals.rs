//! Bad input and missing rights: what is wrong is named, and nothing changes.

use serde_json::json;

use crate::support::{GraphQl, World, story};

story! {
    /// Every faulty field is named in one answer, with the value's path.
    async fn every_fault_is_named_at_once(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let answer = operator
            .mutation(
                "createClient",
                "client { id }",
                json!({
                    "tenant": "acme",
                    "name": " padded",
                    "metadata": {"half": 0.5},
                    "customClaims": {"SUB": "somebody else"},
                    "expiresInDays": 1,
                    "expiresAt": "2030-01-01T00:00:00Z",
                    "grants": [{"api": "no uri", "scopes": ["a b", "fine"]}],
                }),
            )
            .await;
        let paths = answer.fault_paths();
        for path in ["input.name", "input.metadata", "input.customClaims", "input.grants[0].api", "input.grants[0].scopes[0]"] {
            assert!(paths.contains(&path), "{path} is missing in {paths:?}");
        }
        assert_eq!(paths.len(), 6, "{paths:?}");
    }
}

story! {
    /// A faulty policy is refused with all of its faults.
    async fn every_fault_of_a_policy_is_named(world: World) {
        let operator = world.operator().await;
        let input = json!({"slug": "Acme!", "displayName": "", "policy": {"accessTokenSeconds": 5, "maxLiveSecrets": -1}});
        let answer = operator.mutation("createTenant", "tenant { id }", input).await;
        let mut paths = answer.fault_paths();
        paths.sort_unstable();
        assert_eq!(paths[..2], ["input.displayName", "input.policy.accessTokenSeconds"], "{paths:?}");
        assert!(paths.contains(&"input.slug"));
    }
}

story! {
    /// A NUL in a string is refused; astral characters are kept as they are.
    async fn text_is_kept_as_it_is_or_refused(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let with = |name: &str| json!({"tenant": "acme", "name": name, "metadata": {"note": name}});
        let answer = operator.mutation("createClient", "client { id }", with("a\0b")).await;
        assert_eq!(answer.fault_paths(), ["input.name", "input.metadata"]);
        let kept = operator.mutation("createClient", "client { name metadata }", with("𝔸𝕔𝕞𝕖 🌙")).await.data();
        assert_eq!(kept["client"], json!({"name": "𝔸𝕔𝕞𝕖 🌙", "metadata": {"note": "𝔸𝕔𝕞𝕖 🌙"}}));
        let large = json!({"tenant": "acme", "name": "large", "metadata": {"blob": "x".repeat(4_096 - 11)}});
        operator.mutation("createClient", "client { id }", large).await.data();
        let larger = json!({"tenant": "acme", "name": "larger", "metadata": {"blob": "x".repeat(4_096 - 10)}});
        assert_eq!(operator.mutation("createClient", "client { id }", larger).await.fault_paths(), ["input.metadata"]);
        // A name by which one of the readers here would take the object for another value.
        for value in ["[1]", "z"] {
            let private = json!({"note": {"$serde_json::private::RawValue": value}});
            let asked = json!({"tenant": "acme", "name": "private", "metadata": private});
            let answer = operator.mutation("createClient", "client { id }", asked).await;
            assert_eq!(answer.status, 400);
            assert!(answer.body.to_string().contains("give it another name"), "{}", answer.body);
        }
    }
}

story! {
    /// Without a usable token the door stays shut.
    async fn no_token_no_access(world: World) {
        let acme = world.acme().await;
        let for_orders = world.token("acme", &acme.client, &acme.secret).send().await.token();
        let operator = world.operator["client_id"].as_str().unwrap();
        let secret = world.operator["client_secret"].as_str().unwrap();
        let expired = world.token("system", operator, secret).with("audience", "urn:chancery:admin").send().await.token();
        world.clock.advance(3_601);
        for token in ["", "nonsense", &for_orders, &expired] {
            let answer = GraphQl::new(&world, token.to_owned()).query("tenants", "{ tenants { pageInfo { hasNextPage } } }").await;
            assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED"), "{token}");
        }
    }
}

story! {
    /// A disabled operator's token is worth nothing at once.
    async fn a_disabled_operator_is_out_at_once(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let input = json!({
            "tenant": "system",
            "name": "second operator",
            "grants": [{"api": "urn:chancery:admin", "scopes": ["platform:admin"]}],
        });
        let second = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let id = second["client"]["id"].as_str().unwrap();
        let admin = world.admin("system", id, second["secret"]["plaintext"].as_str().unwrap()).await;
        admin.query("tenant", "{ tenant(slug: \"acme\") { id } }").await.data();
        operator.mutation("disableClient", "client { id }", json!({"client": id, "reason": "left"})).await.data();
        let answer = admin.query("tenant", "{ tenant(slug: \"acme\") { id } }").await;
        assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED"));
    }
}

story! {
    /// The last operator cannot lock everybody out.
    async fn the_last_operator_stays(world: World) {
        let operator = world.operator().await;
        let me = world.operator["client_id"].as_str().unwrap();
        for (verb, input) in [
            ("disableClient", json!({"client": me, "reason": "tired"})),
            ("deleteClient", json!({"client": me, "reason": "tired"})),
            ("updateClient", json!({"client": me, "expiresInDays": 30})),
            ("updateClient", json!({"client": me, "grants": []})),
        ] {
            assert_eq!(operator.mutation(verb, "client { id }", input).await.refusal(), "LAST_OPERATOR", "{verb}");
        }
    }
}

story! {
    /// A tenant's administrator manages its own tenant, sees no other, and gives away no more than it
    /// holds.
    async fn a_tenant_admin_stays_at_home(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let input = json!({
            "tenant": "acme",
            "name": "acme admin",
            "grants": [{"api": "urn:chancery:admin", "scopes": ["tenant:admin"]}],
        });
        let created = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let admin = world
            .admin("acme", created["client"]["id"].as_str().unwrap(), created["secret"]["plaintext"].as_str().unwrap())
            .await;

        let rotate = |client: &str| json!({"client": client});
        admin.mutation("rotateClientSecret", "secret { id }", rotate(&acme.client)).await.data();
        assert_eq!(admin.mutation("rotateClientSecret", "secret { id }", rotate(&umbrella.client)).await.code(), "NOT_FOUND");
        for query in [
            "{ tenant(slug: \"umbrella\") { id } }".to_owned(),
            "{ tenant(slug: \"nobody\") { id } }".to_owned(),
        ] {
            assert_eq!(admin.query("tenant", &query).await.code(), "NOT_FOUND");
        }
        let query = format!("{{ client(id: \"{}\") {{ id }} }}", umbrella.client);
        assert_eq!(admin.query("client", &query).await.code(), "NOT_FOUND");
        let query = format!("{{ api(id: \"{}\") {{ id }} }}", umbrella.api);
        assert_eq!(admin.query("api", &query).await.code(), "NOT_FOUND");
        let in_umbrella = json!({"tenant": "umbrella", "name": "spy"});
        assert_eq!(admin.mutation("createClient", "client { id }", in_umbrella).await.code(), "NOT_FOUND");
        let tenant = json!({"slug": "mine", "displayName": "Mine"});
        assert_eq!(admin.mutation("createTenant", "tenant { id }", tenant).await.code(), "FORBIDDEN");
        let suspend = json!({"tenant": "acme", "reason": "why not"});
        assert_eq!(admin.mutation("suspendTenant", "tenant { id }", suspend).await.code(), "FORBIDDEN");

        // The platform's scopes do not exist in this tenant's admin API.
        let more = json!({
            "tenant": "acme",
            "name": "more",
            "grants": [{"api": "urn:chancery:admin", "scopes": ["platform:admin"]}],
        });
        assert_eq!(admin.mutation("createClient", "client { id }", more).await.refusal(), "UNKNOWN_SCOPE");
    }
}

/// A client of `system` that holds these scopes, as a caller.
async fn operator_with<'a>(world: &'a World, name: &str, scopes: &[&str]) -> (String, GraphQl<'a>) {
    admin_of(world, "system", name, scopes).await
}

async fn admin_of<'a>(
    world: &'a World,
    tenant: &str,
    name: &str,
    scopes: &[&str],
) -> (String, GraphQl<'a>) {
    let grants = json!([{"api": "urn:chancery:admin", "scopes": scopes}]);
    let input = json!({"tenant": tenant, "name": name, "grants": grants});
    let fields = "client { id } secret { plaintext }";
    let made = world
        .operator()
        .await
        .mutation("createClient", fields, input)
        .await
        .data();
    let id = made["client"]["id"].as_str().unwrap().to_owned();
    let secret = made["secret"]["plaintext"].as_str().unwrap();
    let caller = world.admin(tenant, &id, secret).await;
    (id, caller)
}

story! {
    /// Nobody makes, changes or gets the credentials of a client that may more than they do.
    async fn nobody_gives_away_more_than_they_hold(world: World) {
        let first = world.operator["client_id"].as_str().unwrap();
        let (_, admin) = operator_with(&world, "keeper", &["tenant:admin"]).await;
        let grants = |scope: &str| json!([{"api": "urn:chancery:admin", "scopes": [scope]}]);
        for (verb, fields, input) in [
            ("createClient", "client { id }", json!({"tenant": "system", "name": "x", "grants": grants("platform:read")})),
            ("createClient", "client { id }", json!({"tenant": "system", "name": "x", "grants": grants("platform:admin")})),
            ("rotateClientSecret", "secret { id }", json!({"client": first})),
            ("issueClientSecret", "secret { id }", json!({"client": first})),
            ("disableClient", "client { id }", json!({"client": first, "reason": "mine now"})),
            ("updateClient", "client { id }", json!({"client": first, "name": "mine"})),
            ("updateClient", "client { id }", json!({"client": first, "grants": []})),
        ] {
            let answer = admin.mutation(verb, fields, input).await;
            assert_eq!(answer.refusal(), "EXCEEDS_CALLER", "{verb}");
        }
        let less = json!({"tenant": "system", "name": "reader", "grants": grants("tenant:read")});
        admin.mutation("createClient", "client { id }", less).await.data();
    }
}

story! {
    /// Two operators who delete each other at the same moment do not leave nobody.
    async fn two_last_operators_cannot_delete_each_other(world: World) {
        let first = world.operator["client_id"].as_str().unwrap().to_owned();
        let operator = world.operator().await;
        let (second, other) = operator_with(&world, "second", &["platform:admin"]).await;
        let delete = |client: &str| json!({"client": client, "reason": "one too many"});
        let (a, b) = tokio::join!(
            operator.mutation("deleteClient", "client { id }", delete(&second)),
            other.mutation("deleteClient", "client { id }", delete(&first)),
        );
        let deleted = [&a, &b].iter().filter(|answer| answer.body.get("errors").is_none()).count();
        assert_eq!(deleted, 1, "{a:?} {b:?}");
        let tenants = "{ tenants { pageInfo { hasNextPage } } }";
        let alive = [operator.query("tenants", tenants).await, other.query("tenants", tenants).await];
        assert_eq!(alive.iter().filter(|answer| answer.status == 200).count(), 1);
    }
}

story! {
    /// A request that comes in slowly is judged when it is complete, not when it began.
    async fn an_operator_who_is_disabled_in_the_middle_of_a_request_is_out(world: World) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let (id, slow) = operator_with(&world, "slow", &["platform:admin"]).await;
        let body = json!({"query": "mutation { createTenant(input: {slug: \"late\", displayName: \"Late\"}) { tenant { id } } }"}).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: chancery\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            slow.token(),
            body.len()
        );
        let mut connection = tokio::net::TcpStream::connect(&world.url["http://".len()..]).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&body.as_bytes()[..20]).await.unwrap();
        connection.flush().await.unwrap();

        let disable = json!({"client": id, "reason": "left"});
        world.operator().await.mutation("disableClient", "client { id }", disable).await.data();
        connection.write_all(&body.as_bytes()[20..]).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        let late = world.operator().await.query("tenant", "{ tenant(slug: \"late\") { id } }").await;
        assert_eq!(late.code(), "NOT_FOUND");
    }
}

story! {
    /// A caller that has ended is asked again before each change, not once for each request: what it
    /// does to itself holds for what it asks next.
    async fn a_caller_that_disables_itself_changes_nothing_more(world: World) {
        let (id, caller) = operator_with(&world, "leaving", &["platform:admin"]).await;
        let query = format!(
            "mutation {{
                first: disableClient(input: {{client: \"{id}\", reason: \"leaving\"}}) {{ client {{ id }} }}
                then: createTenant(input: {{slug: \"late\", displayName: \"Late\"}}) {{ tenant {{ id }} }}
            }}"
        );
        let answer = caller.send("then", &query, json!({})).await;
        assert_eq!(answer.body["data"]["then"], json!(null), "{:#}", answer.body);
        let errors = answer.body["errors"].as_array().unwrap();
        let then = errors.iter().find(|error| error["path"] == json!(["then"])).unwrap();
        assert_eq!(then["extensions"]["code"], "UNAUTHENTICATED");
        let late = world.operator().await.query("tenant", "{ tenant(slug: \"late\") { id } }").await;
        assert_eq!(late.code(), "NOT_FOUND");
    }
}

story! {
    /// The same within one tenant, where the change that is made next is under the lock of the one before; and for
    /// whoever is left with less than they had when they asked.
    async fn a_caller_that_takes_its_own_rights_away_changes_nothing_more(world: World) {
        let acme = world.acme().await;
        for (number, ends) in ["disableClient(input: {client: $id, reason: \"leaving\"})", "updateClient(input: {client: $id, grants: []})"].into_iter().enumerate() {
            let (id, caller) = admin_of(&world, "acme", &format!("leaving {number}"), &["tenant:admin"]).await;
            let query = format!(
                "mutation($id: ID!, $other: ID!) {{
                    before: updateClient(input: {{client: $other, description: \"before {number}\"}}) {{ client {{ description }} }}
                    first: {ends} {{ client {{ id }} }}
                    then: updateClient(input: {{client: $other, description: \"after\"}}) {{ client {{ id }} }}
                }}"
            );
            let answer = caller.send("then", &query, json!({"id": id, "other": acme.client})).await;
            assert_eq!(answer.body["data"]["before"]["client"]["description"], format!("before {number}"), "{:#}", answer.body);
            assert_eq!(answer.body["data"]["first"]["client"]["id"], id, "{:#}", answer.body);
            assert_eq!(answer.body["data"]["then"], json!(null), "{:#}", answer.body);
            assert_eq!(answer.body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
            let operator = world.operator().await;
            let read = operator.query("client", &format!("{{ client(id: \"{}\") {{ description }} }}", acme.client)).await.data();
            assert_eq!(read["description"], format!("before {number}"));
        }
    }
}

story! {
    /// The policy of `system` holds for every operator: nobody below the platform's administrators
    /// changes it, and they themselves cannot shut everybody out by it.
    async fn nobody_is_shut_out_by_the_policy_of_system(world: World) {
        let (_, keeper) = operator_with(&world, "keeper", &["tenant:admin", "platform:read"]).await;
        let operator = world.operator().await;
        let policy = |policy: serde_json::Value| json!({"tenant": "system", "policy": policy});
        let only_keys = json!({"allowedAuthMethods": ["PRIVATE_KEY_JWT"]});
        let ten_a_minute = json!({"rateLimit": {"client": {"requests": 10, "windowSeconds": 60}}});
        for wish in [&only_keys, &ten_a_minute] {
            let answer = keeper.mutation("updateTenant", "replayed", policy(wish.clone())).await;
            assert_eq!(answer.refusal(), "EXCEEDS_CALLER");
        }
        let name = json!({"tenant": "system", "displayName": "Operators"});
        keeper.mutation("updateTenant", "replayed", name).await.data();
        let answer = operator.mutation("updateTenant", "replayed", policy(only_keys)).await;
        assert_eq!(answer.refusal(), "LAST_OPERATOR");
        let less = json!({"allowedAuthMethods": ["CLIENT_SECRET_BASIC"]});
        operator.mutation("updateTenant", "replayed", policy(less)).await.data();
        world.operator().await;
    }
}
