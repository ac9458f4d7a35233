//! The roll over a WebSocket: caught up with and followed, without a gap and without a double.

use chancery_domain::tenant::TenantPolicy;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    roll_reading::holder,
    support::{Socket, World, number, story},
};

/// How many write at once, and how often each.
const WRITERS: usize = 4;
const EACH: usize = 15;

async fn head(world: &World, tenant: &str) -> i64 {
    let query = format!("{{ tenant(slug: \"{tenant}\") {{ head }} }}");
    let head = world.operator().await.query("tenant", &query).await.data()["head"].clone();
    head.as_str().unwrap().parse().unwrap()
}

async fn describe(world: &World, node: &str, token: &str, client: &str, text: &str) {
    let query =
        "mutation ($input: UpdateClientInput!) { updateClient(input: $input) { replayed } }";
    let input = json!({"input": {"client": client, "description": text}});
    let answer = world
        .http
        .post(format!("{node}/graphql"))
        .bearer_auth(token)
        .json(&json!({"query": query, "variables": input}));
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer:#}");
}

story! {
    async fn a_follower_catches_up_and_then_gets_each_new_entry(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let known = head(&world, "acme").await;
        let mut socket = Socket::with_token(&world.url, operator.token()).await;
        socket.follow("acme", None).await;
        assert_eq!(socket.numbers(usize::try_from(known).unwrap()).await, (1..=known).collect::<Vec<_>>());

        operator.mutation("disableClient", "replayed", json!({"client": acme.client, "reason": "leak"})).await.data();
        let entry = socket.entry().await;
        assert_eq!((number(&entry), &entry["type"], &entry["aggregateId"]), (known + 1, &json!("ClientDisabled"), &json!(acme.client)));
        assert_eq!(entry["payload"], json!({"reason": "leak"}));
        assert_eq!(entry["actor"]["id"], world.operator["client_id"]);

        // A second subscription on the same connection, from the present on.
        socket.subscribe("2", "subscription { events(tenant: \"acme\", after: \"0\") { type } }", json!({})).await;
        let first = socket.next().await;
        assert_eq!((&first["id"], &first["payload"]["data"]["events"]["type"]), (&json!("2"), &json!("TenantCreated")));
        socket.send(&json!({"type": "complete", "id": "2"})).await;
        while socket.next().await != json!({"type": "complete", "id": "2"}) {}
        operator.mutation("enableClient", "replayed", json!({"client": acme.client})).await.data();
        assert_eq!(number(&socket.entry().await), known + 2, "the other one goes on");
        socket.send(&json!({"type": "ping"})).await;
        assert_eq!(socket.next().await, json!({"type": "pong"}));
    }
}

story! {
    async fn through_reconnects_on_two_nodes_under_writes_every_entry_comes_once(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let other = world.another_node().await;
        let known = head(&world, "acme").await;
        let last = known + i64::try_from(WRITERS * EACH).unwrap();

        let writes = async {
            let mut writers = Vec::new();
            for writer in 0..WRITERS {
                let (node, world, client) = ([&world.url, &other][writer % 2], &world, &acme.client);
                let token = operator.token();
                writers.push(async move {
                    for turn in 0..EACH {
                        describe(world, node, token, client, &format!("{writer}/{turn}")).await;
                    }
                });
            }
            futures_util::future::join_all(writers).await;
        };
        let reads = async {
            // Each connection is left in the middle of a page, and the next one goes to the other node.
            let mut seen: Vec<i64> = Vec::new();
            let mut after: Option<String> = None;
            let mut turn = 0;
            while seen.last() != Some(&last) {
                turn += 1;
                let node = [&world.url, &other][turn % 2];
                let mut socket = Socket::with_token(node, operator.token()).await;
                socket.follow("acme", after.as_deref()).await;
                for _ in 0..7 {
                    let entry = socket.entry().await;
                    seen.push(number(&entry));
                    after = Some(entry["cursor"].as_str().unwrap().to_owned());
                    if seen.last() == Some(&last) {
                        break;
                    }
                }
            }
            seen
        };
        let ((), seen) = tokio::join!(writes, reads);
        assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    }
}

