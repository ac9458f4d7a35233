//! A retry with the same `commandId` changes nothing and answers the same.

use serde_json::json;

use crate::{
    first_token::roll,
    support::{World, story},
};

const ID: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

story! {
    /// The same input: the same ids, and no second event.
    async fn the_same_command_is_carried_out_once(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "name": "nightly", "commandId": ID});
        let fields = "client { id } secret { id plaintext } replayed";
        let first = operator.mutation("createClient", fields, input.clone()).await.data();
        let events = roll(&world, "acme").await.len();
        let again = operator.mutation("createClient", fields, input).await.data();
        assert_eq!(again["client"], first["client"]);
        assert_eq!(again["secret"]["id"], first["secret"]["id"]);
        assert_eq!(again["replayed"], true);
        assert_eq!(roll(&world, "acme").await.len(), events);
    }
}

story! {
    /// Another input under the same id is refused and named.
    async fn another_command_under_the_same_id_is_a_conflict(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let input = |name: &str| json!({"tenant": "acme", "name": name, "commandId": ID});
        operator.mutation("createClient", "replayed", input("one")).await.data();
        assert_eq!(operator.mutation("createClient", "replayed", input("two")).await.code(), "CONFLICT");
        let other_verb = json!({"slug": "other", "displayName": "Other", "commandId": ID});
        assert_eq!(operator.mutation("createTenant", "replayed", other_verb).await.code(), "CONFLICT");
    }
}

story! {
    /// Ten at once: one is carried out, ten answer with its ids.
    async fn the_same_command_ten_times_at_once_is_carried_out_once(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "identifier": "https://once.example", "name": "Once", "commandId": ID});
        let mut answers = Vec::new();
        for answer in join_all(10, |_| operator.mutation("createApi", "api { id } replayed", input.clone())).await {
            answers.push(answer.data());
        }
        assert!(answers.iter().all(|answer| answer["api"] == answers[0]["api"]));
        assert_eq!(answers.iter().filter(|answer| answer["replayed"] == false).count(), 1);
    }
}

/// Runs so many futures at once.
pub(crate) async fn join_all<F: Future>(count: usize, make: impl Fn(usize) -> F) -> Vec<F::Output> {
    futures_util::future::join_all((0..count).map(make)).await
}

story! {
    /// Two callers may choose the same id: each has its own.
    async fn a_caller_has_ids_of_its_own(world: World) {
        let acme = world.acme().await;
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
        let disable = json!({"client": acme.client, "reason": "a", "commandId": ID});
        operator.mutation("disableClient", "replayed", disable).await.data();
        let enable = json!({"client": acme.client, "commandId": ID});
        assert_eq!(admin.mutation("enableClient", "replayed", enable).await.data()["replayed"], false);
    }
}
