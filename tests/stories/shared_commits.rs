//! Changes that share a transaction: each comes to what it would have come to by itself.

use chancery_domain::TenantId;
use chancery_event_store::{Backend, execute, fetch_one};
use chancery_testkit::stores::TestStore;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    first_token::roll,
    support::{
        Answer, GraphQl, World,
        changes::{
            GROUPS, TURNS, codes, create, describe, disable, hold, hold_client, id_of, tenants,
            turns_of_one, until, until_locked_out, until_queued, until_turns,
        },
        run_sql, story, tenant_admin,
    },
};

/// What becomes of changes of Acme that come while the first one is under way: the first one's answer, theirs, and in
/// how many groups they were made.
async fn meanwhile<F: Future<Output = Answer>>(
    world: &World,
    first: impl Future<Output = Answer>,
    others: Vec<F>,
) -> (Answer, Vec<Answer>, u64) {
    let tenant = id_of(&world.operator().await, "acme").await;
    let held = hold(world, tenant).await;
    let (before, count) = (world.counted(TURNS).await, others.len() as u64);
    let (go, may_go) = oneshot::channel();
    let conduct = async {
        until_turns(world, before + turns_of_one(world)).await;
        go.send(()).unwrap();
        let in_lane_for_all = count * (turns_of_one(world) - 1);
        until_turns(world, before + turns_of_one(world) + in_lane_for_all).await;
        until_queued(world, count).await;
        let groups = world.counted(GROUPS).await;
        held.rollback().await.unwrap();
        groups
    };
    let others = async {
        may_go.await.unwrap();
        join_all(others).await
    };
    let (first, others, groups) = tokio::join!(first, others, conduct);
    let groups = world.counted(GROUPS).await - groups;
    (first, others, groups)
}

/// An administrator of Acme alone, and their client.
async fn admin_of_acme(world: &World) -> (GraphQl<'_>, String) {
    let (client, secret) = tenant_admin(world, "acme").await;
    (world.admin("acme", &client, &secret).await, client)
}

/// In how many transactions the last entries of a tenant were written.
async fn transactions_of_last(world: &World, tenant: TenantId, entries: i64) -> i64 {
    let sql = "SELECT COUNT(DISTINCT xact::text) FROM (SELECT xact FROM events WHERE tenant_id = $1 ORDER BY tenant_seq DESC LIMIT $2) e";
    let (many,) = fetch_one!(&*world.store, (i64,), sql, tenant.to_string(), entries).unwrap();
    many
}

story! {
    /// A caller is disabled while its change waits with others': it is refused, and they are made together all the same.
    async fn one_that_is_refused_takes_nothing_from_the_others(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let (admin, client) = admin_of_acme(&world).await;
        let others = ["one", "refused", "two"].map(|name| {
            let by = if name == "refused" { &admin } else { &operator };
            create(by, "acme", name, None)
        });
        let (first, others, groups) = meanwhile(&world, disable(&operator, &client), others.into()).await;
        first.data();
        assert_eq!(codes(&others), ["made", "UNAUTHENTICATED", "made"]);
        assert_eq!(groups, 1);
        let roll = roll(&world, "acme").await;
        let last: Vec<_> = roll[roll.len() - 5..].iter().map(|entry| entry.event.kind().0).collect();
        assert_eq!(last, ["ClientDisabled", "ClientCreated", "SecretIssued", "ClientCreated", "SecretIssued"]);
        if world.store.backend() == Backend::Postgres {
            let tenant = id_of(&operator, "acme").await;
            assert_eq!(transactions_of_last(&world, tenant, 4).await, 1);
            assert_eq!(transactions_of_last(&world, tenant, 5).await, 2);
        }
        describe(&operator, &acme.client, "goes on").await.data();
    }
}

story! {
    /// Where all of them are refused, nothing is written.
    async fn all_that_share_may_be_refused(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let (admin, client) = admin_of_acme(&world).await;
        let before = roll(&world, "acme").await.len();
        let others = ["one", "two", "three"].map(|name| create(&admin, "acme", name, None));
        let (first, others, _) = meanwhile(&world, disable(&operator, &client), others.into()).await;
        first.data();
        assert_eq!(codes(&others), ["UNAUTHENTICATED"; 3]);
        assert_eq!(roll(&world, "acme").await.len(), before + 1);
    }
}

