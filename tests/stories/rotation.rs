//! Rotation as it is planned, put off, announced, and recorded by the steward.

use chancery_projections::{Difference, Watch, platform_check};
use serde_json::{Value, json};

use crate::support::{World, dump, story};

const DAY: i64 = 86_400;

/// Lets the steward do everything that is due; how many entries it wrote.
async fn steward(world: &World) -> usize {
    let recorded = world.platform.application.record_due().await.unwrap();
    assert_eq!(recorded.failed, 0);
    recorded.entries
}

/// How many events of this type stand in the roll.
async fn events(world: &World, event_type: &str) -> usize {
    let all = dump(world.store.database()).await;
    all.lines().filter(|line| line.contains(event_type)).count()
}

async fn rotation(world: &World, client: &str) -> Value {
    let operator = world.operator().await;
    let query = "query($id: ID!) { client(id: $id) { rotation { everySeconds overlapSeconds nextDueAt } secrets { state } } }";
    operator
        .send("client", query, json!({"id": client}))
        .await
        .data()
}

/// What a check says of the rows and of the vault.
#[derive(Default)]
pub(crate) struct Differences(pub(crate) Vec<String>);

impl Watch for Differences {
    fn differs(&mut self, difference: Difference) {
        self.0.push(difference.to_string());
    }
}

story! {
    /// A secret has ended by itself and its end is not recorded yet, when the client begins to authenticate in
    /// another way: the vault has at every moment what the roll says that it has.
    async fn the_vault_is_what_the_roll_says_while_a_client_changes_its_way(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let agrees = async |when: &str| {
            let mut found = Differences::default();
            platform_check(&world.store, &mut found).await.unwrap();
            world.platform.application.platform_check_kept(&mut found).await.unwrap();
            assert_eq!(found.0, [""; 0], "{when}");
        };
        let every = ["CLIENT_SECRET_BASIC", "CLIENT_SECRET_JWT", "PRIVATE_KEY_JWT"];
        operator.mutation("updateTenant", "replayed", json!({"tenant": "acme", "policy": {"allowedAuthMethods": every}})).await.data();
        for way in ["CLIENT_SECRET_JWT", "CLIENT_SECRET"] {
            operator.mutation("rotateClientSecret", "replayed", json!({"client": acme.client, "overlapSeconds": 1})).await.data();
            world.clock.advance(1);
            agrees("it has retired, and nobody has recorded it").await;
            operator.mutation("updateClient", "replayed", json!({"client": acme.client, "authMethod": way})).await.data();
            agrees("the way is another one").await;
            operator.mutation("rotateClientSecret", "replayed", json!({"client": acme.client, "overlapSeconds": 0})).await.data();
            agrees("there is a new secret").await;
        }
        steward(&world).await;
        agrees("all is recorded").await;
    }
}

story! {
    /// From the schedule to the announcement, the rotation, the overlap and the retirement: each is
    /// said once in the roll, and the old secret works to the end of its overlap.
    async fn a_planned_rotation_from_announcement_to_retirement(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "everySeconds": 90 * DAY, "overlapSeconds": DAY});
        let scheduled = operator
            .mutation("scheduleSecretRotation", "client { rotation { everySeconds overlapSeconds nextDueAt } }", input)
            .await
            .data();
        let schedule = &scheduled["client"]["rotation"];
        assert_eq!((&schedule["everySeconds"], &schedule["overlapSeconds"]), (&json!(90 * DAY), &json!(DAY)));
        assert_eq!(steward(&world).await, 0, "nothing is due yet");

        world.clock.advance(83 * DAY);
        assert_eq!(steward(&world).await, 1);
        assert_eq!(steward(&world).await, 0, "it is announced once");
        assert_eq!(events(&world, "RotationDue").await, 1);

        world.clock.advance(2 * DAY);
        let operator = world.operator().await;
        let rotated = operator
            .mutation("rotateClientSecret", "secret { plaintext } client { rotation { nextDueAt } }", json!({"client": acme.client}))
            .await
            .data();
        assert_eq!(rotated["client"]["rotation"]["nextDueAt"], json!(world.now().plus_days(90).to_string()));
        let new = rotated["secret"]["plaintext"].as_str().unwrap();
        world.clock.advance(DAY - 1);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        assert_eq!(steward(&world).await, 0);
        world.clock.advance(1);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, new).send().await.token();
        assert_eq!(steward(&world).await, 1);
        assert_eq!(events(&world, "SecretRetired").await, 1);
    }
}

