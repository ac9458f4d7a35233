//! The roll through the admin API: who may read it, pages and filters.

use serde_json::{Value, json};

use crate::support::{GraphQl, World, story};

/// A client with these scopes of a tenant's admin API.
pub(crate) async fn holder<'a>(world: &'a World, tenant: &str, scopes: &[&str]) -> GraphQl<'a> {
    let created = world
        .operator()
        .await
        .mutation(
            "createClient",
            "client { id } secret { plaintext }",
            json!({"tenant": tenant, "name": scopes.join(" "), "grants": [{"api": "urn:chancery:admin", "scopes": scopes}]}),
        )
        .await
        .data();
    let text = |pointer: &str| {
        created
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    world
        .admin(tenant, &text("/client/id"), &text("/secret/plaintext"))
        .await
}

async fn events(caller: &GraphQl<'_>, variables: Value) -> Value {
    let query = "query ($tenant: String!, $first: Int, $after: String, $filter: EventFilter) {
        events(tenant: $tenant, first: $first, after: $after, filter: $filter) {
            edges { cursor node { id cursor tenantSeq recordedAt type version aggregateType aggregateId aggregateSeq
                                  actor { type id } commandId traceId payload } }
            pageInfo { hasNextPage endCursor } } }";
    caller.send("events", query, variables).await.data()
}