story! {
    async fn many_followers_of_one_roll_see_the_same(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let other = world.another_node().await;
        let known = head(&world, "acme").await;
        let mut followers = JoinSet::new();
        for follower in 0..10 {
            let node = if follower % 2 == 0 { world.url.clone() } else { other.clone() };
            let mut socket = Socket::with_token(&node, operator.token()).await;
            let after = known.to_string();
            socket.follow("acme", Some(&after)).await;
            followers.spawn(async move { socket.numbers(20).await });
        }
        for turn in 0..20 {
            describe(&world, &world.url, operator.token(), &acme.client, &turn.to_string()).await;
        }
        while let Some(seen) = followers.join_next().await {
            assert_eq!(seen.unwrap(), (known + 1..=known + 20).collect::<Vec<_>>());
        }
    }
}

story! {
    async fn a_subscription_ends_with_its_token(world: World) {
        world.acme().await;
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let mut socket = Socket::with_token(&world.url, auditor.token()).await;
        socket.follow("acme", None).await;
        assert_eq!(number(&socket.entry().await), 1);
        world.clock.advance(i64::from(TenantPolicy::default().access_token_seconds));
        assert_eq!(socket.closed().await, (4403, "the token has expired".to_owned()));
    }
}

story! {
    async fn a_subscription_ends_with_its_client_tenant_or_scope(world: World) {
        world.acme().await;
        world.tenant_like_acme("globex").await;
        let operator = world.operator().await;
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let id = crate::support::claims(auditor.token())["client_id"].clone();
        let known = head(&world, "acme").await.to_string();
        let other = world.another_node().await;
        let (mut here, mut there) = (Socket::with_token(&world.url, auditor.token()).await, Socket::with_token(&other, auditor.token()).await);
        here.follow("acme", Some(&known)).await;
        there.follow("acme", Some(&known)).await;
        operator.mutation("disableClient", "replayed", json!({"client": id, "reason": "left"})).await.data();
        for socket in [&mut here, &mut there] {
            // Not even the entry of its own end.
            loop {
                match socket.ended_or_next().await {
                    Ok(message) => assert!(message["type"] == "complete" || message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED", "{message:#}"),
                    Err(close) => {
                        assert_eq!(close, (4403, "the client is not active".to_owned()));
                        break;
                    }
                }
            }
        }

        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let id = crate::support::claims(auditor.token())["client_id"].clone();
        let mut socket = Socket::with_token(&world.url, auditor.token()).await;
        operator.mutation("updateClient", "replayed", json!({"client": id, "grants": []})).await.data();
        assert_eq!(socket.closed().await, (4403, "a scope of the token is not granted any more".to_owned()));

        let auditor = holder(&world, "globex", &["tenant:admin"]).await;
        let mut socket = Socket::with_token(&world.url, auditor.token()).await;
        socket.follow("globex", None).await;
        operator.mutation("suspendTenant", "replayed", json!({"tenant": "globex", "reason": "unpaid"})).await.data();
        assert_eq!(socket.closed().await, (4403, "the tenant is not active".to_owned()));
    }
}

story! {
    async fn nobody_follows_what_is_not_theirs(world: World) {
        world.acme().await;
        world.tenant_like_acme("globex").await;
        let admin = holder(&world, "acme", &["tenant:admin"]).await;
        let mut socket = Socket::with_token(&world.url, admin.token()).await;
        socket.follow("globex", None).await;
        assert_eq!(socket.refused().await, "NOT_FOUND");
        socket.follow("nobody", None).await;
        assert_eq!(socket.refused().await, "NOT_FOUND");
        let reader = holder(&world, "acme", &["tenant:read"]).await;
        let mut reading = Socket::with_token(&world.url, reader.token()).await;
        reading.follow("acme", None).await;
        assert_eq!(reading.refused().await, "FORBIDDEN");
        for after in ["100000", "x"] {
            socket.follow("acme", Some(after)).await;
            assert_eq!(socket.refused().await, "INVALID_INPUT", "{after}");
        }
        socket.follow("acme", None).await;
        assert_eq!(number(&socket.entry().await), 1, "after refusals the connection is as good as new");

        let operator = world.operator().await;
        for (said, reason) in [
            ("", "connection_init needs a payload like {\"authorization\": \"Bearer …\"}"),
            ("not.a.token", "the access token is malformed, expired, revoked or for another audience"),
        ] {
            let mut socket = Socket::open(&world.url).await;
            if said.is_empty() {
                socket.send(&json!({"type": "connection_init"})).await;
            } else {
                socket.init(said).await;
            }
            assert_eq!(socket.closed().await, (4403, reason.to_owned()));
        }
        // A cookie is nothing, and neither is a header: who asks is said in the first message.
        let mut socket = Socket::open(&world.url).await;
        socket.follow("acme", None).await;
        assert_eq!(socket.closed().await.0, 4401);
        drop(operator);
    }
}

story! {
    async fn a_connection_keeps_to_its_bounds(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let (node, token) = (&world.url, operator.token());

        // Whoever says nothing is gone after a while; the rest of the story takes place meanwhile.
        let mut silent = Socket::open(node).await;

        let mut socket = Socket::with_token(node, token).await;
        socket.init(token).await;
        assert_eq!(socket.closed().await.0, 4429);

        let mut socket = Socket::with_token(node, token).await;
        socket.follow("acme", None).await;
        socket.follow("acme", None).await;
        assert_eq!(socket.closed().await.0, 4409);

        let mut socket = Socket::with_token(node, token).await;
        for id in 0..17 {
            socket.subscribe(&id.to_string(), "subscription { events(tenant: \"acme\") { id } }", json!({})).await;
        }
        assert_eq!(socket.closed().await, (4429, "a connection has 16 subscriptions at most".to_owned()));

        let mut socket = Socket::with_token(node, token).await;
        socket.text("hello".to_owned()).await;
        assert_eq!(socket.closed().await.0, 4400);

        let mut socket = Socket::with_token(node, token).await;
        socket.text("x".repeat(70_000)).await;
        assert_eq!(socket.closed().await.0, 1009);

        // The same checks as for any document, and nothing but subscriptions.
        let mut socket = Socket::with_token(node, token).await;
        let deep = format!("subscription {}", "{a".repeat(100));
        let again = "id ".repeat(600);
        let wide = format!("subscription {{ events(tenant: \"acme\") {{ {again} }} }}");
        for query in [deep.as_str(), &wide, "subscription { nothing }", "{ tenants { edges { cursor } } }",
            "mutation { suspendTenant(input: {tenant: \"acme\", reason: \"x\"}) { replayed } }"] {
            socket.subscribe("1", query, json!({})).await;
            assert_eq!(socket.refused().await, "INVALID_INPUT", "{query}");
        }
        let state = operator.query("tenant", "{ tenant(slug: \"acme\") { state } }").await.data();
        assert_eq!(state["state"], "ACTIVE");

        let mut many = Vec::new();
        for _ in 0..15 {
            many.push(Socket::with_token(node, token).await);
        }
        let mut one_too_many = Socket::open(node).await;
        one_too_many.init(token).await;
        assert_eq!(one_too_many.closed().await, (1013, "this client has as many connections as it may have".to_owned()));
        drop(many);

        let plain = world.http.get(format!("{node}/graphql/ws")).send().await.unwrap();
        assert_eq!(plain.status(), 400);
        assert_eq!(silent.closed().await.0, 4408);
    }
}

story! {
    async fn a_server_that_stops_says_so(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let mut socket = Socket::with_token(&world.url, operator.token()).await;
        socket.follow("acme", None).await;
        assert_eq!(number(&socket.entry().await), 1);
        let (world, close) = tokio::join!(world.restart(), socket.closed());
        assert_eq!(close.0, 1001, "{}", close.1);
        drop(world);
    }
}
