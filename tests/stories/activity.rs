//! The activity log through the admin API: what token traffic did, who read, and when credentials were
//! last used.

use serde_json::{Value, json};

use chancery_token_service::TrustedProxies;

use crate::{
    console::readers::holder as credential,
    roll_reading::holder,
    support::{GraphQl, Socket, World, story},
};

async fn activity(caller: &GraphQl<'_>, variables: Value) -> Value {
    let query = "query ($tenant: String!, $first: Int, $after: String, $filter: ActivityFilter) {
        activity(tenant: $tenant, first: $first, after: $after, filter: $filter) {
            edges { cursor node { id at kind client credentialId scopes audience jti expiresAt address userAgent
                                  reason traceId times } }
            pageInfo { hasNextPage endCursor } } }";
    caller.send("activity", query, variables).await.data()
}

fn nodes(page: &Value) -> Vec<Value> {
    let edges = page["edges"].as_array().unwrap().iter();
    edges.map(|edge| edge["node"].clone()).collect()
}

fn kinds(page: &Value) -> Vec<String> {
    let kind = |node: &Value| node["kind"].as_str().unwrap().to_owned();
    nodes(page).iter().map(kind).collect()
}

async fn found(caller: &GraphQl<'_>, filter: Value) -> Vec<String> {
    kinds(&activity(caller, json!({"tenant": "acme", "filter": filter})).await)
}

story! {
    async fn what_token_traffic_did_is_read_with_every_member(world: World) {
        let acme = world.acme().await;
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let issued = world.token("acme", &acme.client, &acme.secret).with("scope", "orders:read").send().await;
        let claims = issued.claims();
        world.clock.advance(5);
        world.token("acme", &acme.client, "chs_wrong").send().await.refused(401, "invalid_client");
        world.token("acme", "a stranger", "chs_wrong").send().await.refused(401, "invalid_client");
        world.platform.log.drain().await;

        let all = nodes(&activity(&auditor, json!({"tenant": "acme"})).await);
        let of_client: Vec<_> = all.iter().filter(|node| node["client"] == acme.client).collect();
        let token = of_client[0];
        assert_eq!((&token["kind"], &token["jti"]), (&json!("token_issued"), &claims["jti"]));
        assert_eq!((&token["scopes"], &token["audience"]), (&json!(["orders:read"]), &json!(["https://orders.example"])));
        assert_eq!(token["credentialId"], acme.secret_id);
        assert_eq!(token["expiresAt"], world.now().plus_seconds(3_595).to_string());
        assert_eq!((&token["address"], &token["times"], &token["reason"]), (&json!("127.0.0.1"), &json!(1), &Value::Null));
        let traceparent = issued.headers["traceparent"].to_str().unwrap();
        let trace = token["traceId"].as_str().unwrap();
        assert!(traceparent.contains(trace), "{traceparent}");
        let denied = of_client[1];
        assert_eq!((&denied["kind"], &denied["jti"]), (&json!("token_denied"), &Value::Null));
        let last = all.last().unwrap();
        assert_eq!((&last["kind"], &last["client"]), (&json!("token_denied"), &json!("a stranger")));

        for (filter, expected) in [
            (json!({"jti": claims["jti"]}), &["token_issued"][..]),
            (json!({"jti": claims["jti"], "client": acme.client, "traceId": trace}), &["token_issued"]),
            (json!({"jti": claims["jti"], "kinds": ["token_denied"]}), &[]),
            (json!({"traceId": trace}), &["token_issued"]),
            (json!({"client": acme.client}), &["token_issued", "token_denied"]),
            (json!({"client": "a stranger"}), &["token_denied"]),
            (json!({"credentialId": acme.secret_id}), &["token_issued"]),
            (json!({"kinds": ["token_denied"]}), &["token_denied", "token_denied"]),
            (json!({"kinds": ["token_denied"], "client": acme.client}), &["token_denied"]),
            (json!({"reason": denied["reason"], "client": acme.client}), &["token_denied"]),
            (json!({"since": denied["at"], "kinds": ["token_issued"]}), &[]),
            (json!({"until": token["at"]}), &[]),
            (json!({"until": denied["at"], "client": acme.client}), &["token_issued"]),
        ] {
            assert_eq!(found(&auditor, filter.clone()).await, expected, "{filter}");
        }
        let query = "query ($filter: ActivityFilter) { activity(tenant: \"acme\", filter: $filter, first: 0, after: \"x\") { edges { cursor } } }";
        let faulty = json!({"filter": {"kinds": ["TOKEN_ISSUED"], "client": "a\u{0}b", "traceId": "?", "since": "yesterday"}});
        let answer = auditor.send("activity", query, faulty).await;
        assert_eq!(answer.fault_paths(), ["first", "after", "filter.kinds[0]", "filter.client", "filter.traceId", "filter.since"]);
    }
}