story! {
    /// The same command several times among those that share, and others: it is carried out once, and each is told so.
    async fn a_command_that_comes_again_in_one_group_is_carried_out_once(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let before = roll(&world, "acme").await.len();
        let id = Some("f47ac10b-58cc-4372-a567-0e02b2c3d479");
        let others = [("once", id), ("once", id), ("other", None), ("once", id)];
        let others = others.map(|(name, id)| create(&operator, "acme", name, id));
        let (first, others, _) = meanwhile(&world, describe(&operator, &acme.client, "first"), others.into()).await;
        first.data();
        let ids: Vec<_> = others.into_iter().map(|answer| answer.data()["client"]["id"].clone()).collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[3] && ids[2] != ids[0], "{ids:?}");
        assert_eq!(roll(&world, "acme").await.len(), before + 1 + 2 * 2);
    }
}

/// What happens to the transaction that adds to a roll, once it commits.
async fn lose_commits(world: &World) {
    let statements: &[&str] = match world.store.backend() {
        Backend::Postgres => &[
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'",
            "CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION lose()",
        ],
        Backend::Sqlite => &[
            "CREATE TABLE nobody (id TEXT PRIMARY KEY)",
            "CREATE TABLE lost (id TEXT REFERENCES nobody (id) DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER lose AFTER INSERT ON events BEGIN INSERT INTO lost VALUES ('somebody'); END",
        ],
    };
    for statement in statements {
        run_sql(world.store.database(), statement).await;
    }
}

async fn lose_no_more(world: &World) {
    let statement = match world.store.backend() {
        Backend::Postgres => "DROP TRIGGER lose ON events",
        Backend::Sqlite => "DROP TRIGGER lose",
    };
    run_sql(world.store.database(), statement).await;
}

story! {
    /// The commit that they share is lost: nobody is told that it is made, none is made in secret a second time, and
    /// who sends theirs again with the same id gets it once.
    async fn a_commit_that_is_lost_is_lost_for_all_that_share_it(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let before = roll(&world, "acme").await.len();
        lose_commits(&world).await;
        let ids = [1, 2, 3].map(|number| format!("00000000-0000-4000-8000-00000000000{number}"));
        let others = ids.iter().map(|id| create(&operator, "acme", id, Some(id)));
        let first = describe(&operator, &acme.client, "first");
        let (first, others, groups) = meanwhile(&world, first, others.collect()).await;
        assert!(codes(&[first]) != ["made"] && groups == 1);
        assert!(!codes(&others).contains(&"made"), "{:?}", codes(&others));
        assert_eq!(roll(&world, "acme").await.len(), before);
        lose_no_more(&world).await;
        for id in ids.iter().chain(&ids) {
            create(&operator, "acme", id, Some(id)).await.data();
        }
        assert_eq!(roll(&world, "acme").await.len(), before + 3 * 2);
    }
}

