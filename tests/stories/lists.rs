//! Pages of lists, with what belongs to each entry.

use serde_json::{Value, json};

use crate::support::{World, story};

/// What every entry of a connection holds under this pointer.
fn each(connection: &Value, pointer: &str) -> Vec<Value> {
    let edges = connection["edges"].as_array().unwrap();
    let nodes = edges.iter().map(|edge| &edge["node"]);
    nodes
        .map(|node| node.pointer(pointer).unwrap().clone())
        .collect()
}

story! {
    /// A page of clients shows of each its own secrets and the APIs that it is granted, and pages join
    /// without a gap.
    async fn a_page_of_clients_shows_what_belongs_to_each(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let mut expected = vec![(json!(acme.client), json!(acme.secret_id))];
        for number in 0..6 {
            let input = json!({"tenant": "acme", "name": format!("client {number}")});
            let created = operator.mutation("createClient", "client { id } secret { id }", input).await.data();
            expected.push((created["client"]["id"].clone(), created["secret"]["id"].clone()));
        }
        let fields = "edges { node { id tenant { slug } secrets { id } grants { api { identifier name } } } } pageInfo { hasNextPage endCursor }";
        let query = |after: &str| format!("{{ clients(tenant: \"acme\", first: 4{after}) {{ {fields} }} }}");
        let first = operator.query("clients", &query("")).await.data();
        let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
        let second = operator.query("clients", &query(&format!(", after: \"{cursor}\""))).await.data();
        assert_eq!((&first["pageInfo"]["hasNextPage"], &second["pageInfo"]["hasNextPage"]), (&json!(true), &json!(false)));

        let mut found = Vec::new();
        for page in [&first, &second] {
            assert!(each(page, "/tenant/slug").iter().all(|slug| slug == "acme"));
            assert!(each(page, "/secrets").iter().all(|secrets| secrets.as_array().unwrap().len() == 1));
            found.extend(each(page, "/id").into_iter().zip(each(page, "/secrets/0/id")));
        }
        // Ids of one moment are in no order among themselves.
        for all in [&mut found, &mut expected] {
            all.sort_by_key(|(client, _)| client.to_string());
        }
        assert_eq!(found, expected);
        let grants: Vec<_> = [&first, &second].iter().flat_map(|page| each(page, "/grants")).filter(|grants| *grants != json!([])).collect();
        assert_eq!(grants, [json!([{"api": {"identifier": "https://orders.example", "name": "Orders"}}])]);

        // What belongs to two tenants is read in one request as well.
        let query = format!(
            "query {{ a: client(id: \"{}\") {{ secrets {{ id }} tenant {{ slug }} }} b: client(id: \"{}\") {{ secrets {{ id }} tenant {{ slug }} }} }}",
            acme.client, umbrella.client
        );
        let answer = operator.query("a", &query).await;
        assert_eq!(answer.body["data"], json!({
            "a": {"secrets": [{"id": acme.secret_id}], "tenant": {"slug": "acme"}},
            "b": {"secrets": [{"id": umbrella.secret_id}], "tenant": {"slug": "umbrella"}},
        }));
    }
}

