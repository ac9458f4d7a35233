//! The steward: what it does by itself, that it does it once, and that nobody waits for it.

use chancery_application::Steward;
use chancery_domain::ClientId;
use chancery_projections::platform_check;
use serde_json::{Value, json};

use crate::rotation::Differences;
use crate::support::{Verifier, World, dump, run_sql, story};

const DAY: i64 = 86_400;

async fn round(world: &World) -> usize {
    let recorded = world.platform.application.record_due().await.unwrap();
    assert_eq!(recorded.failed, 0);
    recorded.entries
}

async fn events(world: &World, event_type: &str) -> usize {
    let all = dump(world.store.database()).await;
    all.lines().filter(|line| line.contains(event_type)).count()
}

async fn upcoming(world: &World, days: i64) -> Vec<Value> {
    let operator = world.operator().await;
    let query = format!(
        "{{ upcoming(tenant: \"acme\", days: {days}) {{ edges {{ node {{ kind at overdue secret key client {{ name }} }} }} }} }}"
    );
    let page = operator.query("upcoming", &query).await.data();
    let edges = page["edges"].as_array().unwrap().iter();
    edges.map(|edge| edge["node"].clone()).collect()
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect()
}

story! {
    /// A signing key is followed by another after the days that the policy says: published, activated and
    /// retired, each once, and no verifier notices. Of two nodes both may see to it.
    async fn signing_keys_follow_one_another_by_themselves(world: World) {
        let acme = world.acme().await;
        let mut verifier = Verifier::new(&world, "acme").keeping(3_600);
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token();
        assert_eq!(round(&world).await, 0);
        world.clock.advance(92 * DAY);
        let old = token().await;
        verifier.verify(&old).await.unwrap();
        let (one, other) = tokio::join!(round(&world), round(&world));
        assert_eq!(one + other, 2, "a key for acme and one for system");
        assert_eq!(round(&world).await, 0, "none is made while one waits");
        assert_eq!(events(&world, "KeyGenerated").await, 4);
        for _ in 0..5 {
            world.clock.advance(900);
            verifier.verify(&token().await).await.unwrap();
        }
        assert_eq!(round(&world).await, 2);
        assert_eq!(events(&world, "KeyActivated").await, 4);
        world.clock.advance(90_000);
        assert_eq!(round(&world).await, 2);
        assert_eq!((events(&world, "KeyRetired").await, round(&world).await), (2, 0));
        verifier.verify(&token().await).await.unwrap();

        let off = json!({"tenant": "acme", "policy": {"signingKeyRotationDays": null}});
        world.operator().await.mutation("updateTenant", "replayed", off).await.data();
        world.clock.advance(400 * DAY);
        assert_eq!(round(&world).await, 1, "system's alone");
    }
}