story! {
    /// Whoever has a signing key can make a token. When it is revoked, what is under way by such a token ends too, also
    /// in another tenant, where nothing of the caller itself has changed.
    async fn a_change_ends_with_the_key_that_signed_its_callers_token(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let key = "{ tenant(slug: \"system\") { signingKeys { id } } }";
        let keys = operator.query("tenant", key).await.data();
        let input = json!({"tenant": "system", "key": keys["signingKeys"][0]["id"], "reason": "leaked"});
        let (system, tenant) = (id_of(&operator, "system").await, id_of(&operator, "acme").await);
        let before = roll(&world, "acme").await.len();
        let held = hold(&world, system).await;
        let also_held = match world.store.backend() {
            Backend::Postgres => Some(hold(&world, tenant).await),
            Backend::Sqlite => None,
        };
        let turns = world.counted(TURNS).await;
        let ((go, may_go), (revoked, is_revoked)) = (oneshot::channel(), oneshot::channel());
        let revoke = async {
            operator.mutation("revokeSigningKey", "replayed", input).await.data();
            let _ = revoked.send(());
        };
        let change = async {
            may_go.await.unwrap();
            describe(&operator, &acme.client, "by a thief").await
        };
        let conduct = async {
            until_turns(&world, turns + turns_of_one(&world)).await;
            go.send(()).unwrap();
            if let Some(also_held) = also_held {
                until_turns(&world, turns + 2 * turns_of_one(&world)).await;
                held.rollback().await.unwrap();
                is_revoked.await.unwrap();
                also_held.rollback().await.unwrap();
            } else {
                until_queued(&world, 1).await;
                held.rollback().await.unwrap();
            }
        };
        let ((), answer, ()) = tokio::join!(revoke, change, conduct);
        assert_eq!(answer.code(), "UNAUTHENTICATED");
        assert_eq!(roll(&world, "acme").await.len(), before);
        // Who signs in anew goes on.
        describe(&world.operator().await, &acme.client, "by its owner").await.data();
    }
}

/// An operator of the platform, and their client.
async fn another_operator(world: &World) -> (GraphQl<'_>, String) {
    let grants = json!([{"api": "urn:chancery:admin", "scopes": ["platform:admin"]}]);
    let input = json!({"tenant": "system", "name": "another", "grants": grants});
    let fields = "client { id } secret { plaintext }";
    let operator = world.operator().await;
    let made = operator
        .mutation("createClient", fields, input)
        .await
        .data();
    let text = |pointer: &str| {
        made.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    let client = text("/client/id");
    let admin = world
        .admin("system", &client, &text("/secret/plaintext"))
        .await;
    (admin, client)
}

/// Two changes of Acme that share a transaction, by the first operator and by another one. While they are written, this
/// happens.
async fn while_they_are_written(
    world: &World,
    others: &GraphQl<'_>,
    what: impl AsyncFnOnce(&GraphQl<'_>),
) -> Vec<Answer> {
    let acme = world.acme().await;
    let operator = world.operator().await;
    let made = create(&operator, "acme", "second", None).await.data();
    let second = made["client"]["id"].as_str().unwrap();
    let (hold_first, hold_second) = (
        hold_client(world, &acme.client).await,
        hold_client(world, second).await,
    );
    let (go, may_go) = oneshot::channel();
    let first = describe(&operator, &acme.client, "the first one");
    let sharing = async {
        may_go.await.unwrap();
        let held_up = describe(&operator, second, "held up");
        let (held_up, other) = tokio::join!(held_up, create(others, "acme", "third", None));
        vec![held_up, other]
    };
    let conduct = async {
        until_locked_out(world, 1).await;
        go.send(()).unwrap();
        until_queued(world, 2).await;
        let turns = world.counted(TURNS).await;
        hold_first.rollback().await.unwrap();
        until_turns(world, turns + 2).await;
        until_locked_out(world, 1).await;
        what(&operator).await;
        hold_second.rollback().await.unwrap();
    };
    let (first, answers, ()) = tokio::join!(first, sharing, conduct);
    first.data();
    answers
}

/// On PostgreSQL the lock of one tenant does not hold who is of another one: they are looked at again right before the
/// commit. On SQLite nobody else writes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_ends_while_a_shared_change_is_written_is_refused() {
    let world = World::start(TestStore::postgres().await).await;
    let (another, client) = another_operator(&world).await;
    let answers = while_they_are_written(&world, &another, async |operator| {
        disable(operator, &client).await.data();
    });
    assert_eq!(codes(&answers.await), ["made", "UNAUTHENTICATED"]);
}

/// The same where the key is revoked that signed the tokens of both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_change_ends_with_the_key_that_signed_its_callers_tokens() {
    let world = World::start(TestStore::postgres().await).await;
    let (another, _) = another_operator(&world).await;
    let node = world.another_node().await;
    let answers = while_they_are_written(&world, &another, async |operator| {
        // Of another node, whose changes do not wait for these.
        let elsewhere = operator.at(&node);
        let key = "{ tenant(slug: \"system\") { signingKeys { id } } }";
        let keys = elsewhere.query("tenant", key).await.data();
        let input =
            json!({"tenant": "system", "key": keys["signingKeys"][0]["id"], "reason": "leaked"});
        elsewhere
            .mutation("revokeSigningKey", "replayed", input)
            .await
            .data();
    });
    assert_eq!(codes(&answers.await), ["UNAUTHENTICATED"; 2]);
}

