//! A node's clock that was set back: what has ended stays so, and nothing is decided at the wrong time.

use chancery_event_store::Backend;
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
        let (browser, unseen) = (Browser::operator(&world).await, Browser::operator(&world).await);
        for signed_in in [&browser, &unseen] {
            signed_in.open("/console/tenants").await;
        }
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
        // A session that was found to have ended is no more; of one that nobody asked for since, nothing is said.
        assert_eq!(browser.get("/console/tenants").await.status, 303);
        assert_eq!(unseen.get("/console/tenants").await.status, 503);
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
    /// A node that has seen nothing yet finds it in the rolls: the caller's own, and that of what is to be changed.
    /// One roll with an entry from the future is closed, and nobody else is kept out.
    async fn one_roll_from_the_future_is_closed_alone(world: World) {
        let acme = world.acme().await;
        let admin = tenant_admin(&world, "acme").await;
        let of_acme = world.admin("acme", &admin.0, &admin.1).await;
        let of_system = world.operator().await;
        let make = r#"mutation { createTenant(input: {slug: "bolt", displayName: "Bolt"}) { tenant { slug } } }"#;
        world.clock.advance(DAY);
        let operator = world.operator().await;
        let input = json!({"client": admin.0, "reason": "gone"});
        operator.mutation("disableClient", "client { id }", input).await.data();
        world.clock.advance(60 - DAY);

        let node = world.another_node().await;
        let unavailable = (200, json!("UNAVAILABLE"));
        let fine = (200, Value::Null);
        let change = format!(
            r#"mutation {{ disableClient(input: {{client: "{}", reason: "x"}}) {{ client {{ id }} }} }}"#,
            acme.client
        );
        for _ in 0..2 {
            assert_eq!(ask(&world, &node, of_system.token(), LOOK).await, fine);
            assert_eq!(ask(&world, &node, of_acme.token(), LOOK).await, (503, json!("UNAVAILABLE")));
            assert_eq!(ask(&world, &node, of_system.token(), &change).await, unavailable, "nothing of it changes");
        }
        assert_eq!(ask(&world, &node, of_system.token(), make).await, fine, "everything else goes on");
        let state = |token: &str| {
            let query = format!(r#"{{ client(id: "{}") {{ state }} }}"#, acme.client);
            let (world, token) = (&world, token.to_owned());
            async move { ask(world, &world.url, &token, &query).await }
        };
        // The node that has been there itself knows that it is the clock.
        assert_eq!(state(of_system.token()).await, (503, json!("UNAVAILABLE")));
        world.clock.advance(DAY - 60);
        assert_eq!(ask(&world, &node, operator.token(), &change).await, fine, "until real time has caught up");
        assert_eq!(state(operator.token()).await, fine);
    }
}

story! {
    /// Two rolls that have come to a moment are no accident: where no database has a clock, nobody is let in.
    async fn two_rolls_from_the_future_speak_against_a_clock_that_nobody_confirms(world: World) {
        world.acme().await;
        let of_system = world.operator().await;
        let bolt = json!({"slug": "bolt", "displayName": "Bolt"});
        of_system.mutation("createTenant", "tenant { slug }", bolt).await.data();
        world.clock.advance(DAY);
        let operator = world.operator().await;
        for (slug, name) in [("acme", "Acme & Co."), ("bolt", "Bolt & Co.")] {
            let rename = json!({"tenant": slug, "displayName": name});
            operator.mutation("updateTenant", "tenant { slug }", rename).await.data();
        }
        world.clock.advance(60 - DAY);
        let node = world.another_node().await;
        let change = |slug: &str| format!(
            r#"mutation {{ updateTenant(input: {{tenant: "{slug}", displayName: "X"}}) {{ tenant {{ slug }} }} }}"#
        );
        assert_eq!(ask(&world, &node, of_system.token(), LOOK).await, (200, Value::Null));
        for slug in ["acme", "bolt"] {
            let (_, code) = ask(&world, &node, of_system.token(), &change(slug)).await;
            assert_eq!(code, json!("UNAVAILABLE"));
        }
        let expected = match world.store.backend() {
            Backend::Sqlite => (503, json!("UNAVAILABLE")),
            // The test's clock stands for one that the database confirms.
            Backend::Postgres => (200, Value::Null),
        };
        assert_eq!(ask(&world, &node, of_system.token(), LOOK).await, expected);
    }
}
