//! What happens to a database that a server has to live with.

use std::time::{Duration, Instant};

use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestStore;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::support::{Acme, GraphQl, Socket, World, run_sql, story};

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

    let seen = goes_on(&world, &operator, &other, &acme, Some("0")).await;
    assert!(seen.iter().copied().eq((1..).take(seen.len())));
    for connection in &mut open {
        connection.execute("ROLLBACK").await.unwrap();
    }
}

/// The same on SQLite, where whoever reads the files for long, a backup for example, keeps what they read as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_files_that_stays_open_holds_up_nobody() {
    let world = World::start(TestStore::sqlite().await).await;
    let acme = world.acme().await;
    let (operator, other) = (world.operator().await, world.another_node().await);
    let StoreLocation::Sqlite(roll) = world.store.database().location() else {
        panic!("not SQLite")
    };
    let mut open = Vec::new();
    for (path, table) in [
        (roll.clone(), "events"),
        (roll.with_file_name("tokens.db"), "activity_fresh"),
    ] {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        let before = count(&mut connection, table).await;
        open.push((connection, table, before));
    }
    let seen = goes_on(&world, &operator, &other, &acme, Some("0")).await;
    assert!(seen.iter().copied().eq((1..).take(seen.len())));
    for (mut connection, table, before) in open {
        assert_eq!(
            count(&mut connection, table).await,
            before,
            "it was open all the while"
        );
        connection.execute("ROLLBACK").await.unwrap();
        assert!(count(&mut connection, table).await > before);
    }
}

async fn count(connection: &mut SqliteConnection, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(&sql)
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Tokens, a revocation and somebody who follows, on two nodes: what came to the follower.
async fn goes_on(
    world: &World,
    operator: &GraphQl<'_>,
    other: &str,
    acme: &Acme,
    after: Option<&str>,
) -> Vec<i64> {
    let mut socket = Socket::with_token(other, operator.token()).await;
    socket.follow("acme", after).await;
    let token = || world.token("acme", &acme.client, &acme.secret);
    for node in [&*world.url, other] {
        token().at(node).send().await.token();
    }
    let input = json!({"client": acme.client, "secret": acme.secret_id, "reason": "lost"});
    operator
        .mutation("revokeClientSecret", "replayed", input)
        .await
        .data();
    for node in [&*world.url, other] {
        token().at(node).send().await.refused(401, "invalid_client");
    }
    let head = operator
        .query("tenant", "{ tenant(slug: \"acme\") { head } }")
        .await
        .data();
    let head: usize = head["head"].as_str().unwrap().parse().unwrap();
    socket.numbers(head).await
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
    let seen = goes_on(&world, &operator, &other, &acme, None).await;
    let head = seen.len();
    assert!(seen.into_iter().eq((1..).take(head)));
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

async fn ready(world: &World) -> (u16, String) {
    let asked = world.http.get(format!("{}/readyz", world.url));
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

story! {
    /// A node that can record no token is not ready, whatever its database says of itself, and is again with the first
    /// token that it records.
    async fn who_can_record_no_token_is_not_ready(world: World) {
        let acme = world.acme().await;
        let token = || world.token("acme", &acme.client, &acme.secret);
        token().send().await.token();
        assert_eq!(ready(&world).await.0, 200);
        let held = world.hold_tokens().await;
        let ask = async {
            let answer = token().send().await;
            (answer.status == 200, ready(&world).await.0)
        };
        let watch = async {
            let since = Instant::now();
            loop {
                let (status, body) = ready(&world).await;
                if status == 503 {
                    assert!(body.contains("log of token requests"), "{body}");
                    break;
                }
                assert!(since.elapsed() < Duration::from_secs(30), "it is ready, and can do nothing");
                world.clock.advance(1);
            }
            drop(held);
        };
        let ((issued, ready), ()) = tokio::join!(ask, watch);
        // Whoever was patient for long enough has the token.
        assert!(issued, "the lock was gone in time");
        assert_eq!(ready, 200);
    }
}

async fn published(world: &World, document: &str) -> (u16, String) {
    let asked = world.http.get(format!("{}{document}", world.url));
    let answer = asked.send().await.unwrap();
    let kept = answer.headers().get("cache-control").unwrap();
    (answer.status().as_u16(), kept.to_str().unwrap().to_owned())
}

story! {
    /// While the store is away, key sets and metadata are what a cache on the way would say, and for no longer; nothing
    /// else is told from memory.
    async fn keys_outlive_the_store_for_as_long_as_a_cache_would_keep_them(world: World) {
        let acme = world.acme().await;
        let documents = ["/t/acme/oauth2/jwks", "/.well-known/oauth-authorization-server/t/acme"];
        for document in documents {
            assert_eq!(published(&world, document).await, (200, "public, max-age=300".to_owned()));
        }
        world.platform.store.close().await;
        for (later, kept) in [(0, 300), (100, 200), (199, 1)] {
            world.clock.advance(later);
            for document in documents {
                let expected = (200, format!("public, max-age={kept}"));
                assert_eq!(published(&world, document).await, expected, "{document}");
            }
        }
        world.clock.advance(1);
        for document in documents {
            assert_eq!(published(&world, document).await, (503, "no-store".to_owned()));
        }
        let unseen = "/t/system/oauth2/jwks";
        assert_eq!(published(&world, unseen).await.0, 503, "nobody asked for it before");
        let asked = world.http.post(format!("{}/t/acme/oauth2/introspect", world.url));
        let asked = asked.basic_auth(&acme.client, Some(&acme.secret)).form(&[("token", "x")]);
        assert_eq!(asked.send().await.unwrap().status(), 503);
    }
}