story! {
    /// A steward that was away for a week has let nothing through that had ended, and on its return the
    /// roll tells of everything once, also where two of them return.
    async fn a_week_without_a_steward(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let ends = world.now().plus_days(2).to_string();
        let input = json!({"client": acme.client, "expiresAt": ends});
        operator.mutation("updateClient", "client { id }", input).await.data();
        operator.mutation("rotateSigningKey", "replayed", json!({"tenant": "acme"})).await.data();
        let waiting = upcoming(&world, 30).await;
        assert_eq!(kinds(&waiting), ["KEY_ACTIVATES", "KEY_RETIRES", "CLIENT_EXPIRES"]);
        world.clock.advance(2 * DAY);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.clock.advance(5 * DAY);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        let lag = world.platform.application.steward_lag().await.unwrap();
        assert_eq!(lag, 7 * DAY - 3_600, "since the key was to be told of");
        let (one, other) = tokio::join!(round(&world), round(&world));
        assert_eq!(one + other, 3);
        for event in ["ClientExpired", "KeyRetired"] {
            assert_eq!(events(&world, event).await, 1, "{event}");
        }
        // Under its own name.
        let operator = world.operator().await;
        let query = "{ events(tenant: \"acme\", first: 1000) { edges { node { type actor { type id } } } } }";
        let roll = operator.query("events", query).await.data();
        let entries = roll["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]);
        let by_steward = entries.filter(|entry| entry["actor"] == json!({"type": "steward", "id": "steward"}));
        let recorded: std::collections::BTreeSet<_> = by_steward.map(|entry| entry["type"].as_str().unwrap()).collect();
        assert_eq!(recorded, ["ClientExpired", "KeyActivated", "KeyRetired"].into());
        assert_eq!(world.platform.application.steward_lag().await.unwrap(), 0);
        assert_eq!(round(&world).await, 0);
    }
}

story! {
    /// The policy asks for rotations of the secrets that are issued from then on; a schedule of the client's
    /// own comes first. What is overdue stays on the calendar.
    async fn the_policy_asks_for_rotations(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let policy = json!({"tenant": "acme", "policy": {"secretRotationDays": 40}});
        operator.mutation("updateTenant", "replayed", policy).await.data();
        operator.mutation("rotateClientSecret", "client { id }", json!({"client": acme.client, "overlapSeconds": 0})).await.data();
        let rotation = async || {
            let operator = world.operator().await;
            let query = "query($id: ID!) { client(id: $id) { rotation { everySeconds overlapSeconds byPolicy nextDueAt } } }";
            operator.send("client", query, json!({"id": acme.client})).await.data()["rotation"].clone()
        };
        let due = world.now().plus_days(40).to_string();
        let by_policy = json!({"everySeconds": 40 * DAY, "overlapSeconds": DAY, "byPolicy": true, "nextDueAt": due});
        assert_eq!(rotation().await, by_policy);
        round(&world).await;
        world.clock.advance(33 * DAY);
        assert_eq!((round(&world).await, round(&world).await), (1, 0));
        assert_eq!(events(&world, "RotationDue").await, 1);
        let next = upcoming(&world, 30).await;
        assert_eq!((kinds(&next), &next[0]["overdue"]), (vec!["SECRET_ROTATION_DUE"], &json!(false)));
        world.clock.advance(20 * DAY);
        let late = upcoming(&world, 1).await;
        assert_eq!((&late[0]["overdue"], &late[0]["client"]["name"], &late[0]["at"]), (&json!(true), &json!("billing"), &json!(due)));

        let operator = world.operator().await;
        let own = json!({"client": acme.client, "everySeconds": 100 * DAY});
        operator.mutation("scheduleSecretRotation", "client { id }", own).await.data();
        assert_eq!(rotation().await["byPolicy"], json!(false));
        let delete = json!({"client": acme.client, "reason": "replaced"});
        operator.mutation("deleteClient", "client { id }", delete).await.data();
        assert_eq!(kinds(&upcoming(&world, 60).await), ["KEY_ROTATION_DUE"]);
    }
}

story! {
    /// A hundred clients whose due work fails keep nobody waiting, and rest for a while themselves. Of a
    /// closed tenant nothing is due any more.
    async fn what_fails_keeps_nobody_waiting(world: World) {
        let acme = world.acme().await;
        world.tenant_like_acme("gone").await;
        for number in 1..=120_u8 {
            let nobody = ClientId::from_bytes([number; 16]);
            let sql = format!(
                "INSERT INTO agenda (tenant_id, kind, subject, client_id, at, record_at)
                 SELECT tenant_id, 'secret.rotates', '{nobody}', '{nobody}', 1, 1 FROM tenants WHERE slug = 'acme'"
            );
            run_sql(world.store.database(), &sql).await;
        }
        let operator = world.operator().await;
        let close = json!({"tenant": "gone", "reason": "left"});
        operator.mutation("closeTenant", "replayed", close).await.data();
        let left = "SELECT 1 FROM agenda a JOIN tenants t ON t.tenant_id = a.tenant_id WHERE t.slug = 'gone'";
        let found = chancery_event_store::fetch_all!(&world.platform.store, (i64,), &left.replace("SELECT 1", "SELECT COUNT(*)")).unwrap();
        assert_eq!(found, [(0,)]);
        operator.mutation("rotateClientSecret", "client { id }", json!({"client": acme.client, "overlapSeconds": 60})).await.data();
        world.clock.advance(60);
        let mut steward = Steward::new(world.platform.application.clone());
        let first = steward.round().await.unwrap();
        assert_eq!((first.entries, first.failed), (1, 120));
        assert_eq!(events(&world, "SecretRetired").await, 1);
        let second = steward.round().await.unwrap();
        assert_eq!((second.entries, second.failed), (0, 120));
        assert!(world.platform.application.steward_lag().await.unwrap() > 0);
    }
}

story! {
    /// What is of deleted clients is passed over, and every page of the calendar but the last is full.
    async fn the_pages_of_the_calendar_are_full(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let policy = json!({"tenant": "acme", "policy": {"secretLifetimeDays": 20}});
        operator.mutation("updateTenant", "replayed", policy).await.data();
        let mut kept = Vec::new();
        for number in 0..9 {
            world.clock.advance(1);
            let name = format!("client {number}");
            let made = operator.mutation("createClient", "client { id }", json!({"tenant": "acme", "name": name})).await.data();
            if number % 3 == 2 {
                kept.push(name);
            } else {
                let delete = json!({"client": made["client"]["id"], "reason": "replaced"});
                operator.mutation("deleteClient", "client { id }", delete).await.data();
            }
        }
        let (mut seen, mut pages, mut after) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let query = "query($after: String) { upcoming(tenant: \"acme\", first: 2, after: $after) {
                edges { node { client { name } } } pageInfo { hasNextPage endCursor } } }";
            let page = operator.send("upcoming", query, json!({"after": after})).await.data();
            let edges = page["edges"].as_array().unwrap();
            pages.push(edges.len());
            seen.extend(edges.iter().map(|edge| edge["node"]["client"]["name"].as_str().unwrap().to_owned()));
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!((pages, seen), (vec![2, 1], kept));
        // The steward has them on its own list.
        world.clock.advance(21 * DAY);
        round(&world).await;
        assert_eq!(events(&world, "SecretExpired").await, 9);
    }
}