story! {
    /// A rotation that nobody carries out stays visible as overdue, and cuts nothing off.
    async fn a_forgotten_rotation_is_overdue_and_cuts_nothing_off(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "everySeconds": 30 * DAY});
        operator.mutation("scheduleSecretRotation", "client { id }", input).await.data();
        let due = world.now().plus_days(30).to_string();
        world.clock.advance(60 * DAY);
        assert_eq!(steward(&world).await, 1);
        let seen = rotation(&world, &acme.client).await;
        assert_eq!(seen["rotation"]["nextDueAt"], json!(due));
        assert_eq!(seen["secrets"][0]["state"], "ACTIVE");
        world.token("acme", &acme.client, &acme.secret).send().await.token();

        let operator = world.operator().await;
        let cancel = json!({"client": acme.client, "everySeconds": null});
        let cancelled = operator.mutation("scheduleSecretRotation", "client { rotation { nextDueAt } }", cancel).await.data();
        assert_eq!(cancelled["client"]["rotation"], Value::Null);
        let wrong = json!({"client": acme.client, "everySeconds": 60});
        let refused = operator.mutation("scheduleSecretRotation", "client { id }", wrong).await;
        assert_eq!(refused.refusal(), "ROTATION_INTERVAL_OUT_OF_BOUNDS");
    }
}

story! {
    /// An old secret that is still in use gets more time, until it has ended.
    async fn a_retirement_is_put_off_until_it_has_come(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "overlapSeconds": 3600});
        operator.mutation("rotateClientSecret", "client { id }", input).await.data();
        let until = |seconds| json!({
            "client": acme.client, "secret": acme.secret_id,
            "until": world.now().plus_seconds(seconds).to_string(),
        });
        let deferred = operator
            .mutation("deferSecretRetirement", "client { secrets { id state retiresAt } }", until(7200))
            .await
            .data();
        let secrets = deferred["client"]["secrets"].as_array().unwrap();
        let old = secrets.iter().find(|secret| secret["id"] == json!(acme.secret_id)).unwrap();
        assert_eq!(old["retiresAt"], json!(world.now().plus_seconds(7200).to_string()));
        let less = operator.mutation("deferSecretRetirement", "client { id }", until(60)).await;
        assert_eq!(less.refusal(), "RETIREMENT_NOT_DEFERRED");
        let more = operator.mutation("deferSecretRetirement", "client { id }", until(31 * DAY)).await;
        assert_eq!(more.refusal(), "RETIREMENT_DEFERRED_TOO_LONG");

        world.clock.advance(7199);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.clock.advance(1);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        let operator = world.operator().await;
        let late = operator.mutation("deferSecretRetirement", "client { id }", until(3600)).await;
        assert_eq!(late.refusal(), "SECRET_NOT_RETIRING");
    }
}

story! {
    /// A steward that was away for a week has cost nothing: nothing that ended is accepted, and when
    /// two of them come back at once, the roll catches up without doubles.
    async fn a_steward_that_was_away_catches_up_once(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let ends = world.now().plus_days(1).to_string();
        let issued = operator
            .mutation("issueClientSecret", "secret { plaintext }", json!({"client": acme.client, "expiresAt": ends}))
            .await
            .data();
        let ending = issued["secret"]["plaintext"].as_str().unwrap();
        world.clock.advance(2 * DAY);
        world.token("acme", &acme.client, ending).send().await.refused(401, "invalid_client");
        let operator = world.operator().await;
        operator
            .mutation("rotateClientSecret", "client { id }", json!({"client": acme.client, "overlapSeconds": DAY}))
            .await
            .data();
        world.clock.advance(5 * DAY);
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");

        let (first, second) = tokio::join!(steward(&world), steward(&world));
        assert_eq!(first + second, 2);
        assert_eq!(events(&world, "SecretExpired").await, 1);
        assert_eq!(events(&world, "SecretRetired").await, 1);
    }
}

story! {
    /// Nobody is asked to rotate the secret of a client that is deleted, and it keeps nobody else
    /// waiting.
    async fn a_deleted_clients_schedule_ends_with_it(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "everySeconds": 3600});
        operator.mutation("scheduleSecretRotation", "client { id }", input).await.data();
        let input = json!({"client": acme.client, "reason": "replaced"});
        operator.mutation("deleteClient", "client { id }", input).await.data();
        assert_eq!(rotation(&world, &acme.client).await["rotation"], Value::Null);
        world.clock.advance(DAY);
        assert_eq!(steward(&world).await, 0);
        assert_eq!(events(&world, "RotationDue").await, 0);
    }
}