story! {
    /// A reader writes into what it reads; its walk ends all the same, and goes on later.
    async fn the_pages_of_a_walk_join_and_end(world: World) {
        let acme = world.acme().await;
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let mut jtis = Vec::new();
        for _ in 0..5 {
            let token = world.token("acme", &acme.client, &acme.secret).send().await;
            jtis.push(token.claims()["jti"].clone());
        }
        for first in [1, 2, 3, 6, 7] {
            let (mut seen, mut after, mut pages) = (Vec::new(), Value::Null, 0);
            loop {
                let page = activity(&auditor, json!({"tenant": "acme", "first": first, "after": after})).await;
                seen.extend(nodes(&page));
                after = page["pageInfo"]["endCursor"].clone();
                pages += 1;
                assert!(pages < 100, "the walk does not end");
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
            }
            let issued = seen.iter().filter(|node| node["client"] == acme.client);
            let issued: Vec<_> = issued.map(|node| node["jti"].clone()).collect();
            assert_eq!(issued, jtis, "pages of {first}, {pages}: {seen:#?}");
            let ids: Vec<_> = seen.iter().map(|node| node["id"].as_str().unwrap()).collect();
            assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
            // What came since follows past the last cursor: these readings, at first.
            let token = world.token("acme", &acme.client, &acme.secret).send().await;
            jtis.push(token.claims()["jti"].clone());
            let since = activity(&auditor, json!({"tenant": "acme", "after": after, "first": 1_000})).await;
            let reads = kinds(&since);
            assert_eq!(reads.iter().filter(|kind| *kind == "activity_read").count(), pages, "{reads:?}");
            assert_eq!(nodes(&since).last().unwrap()["jti"], *jtis.last().unwrap());
        }
    }
}

story! {
    async fn whoever_reads_is_recorded_in_the_log_of_the_tenant_that_they_read(world: World) {
        let acme = world.acme().await;
        let auditor = holder(&world, "system", &["audit:read"]).await;
        world.clock.advance(60);
        let since = world.now().to_string();
        world.clock.advance(60);
        let reads = [
            "{ events(tenant: \"acme\") { edges { cursor } } }".to_owned(),
            format!("{{ tenant(slug: \"acme\", asOf: \"{since}\") {{ state }} }}"),
            format!("{{ client(id: \"{}\", asOf: \"{since}\") {{ state lastUsedAt secrets {{ lastUsedAt lastUsedFrom }} }} }}", acme.client),
            format!("{{ accessAt(client: \"{}\", at: \"{since}\") {{ couldGetToken }} }}", acme.client),
            "{ activity(tenant: \"acme\") { edges { cursor } } }".to_owned(),
        ];
        for read in &reads {
            let field = read.split(['(', '{', ' ']).find(|word| !word.is_empty()).unwrap();
            auditor.query(field, read).await.data();
        }
        let operator = world.operator().await;
        let records = nodes(&activity(&operator, json!({"tenant": "acme", "filter": {"since": since}})).await);
        let kinds: Vec<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["roll_read", "roll_read", "roll_read", "roll_read", "activity_read"]);
        for record in &records {
            assert!(record["client"].as_str().unwrap().starts_with("client_"), "{record}");
            assert!(record["credentialId"].as_str().unwrap().starts_with("secret_"), "{record}");
            assert_eq!(record["traceId"].as_str().unwrap().len(), 32, "{record}");
            assert_eq!(record["address"], "127.0.0.1", "{record}");
        }
        let own = nodes(&activity(&operator, json!({"tenant": "system", "filter": {"since": since}})).await);
        assert!(own.iter().all(|record| record["kind"] == "token_issued"), "{own:?}");
    }
}