/// The names of the clients that a filter lets through, page by page of two.
async fn names(operator: &crate::support::GraphQl<'_>, filter: Value) -> Vec<String> {
    let query = "query($filter: ClientFilter, $after: String) { clients(tenant: \"acme\", first: 2, after: $after, \
                 filter: $filter) { edges { cursor node { name } } pageInfo { hasNextPage endCursor } } }";
    let (mut names, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({"filter": filter, "after": after});
        let page = operator.send("clients", query, variables).await.data();
        let of_page = each(&page, "/name");
        names.extend(
            of_page
                .iter()
                .map(|name| name.as_str().unwrap_or("-").to_owned()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            return names;
        }
        assert_eq!(
            page["edges"].as_array().unwrap().last().unwrap()["cursor"],
            page["pageInfo"]["endCursor"]
        );
        after = page["pageInfo"]["endCursor"].clone();
    }
}

story! {
    /// Clients are found by name, state, API, method, end and creation, and by any of these together.
    async fn clients_are_found_by_what_is_known_of_them(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let unnamed = json!({"tenant": "acme", "policy": {"requireClientName": false}});
        operator.mutation("updateTenant", "replayed", unnamed).await.data();
        world.clock.advance(60);
        let since = world.now().to_string();
        let mut ids = std::collections::BTreeMap::new();
        for (name, days, granted) in [
            ("Billing EU", Some(1), true), ("billing US", Some(30), false), ("Bücher", None, true), ("ops", Some(2), true),
            ("Ops old", None, false),
        ] {
            world.clock.advance(1);
            let grants = if granted { json!([{"api": "https://orders.example", "scopes": ["orders:read"]}]) } else { json!([]) };
            let input = json!({"tenant": "acme", "name": name, "expiresInDays": days, "grants": grants});
            let created = operator.mutation("createClient", "client { id }", input).await.data();
            ids.insert(name, created["client"]["id"].clone());
        }
        world.clock.advance(1);
        operator.mutation("createClient", "client { id }", json!({"tenant": "acme"})).await.data();
        operator.mutation("disableClient", "replayed", json!({"client": ids["ops"], "reason": "idle"})).await.data();
        operator.mutation("deleteClient", "replayed", json!({"client": ids["Ops old"], "reason": "gone"})).await.data();
        world.clock.advance(86_400);
        let operator = world.operator().await;

        let everyone = ["billing", "Billing EU", "billing US", "Bücher", "ops", "Ops old", "-"];
        let soon = world.now().plus_days(3).to_string();
        let late = world.now().plus_days(300).to_string();
        for (filter, expected) in [
            (json!(null), &everyone[..]),
            (json!({"states": null}), &everyone),
            (json!({"search": " BILL "}), &["billing", "Billing EU", "billing US"]),
            (json!({"search": "bÜ"}), &["Bücher"]),
            (json!({"search": "illing"}), &[]),
            (json!({"states": ["DISABLED", "DELETED"]}), &["ops", "Ops old"]),
            (json!({"states": ["EXPIRED"]}), &["Billing EU"]),
            (json!({"states": ["ACTIVE"]}), &["billing", "billing US", "Bücher", "-"]),
            (json!({"search": "o", "states": ["DELETED"]}), &["Ops old"]),
            (json!({"api": "https://orders.example"}), &["billing", "Billing EU", "Bücher", "ops"]),
            (json!({"api": "https://orders.example", "search": "bil", "states": ["ACTIVE"]}), &["billing"]),
            (json!({"authMethod": "CLIENT_SECRET"}), &everyone),
            (json!({"authMethod": "PRIVATE_KEY_JWT"}), &[]),
            (json!({"expiringBefore": soon}), &["Billing EU"]),
            (json!({"expiringBefore": late}), &["Billing EU", "billing US"]),
            (json!({"expiringBefore": late, "states": ["ACTIVE"]}), &["billing US"]),
            (json!({"createdSince": since}), &everyone[1..]),
            (json!({"createdSince": late}), &[]),
        ] {
            assert_eq!(names(&operator, filter.clone()).await, expected, "{filter}");
        }

        // What changes is found as it is now.
        let renamed = json!({"client": ids["Bücher"], "name": "Zeitung", "grants": []});
        operator.mutation("updateClient", "replayed", renamed).await.data();
        assert_eq!(names(&operator, json!({"search": "zeit"})).await, ["Zeitung"]);
        assert!(names(&operator, json!({"search": "bü"})).await.is_empty());
        assert_eq!(names(&operator, json!({"api": "https://orders.example"})).await, ["billing", "Billing EU", "ops"]);
        let counts = "{ tenant(slug: \"acme\") { counts { enabledClients disabledClients deletedClients activeApis retiredApis } } }";
        assert_eq!(operator.query("tenant", counts).await.data()["counts"], json!({
            "enabledClients": "5", "disabledClients": "1", "deletedClients": "1", "activeApis": "2", "retiredApis": "0"
        }));
    }
}

story! {
    /// A cursor leads on only in the list that gave it, and a filter that cannot be meant is refused.
    async fn faulty_filters_and_cursors_of_another_order_are_refused(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let page = operator.query("clients", "{ clients(tenant: \"acme\") { pageInfo { endCursor } } }").await.data();
        let cursor = page["pageInfo"]["endCursor"].as_str().unwrap();
        let query = format!("{{ clients(tenant: \"acme\", after: \"{cursor}\", filter: {{search: \"b\"}}) {{ edges {{ cursor }} }} }}");
        assert_eq!(operator.query("clients", &query).await.fault_paths(), ["after"]);
        let wrong = "{ clients(tenant: \"acme\", filter: {search: \" \", states: [], api: \"x\", expiringBefore: \"soon\", createdSince: \"\"}) { edges { cursor } } }";
        assert_eq!(operator.query("clients", wrong).await.fault_paths(), [
            "filter.search", "filter.states", "filter.api", "filter.expiringBefore", "filter.createdSince"
        ]);
        let nowhere = "{ clients(tenant: \"acme\", filter: {api: \"https://nowhere.example\"}) { edges { cursor } } }";
        assert_eq!(operator.query("clients", nowhere).await.code(), "NOT_FOUND");
        let wrong = "{ tenants(filter: {search: \"\", states: [], createdSince: \"x\"}) { edges { cursor } } }";
        assert_eq!(operator.query("tenants", wrong).await.fault_paths(), ["filter.search", "filter.states", "filter.createdSince"]);
    }
}

story! {
    /// Tenants are found by slug or by name, each once, and by state and creation.
    async fn tenants_are_found_by_slug_or_name(world: World) {
        let operator = world.operator().await;
        let before = world.now();
        for (slug, name) in [("acme", "Acme"), ("acme-eu", "Zürich"), ("umbrella", "ACME Umbrella"), ("other", "Other")] {
            world.clock.advance(1);
            operator.mutation("createTenant", "replayed", json!({"slug": slug, "displayName": name})).await.data();
        }
        operator.mutation("suspendTenant", "replayed", json!({"tenant": "acme-eu", "reason": "unpaid"})).await.data();
        operator.mutation("closeTenant", "replayed", json!({"tenant": "other", "reason": "left"})).await.data();
        let query = "query($filter: TenantFilter, $after: String) { tenants(first: 1, after: $after, filter: $filter) \
                     { edges { node { slug } } pageInfo { hasNextPage endCursor } } }";
        for (filter, expected) in [
            (json!(null), &["system", "acme", "acme-eu", "umbrella", "other"][..]),
            (json!({"search": "aCmE"}), &["acme", "umbrella", "acme-eu"]),
            (json!({"search": "zü"}), &["acme-eu"]),
            (json!({"search": "acme", "states": ["ACTIVE"]}), &["acme", "umbrella"]),
            (json!({"states": ["SUSPENDED", "CLOSED"]}), &["acme-eu", "other"]),
            (json!({"states": ["CLOSED"]}), &["other"]),
            (json!({"createdSince": before.plus_seconds(3).to_string()}), &["umbrella", "other"]),
        ] {
            let (mut found, mut after) = (Vec::new(), Value::Null);
            loop {
                let page = operator.send("tenants", query, json!({"filter": filter, "after": after})).await.data();
                found.extend(each(&page, "/slug"));
                after = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter}");
        }
        operator.mutation("updateTenant", "replayed", json!({"tenant": "acme", "displayName": "Zebra"})).await.data();
        let page = operator.send("tenants", query, json!({"filter": {"search": "zeb"}})).await.data();
        assert_eq!(each(&page, "/slug"), ["acme"]);
    }
}