story! {
    /// What comes at one moment is sorted by its kind and the client's name, or the number of its secret, and stays
    /// so from page to page and when a client gets another name.
    async fn what_comes_at_one_moment_has_an_order(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let policy = json!({"tenant": "acme", "policy": {"maxLiveSecrets": 5}});
        operator.mutation("updateTenant", "replayed", policy).await.data();
        let ends = world.now().plus_days(5).to_string();
        let mut clients = Vec::new();
        for name in ["delta", "Bravo", "echo", "alpha 1", "charlie"] {
            let input = json!({"tenant": "acme", "name": name, "expiresAt": ends});
            let made = operator.mutation("createClient", "client { id }", input).await.data();
            clients.push(made["client"]["id"].clone());
        }
        for hint in 1..4 {
            let input = json!({"client": clients[0], "label": format!("number {hint}"), "expiresAt": ends});
            operator.mutation("issueClientSecret", "secret { id }", input).await.data();
        }
        let page = async |first: i64, after: &Value| {
            let query = "query($first: Int, $after: String) { upcoming(tenant: \"acme\", days: 10, first: $first, after: $after) {
                edges { cursor node { kind secret client { name } } } pageInfo { hasNextPage endCursor } } }";
            world.operator().await.send("upcoming", query, json!({"first": first, "after": after})).await.data()
        };
        let told = async |first: i64| {
            let (mut told, mut after) = (Vec::new(), Value::Null);
            loop {
                let page = page(first, &after).await;
                for edge in page["edges"].as_array().unwrap() {
                    let node = &edge["node"];
                    told.push((node["kind"].as_str().unwrap().to_owned(), node["client"]["name"].as_str().unwrap().to_owned(), node["secret"].clone()));
                }
                after = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] != true {
                    return told;
                }
            }
        };
        let whole = told(100).await;
        let names: Vec<_> = whole.iter().map(|(_, name, _)| name.as_str()).collect();
        assert_eq!(names, ["alpha 1", "Bravo", "charlie", "delta", "echo", "delta", "delta", "delta"]);
        let query = "query($id: ID!) { client(id: $id) { secrets { id label } } }";
        let secrets = operator.send("client", query, json!({"id": clients[0]})).await.data();
        let issued = secrets["secrets"].as_array().unwrap().iter();
        let labelled = issued.filter(|secret| !secret["label"].is_null()).map(|secret| secret["id"].clone());
        let ending: Vec<_> = whole[5..].iter().map(|(_, _, secret)| secret.clone()).collect();
        assert_eq!(ending, labelled.collect::<Vec<_>>(), "as they were issued");
        for size in [1, 2, 3] {
            assert_eq!(told(size).await, whole, "in pages of {size}");
        }
        let input = json!({"client": clients[0], "name": "Aachen"});
        operator.mutation("updateClient", "client { id }", input).await.data();
        let names: Vec<_> = told(2).await.into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(names, ["Aachen", "alpha 1", "Bravo", "charlie", "echo", "Aachen", "Aachen", "Aachen"]);
        let mut found = Differences::default();
        platform_check(&world.store, &mut found).await.unwrap();
        assert_eq!(found.0, [""; 0], "the rows are what the roll adds up to");
    }
}