story! {
    /// However somebody reads: where they are is recorded, by a proxy that is believed and not by themselves.
    async fn readers_are_recorded_with_their_address_however_they_read(world: World) {
        world.acme().await;
        let node = world
            .another_node_with(|settings| {
                settings.token_service.trusted_proxies = TrustedProxies::new(|peer| peer.is_loopback());
            })
            .await;
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let (client, secret) = credential(&world, "acme", "audit:read").await;
        world.clock.advance(60);
        let since = world.now().to_string();
        // The last one is the proxy's word; what is before it anybody may have written.
        let from = |number: u8| format!("198.51.100.99, 203.0.113.{number}");

        let ask = async |number: u8, query: &str| {
            let request = world.http.post(format!("{node}/graphql")).bearer_auth(auditor.token());
            let request = request.header("x-forwarded-for", from(number));
            let answer: Value = request.json(&json!({"query": query})).send().await.unwrap().json().await.unwrap();
            assert!(answer.get("errors").is_none(), "{answer}");
        };
        ask(1, "{ events(tenant: \"acme\") { edges { cursor } } }").await;
        ask(2, "{ activity(tenant: \"acme\") { edges { cursor } } }").await;
        let mut socket = Socket::behind(&node, &from(3)).await;
        socket.init(auditor.token()).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket.follow("acme", Some("0")).await;
        socket.entry().await;

        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let fields = [("tenant", "acme"), ("client", &*client), ("secret", &*secret)];
        let signed_in = browser.post(format!("{node}/console/sign-in")).header("origin", &node).header("x-forwarded-for", from(4));
        let signed_in = signed_in.form(&fields).send().await.unwrap();
        assert_eq!(signed_in.status().as_u16(), 303);
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let pages = ["roll", "roll/live?after=0", "roll/export", "past?entry=3", "difference", "activity/records", "activity"];
        for (number, page) in (5..).zip(pages) {
            let request = browser.get(format!("{node}/console/t/acme/{page}")).header("cookie", &cookie);
            let answer = request.header("x-forwarded-for", from(number)).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{page}");
        }

        let read = json!({"kinds": ["roll_read", "activity_read"], "since": since});
        let records = activity(&world.operator().await, json!({"tenant": "acme", "filter": read, "first": 1_000})).await;
        let mut seen: Vec<(String, String)> = nodes(&records)
            .iter()
            .map(|record| ["address", "kind"].map(|name| record[name].as_str().unwrap().to_owned()).into())
            .filter(|(address, _)| address != "127.0.0.1")
            .collect();
        seen.dedup();
        let (roll, log) = ("roll_read", "activity_read");
        let expected = [(1, roll), (2, log), (3, roll), (5, roll), (6, roll), (7, roll), (8, roll), (9, roll), (10, log), (11, log)];
        let expected = expected.map(|(number, kind)| (format!("203.0.113.{number}"), kind.to_owned()));
        assert_eq!(seen, expected);
    }
}

story! {
    async fn operators_see_when_and_from_where_each_credential_was_last_used(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let idle = world.tenant_like_acme("umbrella").await;
        let query = format!(
            "{{ client(id: \"{}\") {{ lastUsedAt secrets {{ id lastUsedAt lastUsedFrom }} }} }}",
            acme.client
        );
        let seen = async || operator.query("client", &query).await.data();
        let never = json!({"lastUsedAt": null, "secrets": [{"id": acme.secret_id, "lastUsedAt": null, "lastUsedFrom": null}]});
        assert_eq!(seen().await, never);
        world.token("acme", &acme.client, "chs_wrong").send().await.refused(401, "invalid_client");
        world.platform.log.drain().await;
        assert_eq!(seen().await, never, "who was refused has used nothing");

        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let first = world.now();
        world.clock.advance(7_200);
        let operator = world.operator().await;
        let rotated = operator
            .mutation("rotateClientSecret", "secret { id plaintext }", json!({"client": acme.client}))
            .await
            .data();
        let plaintext = rotated["secret"]["plaintext"].as_str().unwrap();
        world.token("acme", &acme.client, plaintext).send().await.token();
        let last = world.now();
        let used = operator.query("client", &query).await.data();
        assert_eq!(used["lastUsedAt"], last.to_string());
        assert_eq!(used["secrets"][0], json!({"id": acme.secret_id, "lastUsedAt": first.to_string(), "lastUsedFrom": "127.0.0.1"}));
        assert_eq!(used["secrets"][1], json!({"id": rotated["secret"]["id"], "lastUsedAt": last.to_string(), "lastUsedFrom": "127.0.0.1"}));

        // In a list too; and the past does not know.
        let page = operator
            .query("clients", "{ clients(tenant: \"acme\") { edges { node { id lastUsedAt } } } }")
            .await
            .data();
        assert_eq!(page["edges"][0]["node"]["lastUsedAt"], last.to_string());
        let query = format!(
            "{{ client(id: \"{}\", asOf: \"{last}\") {{ lastUsedAt keys {{ lastUsedAt }} secrets {{ lastUsedAt lastUsedFrom }} }} }}",
            acme.client
        );
        let then = operator.query("client", &query).await.data();
        let nothing = json!({"lastUsedAt": null, "lastUsedFrom": null});
        assert_eq!(then, json!({"lastUsedAt": null, "keys": [], "secrets": [nothing, nothing]}));
        let query = format!("{{ client(id: \"{}\") {{ lastUsedAt }} }}", idle.client);
        assert_eq!(operator.query("client", &query).await.data()["lastUsedAt"], Value::Null);
    }
}
