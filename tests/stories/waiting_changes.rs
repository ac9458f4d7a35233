//! Changes that wait: nobody waits behind the many of another tenant, or for longer than they are told, and whoever
//! waits takes nothing that others need.

use std::time::Duration;

use chancery_domain::Timestamp;
use chancery_event_store::{Backend, Tx, execute, fetch_one};
use chancery_testkit::stores::TestStore;
use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    first_token::roll,
    support::{
        Acme, Answer, GraphQl, Signer, World,
        changes::{
            TURNS, codes, create, describe, hold, id_of, tenants, turns_of_one, until,
            until_locked_out, until_turns,
        },
        story,
    },
};

/// A change that stands on nothing that another one like it changes.
async fn create_with_key(by: &GraphQl<'_>, tenant: &str, jwk: &Value) -> Answer {
    let input = json!({
        "tenant": tenant, "name": "one of many", "authMethod": "PRIVATE_KEY_JWT", "jwks": {"keys": [jwk]},
    });
    by.mutation("createClient", "client { id }", input).await
}

/// Until this is dropped no client of any tenant is changed.
async fn hold_all(world: &World) -> Tx {
    let mut tx = world.store.begin().await.unwrap();
    if world.store.backend() == Backend::Postgres {
        execute!(&mut tx, "LOCK TABLE clients IN EXCLUSIVE MODE").unwrap();
    }
    tx
}

/// How many changes have come so far to where they wait.
async fn until_came(world: &World, changes: u64) {
    let came = async || {
        let queued = world.counted("chancery_change_queue").await;
        world.counted(TURNS).await + queued >= changes
    };
    until("that many here", came).await;
}

story! {
    /// A hundred changes of one tenant wait when others come with one each: these are made with the next ones.
    async fn the_many_of_one_tenant_keep_no_other_waiting(world: World) {
        const MANY: usize = 100;
        let operator = world.operator().await;
        let tenants = tenants(&operator, 6).await;
        let ((crowd, _), others) = tenants.split_first().unwrap();
        let jwk = Signer::new(Algorithm::ES256, "1").jwk;
        let held = hold_all(&world).await;
        let turns = world.counted(TURNS).await;
        let many = join_all((0..MANY).map(|_| create_with_key(&operator, crowd, &jwk)));
        let then = async {
            until_came(&world, turns + MANY as u64).await;
            join_all(others.iter().map(|(_, client)| describe(&operator, client, "one"))).await
        };
        let conduct = async {
            until_came(&world, turns + (MANY + others.len()) as u64).await;
            held.rollback().await.unwrap();
        };
        let (many, others, ()) = tokio::join!(many, then, conduct);
        assert_eq!(codes(&many), ["made"; MANY]);
        assert_eq!(codes(&others), ["made"; 5]);
        let before = "SELECT COUNT(*) FROM events WHERE event_type = 'ClientCreated' AND tenant_id = $1
            AND position < (SELECT MAX(position) FROM events WHERE event_type = 'ClientDescribed')";
        let crowd = id_of(&operator, crowd).await.to_string();
        let (before,) = fetch_one!(&*world.store, (i64,), before, crowd).unwrap();
        // The one that it had, those that were under way, and those that were made with the others'.
        assert!(before < 70, "{before} were made before");
    }
}

story! {
    /// Somebody holds a tenant for longer than its changes can wait: they are refused, and none of them is made when it
    /// is free again.
    async fn what_was_refused_as_late_is_not_made_afterwards(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let tenant = id_of(&operator, "acme").await;
        let before = roll(&world, "acme").await.len();
        let held = hold(&world, tenant).await;
        let turns = world.counted(TURNS).await;
        let first = describe(&operator, &acme.client, "first");
        let second = async {
            until_turns(&world, turns + turns_of_one(&world)).await;
            // It may begin when the first one has been given up, and has no time left to wait as long.
            sleep(Duration::from_secs(1)).await;
            create(&operator, "acme", "second", None).await
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(codes(&[first, second]), ["UNAVAILABLE"; 2]);
        held.rollback().await.unwrap();
        describe(&operator, &acme.client, "third").await.data();
        let roll = roll(&world, "acme").await;
        let since: Vec<_> = roll[before..].iter().map(|entry| entry.event.kind().0).collect();
        assert_eq!(since, ["ClientDescribed"]);
    }
}

/// Whatever needs a connection goes on: a token of a client that nobody has asked for before, and a change.
async fn others_go_on(world: &World, operator: &GraphQl<'_>, other: &Acme) {
    let go_on = async {
        let token = world.token("other", &other.client, &other.secret).send();
        token.await.token();
        describe(operator, &other.client, "goes on").await.data();
    };
    let in_time = timeout(Duration::from_secs(5), go_on).await;
    in_time.expect("others wait for a connection");
}

/// One client is changed from many places while somebody holds its tenant. Each has to be decided again under the
/// lock: one of them waits for it with a connection. (On SQLite what reads has connections of its own.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_changes_of_one_client_leave_the_connections_to_others() {
    const MANY: usize = 40;
    let world = World::start(TestStore::postgres().await).await;
    let (acme, other) = (world.acme().await, world.tenant_like_acme("other").await);
    let operator = world.operator().await;
    let held = hold(&world, id_of(&operator, "acme").await).await;
    let turns = world.counted(TURNS).await;
    let texts: Vec<_> = (0..MANY).map(|number| number.to_string()).collect();
    let many = texts
        .iter()
        .map(|text| describe(&operator, &acme.client, text));
    let conduct = async {
        // Each finds out first that the lock is not free, or that another one was before it.
        until_turns(&world, turns + MANY as u64).await;
        until_locked_out(&world, 1).await;
        others_go_on(&world, &operator, &other).await;
        until_locked_out(&world, 1).await;
        held.rollback().await.unwrap();
    };
    let (many, ()) = tokio::join!(join_all(many), conduct);
    assert_eq!(codes(&many), ["made"; MANY]);
}

/// More tenants are held than there are connections: their changes wait with half of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_changes_of_many_tenants_leave_connections_to_others() {
    let world = World::start(TestStore::postgres().await).await;
    let operator = world.operator().await;
    let other = world.tenant_like_acme("other").await;
    let connections = world.store.connections()[0].max;
    let tenants = tenants(&operator, 2 * connections as usize).await;
    let mut held = world.store.begin().await.unwrap();
    for (slug, _) in &tenants {
        let (tenant, long_ago) = (id_of(&operator, slug).await, Timestamp::from_micros(0));
        held.take_numbers(tenant, 0, long_ago).await.unwrap();
    }
    let turns = world.counted(TURNS).await;
    let changes = tenants
        .iter()
        .map(|(_, client)| describe(&operator, client, "waits"));
    let conduct = async {
        until_turns(&world, turns + 2 * tenants.len() as u64).await;
        until_locked_out(&world, i64::from(connections / 2)).await;
        others_go_on(&world, &operator, &other).await;
        held.rollback().await.unwrap();
    };
    let (changes, ()) = tokio::join!(join_all(changes), conduct);
    assert!(codes(&changes).iter().all(|code| *code == "made"));
}