/// Small changes of several tenants share a transaction on PostgreSQL, and each roll and each row is as it should be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_several_tenants_share_a_transaction() {
    let world = World::start(TestStore::postgres().await).await;
    let operator = world.operator().await;
    let tenants = tenants(&operator, 6).await;
    let mut held = world.store.begin().await.unwrap();
    execute!(&mut held, "LOCK TABLE clients IN EXCLUSIVE MODE").unwrap();
    let turns = world.counted(TURNS).await;
    let changes = tenants
        .iter()
        .map(|(slug, client)| describe(&operator, client, slug));
    let conduct = async {
        // Of six, three at least are in one of two lanes: those under way there, or those that wait, are of several.
        let queued = async || {
            let under_way = world.counted(TURNS).await - turns;
            under_way + world.counted("chancery_change_queue").await == 6
        };
        until("all of them in a lane", queued).await;
        held.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(changes), conduct);
    assert_eq!(codes(&answers), ["made"; 6]);
    let shared = "SELECT COUNT(*) FROM (SELECT xact FROM events GROUP BY xact HAVING COUNT(DISTINCT tenant_id) > 1) e";
    let (shared,) = fetch_one!(&*world.store, (i64,), shared).unwrap();
    assert!(shared > 0, "none was shared");
    for (slug, client) in &tenants {
        let roll = roll(&world, slug).await;
        let numbers: Vec<_> = roll.iter().map(|entry| entry.tenant_seq).collect();
        assert_eq!(
            numbers,
            (1..=i64::try_from(roll.len()).unwrap()).collect::<Vec<_>>()
        );
        assert_eq!(roll.last().unwrap().event.kind().0, "ClientDescribed");
        let query = format!("{{ client(id: \"{client}\") {{ description }} }}");
        assert_eq!(
            operator.query("client", &query).await.data()["description"],
            **slug
        );
    }
}

/// A tenant whose lock somebody else holds keeps nobody waiting but its own changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_held_keeps_no_other_waiting() {
    let world = World::start(TestStore::postgres().await).await;
    let operator = world.operator().await;
    let tenants = tenants(&operator, 4).await;
    let (slug, client) = &tenants[0];
    let held = hold(&world, id_of(&operator, slug).await).await;
    let turns = world.counted(TURNS).await;
    let waits = describe(&operator, client, "waits");
    let goes_on = async {
        until_turns(&world, turns + 2).await;
        for _ in 0..3 {
            let others = tenants[1..]
                .iter()
                .map(|(_, client)| describe(&operator, client, "goes on"));
            assert_eq!(codes(&join_all(others).await), ["made"; 3]);
        }
        held.rollback().await.unwrap();
    };
    let (waited, ()) = tokio::join!(waits, goes_on);
    waited.data();
}

/// Something of a tenant that somebody else holds keeps the others waiting for seconds at most, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_of_one_tenant_does_not_stop_the_others() {
    let world = World::start(TestStore::postgres().await).await;
    let operator = world.operator().await;
    let tenants = tenants(&operator, 5).await;
    let (_, client) = &tenants[0];
    let held = hold_client(&world, client).await;
    let turns = world.counted(TURNS).await;
    let waits = describe(&operator, client, "waits");
    let go_on = async {
        until_turns(&world, turns + 1).await;
        let others = tenants[1..]
            .iter()
            .map(|(_, client)| describe(&operator, client, "goes on"));
        // It is held still.
        assert_eq!(codes(&join_all(others).await), ["made"; 4]);
        held.rollback().await.unwrap();
    };
    let (waited, ()) = tokio::join!(waits, go_on);
    waited.data();
}
