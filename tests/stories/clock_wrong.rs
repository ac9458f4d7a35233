//! A clock that cannot be believed: nothing is issued, changed or recorded by it, and everything goes on
//! when it can.

use chancery_domain::ClockFault;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{World, dump, dump_tokens, story};

const DAY: i64 = 86_400;

async fn ready(world: &World) -> (StatusCode, Value) {
    let asked = world.http.get(format!("{}/readyz", world.url));
    let answer = asked.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn key_set(world: &World) -> StatusCode {
    let url = format!("{}/t/acme/oauth2/jwks", world.url);
    world.http.get(url).send().await.unwrap().status()
}

/// Everything that is kept, in both databases.
async fn everything(world: &World) -> String {
    world.platform.log.drain().await;
    let database = world.store.database();
    dump(database).await + &dump_tokens(database).await
}

story! {
    /// The clock goes 400 days ahead and nobody believes it: neither token nor change nor steward nor
    /// house-keeping leaves a trace, though everything would have ended. When it is right again all is as
    /// it was.
    async fn a_clock_that_is_ahead_ends_nothing(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "expiresAt": world.now().plus_days(2).to_string()});
        operator.mutation("updateClient", "client { id }", input).await.data();
        let token = || world.token("acme", &acme.client, &acme.secret);
        token().send().await.token();
        assert_eq!(ready(&world).await.0, 200);
        let before = everything(&world).await;

        world.clock.advance(400 * DAY);
        world.clock.doubt(Some(ClockFault::Ahead(400 * DAY)));
        let answer = token().send().await;
        assert_eq!(answer.headers["retry-after"], "1");
        answer.refused(503, "temporarily_unavailable");
        assert_eq!(key_set(&world).await, 503);
        let input = json!({"client": acme.client, "reason": "lost"});
        let refused = operator.mutation("disableClient", "client { id }", input).await;
        assert_eq!(refused.code(), "UNAVAILABLE");
        let application = &world.platform.application;
        application.record_due().await.unwrap_err();
        application.forget_old_commands().await.unwrap_err();
        assert_eq!(world.platform.log.keep_house().await.unwrap(), 0);
        let (status, body) = ready(&world).await;
        let reason = body["reason"].as_str().unwrap();
        assert_eq!(status, 503);
        assert!(reason.contains("34560000 s ahead") && reason.contains("NTP"), "{reason}");
        assert_eq!(everything(&world).await, before);

        world.clock.advance(-400 * DAY);
        world.clock.doubt(None);
        token().send().await.token();
        assert_eq!((ready(&world).await.0, key_set(&world).await.as_u16()), (StatusCode::OK, 200));
        let input = json!({"client": acme.client, "reason": "lost"});
        operator.mutation("disableClient", "client { id }", input).await.data();
        assert_eq!(application.record_due().await.unwrap().failed, 0);
    }
}

story! {
    /// A clock that is behind all that was recorded can serve nobody, and says so.
    async fn a_clock_behind_the_roll_is_not_ready(world: World) {
        let acme = world.acme().await;
        world.clock.advance(-5);
        assert_eq!(ready(&world).await.0, 200);
        world.clock.advance(-60);
        let (status, body) = ready(&world).await;
        assert_eq!(status, 503);
        assert!(body["reason"].as_str().unwrap().contains("set it right"), "{body}");
        let token = world.token("acme", &acme.client, &acme.secret);
        token.send().await.refused(503, "temporarily_unavailable");
        world.clock.advance(65);
        assert_eq!(ready(&world).await.0, 200);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
    }
}