async fn advice(world: &World, client: &str) -> Vec<Value> {
    world.platform.log.drain().await;
    let operator = world.operator().await;
    let query = "query($client: ID!) { rotationAdvice(client: $client) { credential verdict safe sentence usesLastDay usesSinceNewest } }";
    let found = operator
        .send("rotationAdvice", query, json!({"client": client}))
        .await
        .data();
    found.as_array().unwrap().clone()
}

/// A new secret of the client: its id and its text.
async fn issue(world: &World, input: Value) -> (String, String) {
    let fields = "secret { id plaintext }";
    let issued = world
        .operator()
        .await
        .mutation("issueClientSecret", fields, input)
        .await
        .data();
    let text = |name: &str| issued["secret"][name].as_str().unwrap().to_owned();
    (text("id"), text("plaintext"))
}

story! {
    /// The newest secret ends in a minute: the one before it is what the client will have, and nobody is told
    /// that it can go.
    async fn advice_keeps_the_secret_that_lasts(world: World) {
        let acme = world.acme().await;
        let ends = world.now().plus_seconds(60).to_string();
        let (short, _) = issue(&world, json!({"client": acme.client, "expiresAt": ends})).await;
        let told = advice(&world, &acme.client).await;
        let of = |id: &str| told.iter().find(|it| it["credential"] == id).unwrap();
        assert_eq!((&of(&acme.secret_id)["verdict"], &of(&acme.secret_id)["safe"]), (&json!("NEWEST"), &json!(false)));
        assert_eq!((&of(&short)["verdict"], &of(&short)["safe"]), (&json!("JUST_ISSUED"), &json!(false)));
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "by mistake"});
        let told = operator.mutation("revokeClientSecret", "warnings", input).await.data();
        assert_eq!(told["warnings"], json!([format!("what is left to the client ends at {ends}: issue another before that")]));
    }
}

story! {
    /// A job of every night has not been given its new secret yet: the old one is not called unused.
    async fn advice_waits_until_the_client_has_changed_over(world: World) {
        let acme = world.acme().await;
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.clock.advance(1);
        let input = json!({"client": acme.client, "overlapSeconds": 20 * DAY});
        let rotated = world.operator().await.mutation("rotateClientSecret", "secret { plaintext } warnings", input).await.data();
        assert_eq!(rotated["warnings"], json!([]), "in use, and with time to change over");
        let old = advice(&world, &acme.client).await[0].clone();
        assert_eq!((&old["usesLastDay"], &old["usesSinceNewest"]), (&json!(1), &json!(0)), "it was used before");
        world.clock.advance(25 * 3_600);
        let old = advice(&world, &acme.client).await[0].clone();
        assert_eq!((&old["verdict"], &old["safe"]), (&json!("NOT_CHANGED_OVER"), &json!(false)));
        assert_eq!(old["sentence"], "unused for 25 hours, but the one that stays was never used: the client has not changed over");
        let new = rotated["secret"]["plaintext"].as_str().unwrap();
        world.token("acme", &acme.client, new).send().await.token();
        let old = advice(&world, &acme.client).await[0].clone();
        assert_eq!((&old["verdict"], &old["safe"]), (&json!("UNUSED"), &json!(true)));
    }
}

story! {
    /// The newest of a client's secrets is revoked while the others retire: nobody is left to find out when
    /// they have.
    async fn revoking_the_one_that_stays_says_until_when_the_others_do(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"client": acme.client, "overlapSeconds": 300});
        let rotated = operator.mutation("rotateClientSecret", "secret { id }", input).await.data();
        let ends = world.now().plus_seconds(300);
        let input = json!({"client": acme.client, "secret": rotated["secret"]["id"], "reason": "mislaid"});
        let told = operator.mutation("revokeClientSecret", "warnings", input).await.data();
        assert_eq!(told["warnings"], json!([format!("what is left to the client ends at {ends}: issue another before that")]));
    }
}

