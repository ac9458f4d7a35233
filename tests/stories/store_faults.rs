//! What happens to a PostgreSQL that a server has to live with.

use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestStore;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Socket, World, run_sql};

fn address(world: &World) -> &str {
    match world.store.database().location() {
        StoreLocation::Postgres(url) => url,
        StoreLocation::Sqlite(_) => panic!("not PostgreSQL"),
    }
}

/// A connection of somebody else, to this database or to another of the same cluster.
async fn stranger(world: &World, database: Option<&str>) -> PgConnection {
    let mut url = reqwest::Url::parse(address(world)).unwrap();
    if let Some(database) = database {
        url.set_path(database);
    }
    PgConnection::connect(url.as_str()).await.unwrap()
}

/// Transactions that others leave open, here and in another database of the cluster, hold up neither
/// tokens nor revocations nor followers, on any node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_transaction_that_stays_open_holds_up_nobody() {
    let world = World::start(TestStore::postgres().await).await;
    let acme = world.acme().await;
    let (operator, other) = (world.operator().await, world.another_node().await);
    let mut open = [
        stranger(&world, None).await,
        stranger(&world, Some("postgres")).await,
    ];
    for connection in &mut open {
        for statement in [
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "SELECT pg_current_xact_id(), COUNT(*) FROM pg_class",
        ] {
            connection.execute(statement).await.unwrap();
        }
    }
    open[0]
        .execute("SELECT COUNT(*) FROM events, token_log.activity")
        .await
        .unwrap();

    let mut socket = Socket::with_token(&other, operator.token()).await;
    socket.follow("acme", Some("0")).await;
    let token = || world.token("acme", &acme.client, &acme.secret);
    for node in [&world.url, &other] {
        token().at(node).send().await.token();
    }
    operator
        .mutation(
            "revokeClientSecret",
            "replayed",
            json!({"client": acme.client, "secret": acme.secret_id, "reason": "lost"}),
        )
        .await
        .data();
    for node in [&world.url, &other] {
        token().at(node).send().await.refused(401, "invalid_client");
    }
    let head = operator
        .query("tenant", "{ tenant(slug: \"acme\") { head } }")
        .await
        .data();
    let head: usize = head["head"].as_str().unwrap().parse().unwrap();
    let seen = socket.numbers(head).await;
    assert_eq!(seen.len(), head);
    for connection in &mut open {
        connection.execute("ROLLBACK").await.unwrap();
    }
}

/// A dump that is restored into a younger cluster holds transaction ids that are yet to come there.
/// Nothing goes by them: followers, changes, tokens and revocations go on, and the roll is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_into_a_younger_cluster_nothing_is_lost() {
    let world = World::start(TestStore::postgres().await).await;
    let acme = world.acme().await;
    world.platform.application.seal_rolls().await.unwrap();
    for statement in [
        "ALTER TABLE events DISABLE TRIGGER USER",
        "UPDATE events SET xact = (xact::text::numeric + 1099511627776)::text::xid8",
        "ALTER TABLE events ENABLE TRIGGER USER",
    ] {
        run_sql(world.store.database(), statement).await;
    }
    let world = world.restart().await;
    let (operator, other) = (world.operator().await, world.another_node().await);
    let mut socket = Socket::with_token(&other, operator.token()).await;
    socket.follow("acme", None).await;
    let token = || world.token("acme", &acme.client, &acme.secret);
    for node in [&world.url, &other] {
        token().at(node).send().await.token();
    }
    let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "lost"});
    operator
        .mutation("revokeClientSecret", "replayed", input)
        .await
        .data();
    for node in [&world.url, &other] {
        token().at(node).send().await.refused(401, "invalid_client");
    }
    let head = operator
        .query("tenant", "{ tenant(slug: \"acme\") { head } }")
        .await
        .data();
    let head: usize = head["head"].as_str().unwrap().parse().unwrap();
    let seen = socket.numbers(head).await;
    let all: Vec<_> = (1..).take(head).collect();
    assert_eq!(seen, all);
    let slug = "acme".parse().unwrap();
    let mut file = Vec::new();
    let exported = world
        .platform
        .application
        .export_roll(&slug, 1, &mut file, &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(exported.to, head as u64);
}
