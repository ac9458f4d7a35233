//! Many at once.

use serde_json::json;

use crate::{
    first_token::roll,
    repeated_commands::join_all,
    support::{World, story},
};

story! {
    /// A unique rule broken by concurrent commands: one succeeds, the others are refused by its name.
    async fn one_slug_is_given_once(world: World) {
        let operator = world.operator().await;
        let input = json!({"slug": "acme", "displayName": "Acme"});
        let answers = join_all(8, |_| operator.mutation("createTenant", "tenant { id }", input.clone())).await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.body.get("errors").is_none());
        assert_eq!(made.len(), 1);
        assert!(refused.iter().all(|answer| answer.refusal() == "SLUG_TAKEN"));
    }
}

story! {
    /// The same for an API's identifier within a tenant; another tenant may have it too.
    async fn one_identifier_is_given_once_in_a_tenant(world: World) {
        world.acme().await;
        world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "identifier": "https://new.example", "name": "New"});
        let answers = join_all(8, |_| operator.mutation("createApi", "api { id }", input.clone())).await;
        let refused: Vec<_> = answers.into_iter().filter(|answer| answer.body.get("errors").is_some()).collect();
        assert_eq!(refused.len(), 7);
        assert!(refused.iter().all(|answer| answer.refusal() == "IDENTIFIER_TAKEN"));
    }
}

story! {
    /// Fifty writers on one tenant and one client: the roll stays dense, every answer is true, and
    /// whoever was overtaken was decided again.
    async fn fifty_writers_leave_a_dense_roll(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let before = roll(&world, "acme").await.len();
        let answers = join_all(50, |number| {
            let input = if number % 2 == 0 {
                json!({"client": acme.client, "metadata": {"writer": number}})
            } else {
                json!({"tenant": "acme", "name": format!("client {number}")})
            };
            let verb = if number % 2 == 0 { "updateClient" } else { "createClient" };
            operator.mutation(verb, "client { id }", input)
        })
        .await;
        for answer in answers {
            answer.data();
        }
        let roll = roll(&world, "acme").await;
        let numbers: Vec<_> = roll.iter().map(|entry| entry.tenant_seq).collect();
        assert_eq!(numbers, (1..=i64::try_from(roll.len()).unwrap()).collect::<Vec<_>>());
        assert_eq!(roll.len(), before + 25 + 25 * 2);
        assert!(roll.is_sorted_by_key(|entry| entry.recorded_at));
    }
}

story! {
    /// A request that is dropped does not tear its change: it took place as a whole or not at all,
    /// and the retry finds out.
    async fn a_dropped_request_tears_nothing(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        for (number, patience) in [0, 1, 2, 3, 5, 8, 13, 21].into_iter().enumerate() {
            let id = format!("00000000-0000-4000-8000-0000000000{number:02}");
            let input = json!({"tenant": "acme", "name": format!("dropped {number}"), "commandId": id});
            let request = operator.mutation("createClient", "client { id }", input.clone());
            let _ = tokio::time::timeout(std::time::Duration::from_millis(patience), request).await;
            let retried = operator.mutation("createClient", "client { id }", input).await.data();
            let created = roll(&world, "acme").await.into_iter().filter(|entry| entry.command_id.is_some_and(|it| it.to_string() == id));
            let kinds: Vec<_> = created.map(|entry| entry.event.kind().0).collect();
            assert_eq!(kinds, ["ClientCreated", "SecretIssued"], "{retried}");
        }
    }
}
