//! What an operator of the server can turn off, and what bounds an answer of the admin API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{World, story};

async fn ask(world: &World, node: &str, query: &str) -> (u16, Value) {
    let operator = world.operator().await;
    let request = world
        .http
        .post(format!("{node}/graphql"))
        .bearer_auth(operator.token());
    let answer = request.json(&json!({"query": query})).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

story! {
    async fn introspection_is_refused_where_it_is_turned_off(world: World) {
        let off = world.another_node_with(|settings| settings.admin_api.introspection = false).await;
        for query in [
            "{ __schema { types { name } } }",
            "{ a: __schema { types { name } } }",
            "{ __type(name: \"Client\") { name } }",
            "{ ...F } fragment F on Query { ... on Query { __schema { queryType { name } } } }",
        ] {
            let (_, answer) = ask(&world, &world.url, query).await;
            assert!(answer["errors"].is_null() && answer["data"].is_object(), "{answer:#}");
            let (status, answer) = ask(&world, &off, query).await;
            let error = &answer["errors"][0];
            assert_eq!((status, &error["extensions"]["code"]), (200, &json!("INVALID_INPUT")), "{answer:#}");
            assert!(error["message"].as_str().unwrap().contains("introspection is turned off"), "{answer:#}");
            assert!(answer["data"].is_null(), "{answer:#}");
        }
        // What a client needs to tell the types of an answer apart is no introspection.
        let (_, answer) = ask(&world, &off, "{ __typename tenants { edges { node { __typename slug } } } }").await;
        assert_eq!(answer["data"]["tenants"]["edges"][0]["node"], json!({"__typename": "Tenant", "slug": "system"}));

        for (node, says) in [(&world.url, false), (&off, true)] {
            let page = world.http.get(format!("{node}/graphql")).send().await.unwrap();
            assert_eq!(page.status(), 200);
            let page = page.text().await.unwrap();
            assert_eq!(page.contains("<body data-introspection=\"off\">"), says, "{page}");
        }
    }
}

story! {
    /// A preview may look at many clients, which few of them in one request do.
    async fn a_request_previews_a_bounded_number_of_policies(world: World) {
        let previews = |count: usize| {
            let preview = "previewTenantPolicy(input: {tenant: \"system\", policy: {maxLiveSecrets: 1}}) { refusal }";
            let all: Vec<_> = (0..count).map(|number| format!("p{number}: {preview}")).collect();
            format!("{{ {} }}", all.join(" "))
        };
        let (_, answer) = ask(&world, &world.url, &previews(9)).await;
        assert!(answer["errors"].is_null(), "{answer:#}");
        let (_, answer) = ask(&world, &world.url, &previews(11)).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("100000") && message.contains("smaller pages (`first`)"), "{answer:#}");
    }
}

story! {
    /// While a change waits for a lock that somebody holds, its caller is told in time, and the change is
    /// made as a whole when the lock is free.
    async fn a_change_that_takes_too_long_is_answered_and_goes_on(world: World) {
        world.acme().await;
        let patience = Duration::from_millis(300);
        let hasty = world.another_node_with(|settings| settings.admin_api.patience = patience).await;
        let tenant = world.operator().await.query("tenant", "{ tenant(slug: \"acme\") { id } }").await.data();
        let tenant = tenant["id"].as_str().unwrap().parse().unwrap();
        // Every node is known and warm before the lock is taken.
        ask(&world, &hasty, "{ tenant(slug: \"acme\") { displayName } }").await;
        let operator = world.operator().await;

        let mut holder = world.store.begin().await.unwrap();
        holder.take_numbers(tenant, 0, world.now()).await.unwrap();
        let rename = "mutation { updateTenant(input: {tenant: \"acme\", displayName: \"Late\"}) { replayed } }";
        let answer = world.http.post(format!("{hasty}/graphql")).bearer_auth(operator.token());
        let answer = answer.json(&json!({"query": rename})).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
        let name = || async {
            let query = "{ tenant(slug: \"acme\") { displayName } }";
            operator.query("tenant", query).await.data()["displayName"].clone()
        };
        assert_eq!(name().await, "acme");

        holder.rollback().await.unwrap();
        let since = Instant::now();
        while name().await != "Late" {
            assert!(since.elapsed() < Duration::from_secs(20), "the change was lost");
        }
    }
}

story! {
    /// Which of two values counts is every reader's own choice, so neither is taken.
    async fn a_member_that_stands_twice_is_refused(world: World) {
        let operator = world.operator().await;
        let post = async |body: String| {
            let request = world.http.post(format!("{}/graphql", world.url)).bearer_auth(operator.token());
            let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        };
        let literal = json!({"query": "mutation { createTenant(input: {slug: \"one\", displayName: \"A\", displayName: \"B\"}) { tenant { id } } }"});
        let variables = r#"{"query": "mutation M($i: CreateTenantInput!) { createTenant(input: $i) { tenant { id } } }", "variables": {"i": {"slug": "one", "displayName": "A", "displayName": "B"}}}"#;
        for (body, expected) in [(literal.to_string(), 200), (variables.to_owned(), 400)] {
            let (status, answer) = post(body).await;
            let error = &answer["errors"][0];
            assert_eq!((status, &error["extensions"]["code"]), (expected, &json!("INVALID_INPUT")), "{answer:#}");
            assert!(error["message"].as_str().unwrap().contains("twice"), "{answer:#}");
        }
        let made = operator.query("tenant", "{ tenant(slug: \"one\") { id } }").await;
        assert_eq!(made.code(), "NOT_FOUND");
    }
}
