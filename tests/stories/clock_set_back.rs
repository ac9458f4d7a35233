//! A node's clock that was set back: what has ended stays so, and nothing is decided at the wrong time.

use serde_json::{Value, json};

use crate::support::{Browser, World, story, tenant_admin};

const DAY: i64 = 86_400;

/// What a node answers to a query, or a change, with a token that was good long ago.
async fn ask(world: &World, node: &str, token: &str, query: &str) -> (u16, Value) {
    let request = world
        .http
        .post(format!("{node}/graphql"))
        .bearer_auth(token);
    let answer = request
        .json(&json!({ "query": query }))
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["errors"][0]["extensions"]["code"].clone())
}

const LOOK: &str = "{ tenants { edges { node { slug } } } }";

story! {
    async fn what_has_ended_for_operators_stays_so(world: World) {
        world.acme().await;
        let old = world.operator().await;
        let browser = Browser::operator(&world).await;
        browser.open("/console/tenants").await;
        world.clock.advance(DAY);
        assert_eq!(ask(&world, &world.url, old.token(), LOOK).await.0, 401);
        assert_eq!(browser.get("/console/tenants").await.status, 303);
        let rename = |name: &str| json!({"tenant": "acme", "displayName": name});
        let new = world.operator().await;
        world.clock.advance(100);
        new.mutation("updateTenant", "tenant { slug }", rename("Acme & Co.")).await.data();

        world.clock.advance(60 - DAY - 100);
        let unavailable = (503, json!("UNAVAILABLE"));
        assert_eq!(ask(&world, &world.url, old.token(), LOOK).await, unavailable);
        assert_eq!(ask(&world, &world.url, new.token(), LOOK).await.0, 401, "it begins a day later");
        assert_eq!(browser.get("/console/tenants").await.status, 503);
        let mut another = Browser::new(&world);
        let (id, secret) = (&world.operator["client_id"], &world.operator["client_secret"]);
        let signed_in = another.sign_in("system", id.as_str().unwrap(), secret.as_str().unwrap()).await;
        assert_eq!((signed_in.status, another.cookie), (503, None));

        // As far as clocks may be apart, and no further.
        world.clock.advance(DAY + 100 - 60 - 6);
        assert_eq!(ask(&world, &world.url, new.token(), LOOK).await, unavailable);
        world.clock.advance(1);
        assert_eq!(ask(&world, &world.url, new.token(), LOOK).await, (200, Value::Null));
    }
}

story! {
    /// A node that has seen nothing yet finds it in the rolls: the caller's own, and that of what is to
    /// be changed.
    async fn a_node_that_has_just_started_knows_it_too(world: World) {
        let acme = world.acme().await;
        let admin = tenant_admin(&world, "acme").await;
        let of_acme = world.admin("acme", &admin.0, &admin.1).await;
        let of_system = world.operator().await;
        world.clock.advance(DAY);
        let operator = world.operator().await;
        let input = json!({"client": admin.0, "reason": "gone"});
        operator.mutation("disableClient", "client { id }", input).await.data();
        world.clock.advance(60 - DAY);

        let node = world.another_node().await;
        let unavailable = json!("UNAVAILABLE");
        // Nothing has happened in `system`, and the node has seen nothing else.
        assert_eq!(ask(&world, &node, of_system.token(), LOOK).await, (200, Value::Null));
        assert_eq!(ask(&world, &node, of_acme.token(), LOOK).await, (503, unavailable.clone()));
        let change = format!(
            r#"mutation {{ disableClient(input: {{client: "{}", reason: "x"}}) {{ client {{ id }} }} }}"#,
            acme.client
        );
        let (_, code) = ask(&world, &node, of_system.token(), &change).await;
        assert_eq!(code, unavailable);
        // And now it has seen that its clock is wrong.
        assert_eq!(ask(&world, &node, of_system.token(), LOOK).await, (503, unavailable));
        world.clock.advance(DAY - 60);
        let state = format!(r#"{{ client(id: "{}") {{ state }} }}"#, acme.client);
        assert_eq!(operator.query("client", &state).await.data()["state"], "ACTIVE");
    }
}