story! {
    /// A secret that was handed over for a day to come is nobody's old one. A rotation leaves it alone, and says
    /// whom it cuts off and whose time it shortens.
    async fn a_rotation_leaves_what_is_to_come_and_says_what_it_takes(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        operator.mutation("updateTenant", "replayed", json!({"tenant": "acme", "policy": {"maxLiveSecrets": 4}})).await.data();
        let begins = world.now().plus_seconds(3_600).to_string();
        let (later, text) = issue(&world, json!({"client": acme.client, "notBefore": begins})).await;
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.platform.log.drain().await;
        let rotate = async |overlap: i64| {
            let input = json!({"client": acme.client, "overlapSeconds": overlap});
            let fields = "warnings client { secrets { id state retiresAt } }";
            let done = world.operator().await.mutation("rotateClientSecret", fields, input).await.data();
            let secrets = done["client"]["secrets"].as_array().unwrap().clone();
            let later = secrets.into_iter().find(|secret| secret["id"] == json!(later)).unwrap();
            assert_eq!((&later["state"], &later["retiresAt"]), (&json!("PENDING"), &Value::Null));
            done["warnings"].as_array().unwrap().clone()
        };
        assert_eq!(rotate(10 * DAY).await, [""; 0]);
        let before = world.now().plus_days(10);
        let shorter = rotate(DAY).await;
        assert!(shorter[0].as_str().unwrap().contains(&format!("was to retire at {before}")), "{shorter:?}");
        let at_once = rotate(0).await;
        assert_eq!(at_once, [format!("{} has ended with this; last used 0 seconds ago from 127.0.0.1", acme.secret_id)]);
        world.clock.advance(3_600);
        world.token("acme", &acme.client, &text).send().await.token();
    }
}

story! {
    /// During an overlap the advice tells which secret is in use and from where, and when the old one can
    /// go; revoking acts at once and warns of what it cuts off.
    async fn advice_tells_when_the_old_secret_can_go(world: World) {
        let acme = world.acme().await;
        let advice = async || {
            world.platform.log.drain().await;
            let operator = world.operator().await;
            let query = "query($client: ID!) { rotationAdvice(client: $client) { credential verdict safe sentence lastUsedFrom usesLastHour usesLastDay usesSinceNewest } }";
            let found = operator.send("rotationAdvice", query, json!({"client": acme.client})).await.data();
            found.as_array().unwrap().clone()
        };
        let before = advice().await;
        assert_eq!((before.len(), &before[0]["verdict"], &before[0]["safe"]), (1, &json!("ONLY_ONE"), &json!(false)));
        // At the same moment: the newest is the one that was issued last, whatever clocks and ids say.
        let operator = world.operator().await;
        let rotated = operator.mutation("rotateClientSecret", "secret { id plaintext }", json!({"client": acme.client, "overlapSeconds": 10 * DAY})).await.data();
        let new = rotated["secret"]["plaintext"].as_str().unwrap();
        for _ in 0..3 {
            world.token("acme", &acme.client, &acme.secret).send().await.token();
        }
        world.clock.advance(180);
        let old = advice().await[0].clone();
        assert_eq!(old["credential"], json!(acme.secret_id));
        assert_eq!((&old["verdict"], &old["usesLastHour"], &old["usesSinceNewest"]), (&json!("IN_USE"), &json!(3), &json!(3)));
        assert_eq!(old["sentence"], json!("last used 3 minutes ago from 127.0.0.1, 3 times in the last hour: it is in use"));
        world.token("acme", &acme.client, new).send().await.token();
        world.clock.advance(3_600);
        assert_eq!(advice().await[0]["verdict"], "RECENTLY_USED");
        world.clock.advance(6 * DAY);
        let both = advice().await;
        assert_eq!((&both[0]["verdict"], &both[0]["safe"], &both[0]["usesLastDay"]), (&json!("UNUSED"), &json!(true), &json!(0)));
        assert_eq!(both[0]["sentence"], "unused for 6 days: it can go");
        assert_eq!(both[1]["verdict"], "NEWEST");

        let revoke = async |secret: &Value, compromised: bool| {
            let operator = world.operator().await;
            let input = json!({"client": acme.client, "secret": secret, "reason": "test", "compromised": compromised});
            operator.mutation("revokeClientSecret", "warnings tokens { jti audience expiresAt }", input).await.data()
        };
        let quiet = revoke(&json!(acme.secret_id), false).await;
        assert_eq!(quiet, json!({"warnings": [], "tokens": []}));
        let issued = world.token("acme", &acme.client, new).send().await.claims();
        let loud = revoke(&rotated["secret"]["id"], true).await;
        assert!(loud["warnings"][0].as_str().unwrap().contains("the client has no other"), "{loud:#}");
        assert_eq!(loud["tokens"].as_array().unwrap().len(), 1, "{loud:#}");
        assert_eq!(loud["tokens"][0]["jti"], issued["jti"]);
        world.token("acme", &acme.client, new).send().await.refused(401, "invalid_client");
    }
}