fn nodes(page: &Value) -> Vec<Value> {
    let edges = page["edges"].as_array().unwrap();
    assert!(
        edges
            .iter()
            .all(|edge| edge["cursor"] == edge["node"]["cursor"])
    );
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

fn numbers(page: &Value) -> Vec<String> {
    nodes(page)
        .iter()
        .map(|node| node["tenantSeq"].as_str().unwrap().to_owned())
        .collect()
}

story! {
    async fn a_roll_is_read_page_by_page(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let all = nodes(&events(&operator, json!({"tenant": "acme"})).await);
        assert_eq!(all[0]["type"], "TenantCreated");
        assert_eq!((&all[0]["tenantSeq"], &all[0]["version"], &all[0]["aggregateSeq"]), (&json!("1"), &json!(1), &json!("1")));
        assert_eq!(all[0]["payload"]["slug"], "acme");
        assert_eq!(all[0]["actor"]["type"], "client");
        assert_eq!(all[0]["actor"]["id"], world.operator["client_id"]);
        assert_eq!(all[0]["traceId"].as_str().unwrap().len(), 32);
        let head = operator.query("tenant", "{ tenant(slug: \"acme\") { head } }").await.data()["head"].clone();
        assert_eq!(all.last().unwrap()["tenantSeq"], head);

        // Creating the client wrote several entries in one commit: pages of two end within it.
        let mut paged = Vec::new();
        let mut after = Value::Null;
        loop {
            let page = events(&operator, json!({"tenant": "acme", "first": 2, "after": after})).await;
            paged.extend(nodes(&page));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(paged, all);

        // The end of the roll loses nothing that comes later.
        let end = events(&operator, json!({"tenant": "acme", "after": after})).await;
        assert_eq!(end, json!({"edges": [], "pageInfo": {"hasNextPage": false, "endCursor": null}}));
        operator.mutation("disableClient", "replayed", json!({"client": acme.client, "reason": "leak"})).await.data();
        let more = nodes(&events(&operator, json!({"tenant": "acme", "after": after})).await);
        assert_eq!((more.len(), &more[0]["type"], &more[0]["payload"]), (1, &json!("ClientDisabled"), &json!({"reason": "leak"})));
        // A number is as good as a cursor.
        assert_eq!(nodes(&events(&operator, json!({"tenant": "acme", "after": head})).await), more);

        let beyond = operator.send("events", "{ events(tenant: \"acme\", after: \"1000\") { edges { cursor } } }", json!({})).await;
        assert_eq!(beyond.fault_paths(), ["after"]);
        let foreign = operator.send("events", "{ events(tenant: \"acme\", after: \"Y2xpZW50\", first: 0, filter: {types: [\"X\"]}) { edges { cursor } } }", json!({})).await;
        assert_eq!(foreign.fault_paths(), ["first", "after", "filter.types[0]"]);
    }
}

story! {
    async fn entries_are_found_by_what_they_are(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let admin = holder(&world, "acme", &["tenant:admin"]).await;
        world.clock.advance(60);
        let since = world.now().to_string();
        admin.mutation("disableClient", "replayed", json!({"client": acme.client, "reason": "leak"})).await.data();
        world.clock.advance(60);
        let until = world.now().to_string();
        operator.mutation("enableClient", "replayed", json!({"client": acme.client})).await.data();

        let all = nodes(&events(&operator, json!({"tenant": "acme"})).await);
        let admin_id = all.iter().find(|node| node["type"] == "ClientDisabled").unwrap()["actor"]["id"].clone();
        let matching = |test: &dyn Fn(&Value) -> bool| -> Vec<String> {
            let found = all.iter().filter(|node| test(node));
            found.map(|node| node["tenantSeq"].as_str().unwrap().to_owned()).collect()
        };
        for (filter, expected) in [
            (json!({"types": ["ClientDisabled", "TenantCreated"]}), matching(&|node| ["ClientDisabled", "TenantCreated"].contains(&node["type"].as_str().unwrap()))),
            (json!({"aggregateType": "api"}), matching(&|node| node["aggregateType"] == "api")),
            (json!({"aggregateId": acme.client}), matching(&|node| node["aggregateId"] == acme.client.as_str())),
            (json!({"aggregateId": acme.client, "aggregateType": "client", "types": ["ClientEnabled"]}), matching(&|node| node["type"] == "ClientEnabled")),
            (json!({"actorId": admin_id}), matching(&|node| node["actor"]["id"] == admin_id)),
            (json!({"actorType": "client"}), matching(&|_| true)),
            (json!({"actorType": "cli"}), vec![]),
            (json!({"since": since}), matching(&|node| node["recordedAt"].as_str().unwrap() >= since.as_str())),
            (json!({"until": since}), matching(&|node| node["recordedAt"].as_str().unwrap() < since.as_str())),
            (json!({"since": since, "until": until}), matching(&|node| node["type"] == "ClientDisabled")),
        ] {
            let found = numbers(&events(&operator, json!({"tenant": "acme", "first": 1_000, "filter": filter})).await);
            assert_eq!(found, expected, "{filter}");
            assert!(filter["actorType"] == "cli" || !found.is_empty(), "{filter}");
        }
        let installed = events(&operator, json!({"tenant": "system", "filter": {"actorType": "installation"}})).await;
        assert_eq!(nodes(&installed)[0]["actor"], json!({"type": "installation", "id": "bootstrap"}));
    }
}

story! {
    async fn only_auditors_read_a_roll(world: World) {
        world.acme().await;
        world.tenant_like_acme("globex").await;
        let query = |tenant: &str| format!("{{ events(tenant: \"{tenant}\", first: 1) {{ edges {{ node {{ type }} }} }} }}");
        for (home, scopes, own, other) in [
            ("acme", "audit:read", "", "NOT_FOUND"),
            ("acme", "tenant:admin", "", "NOT_FOUND"),
            ("acme", "tenant:read", "FORBIDDEN", "NOT_FOUND"),
            ("system", "audit:read", "", ""),
            ("system", "platform:read", "", ""),
            ("system", "platform:admin", "", ""),
            ("system", "tenant:admin", "", "NOT_FOUND"),
            ("system", "tenant:read", "FORBIDDEN", "NOT_FOUND"),
        ] {
            let caller = holder(&world, home, &[scopes]).await;
            for (tenant, outcome) in [(home, own), ("globex", other)] {
                let answer = caller.query("events", &query(tenant)).await;
                match outcome {
                    "" => assert_eq!(answer.data()["edges"].as_array().unwrap().len(), 1),
                    code => assert_eq!(answer.code(), code, "{scopes} of {home} in {tenant}"),
                }
            }
        }
        // An auditor sees the roll and nothing beside it.
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        assert_eq!(auditor.query("tenant", "{ tenant(slug: \"acme\") { slug } }").await.code(), "FORBIDDEN");
        assert_eq!(auditor.query("clients", "{ clients(tenant: \"acme\") { edges { cursor } } }").await.code(), "FORBIDDEN");
    }
}
