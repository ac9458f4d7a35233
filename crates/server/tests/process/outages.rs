//! The store goes away and comes back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use chancery_event_store::{Backend, StoreLocation};
use chancery_testkit::stores::TestDatabase;
use serde_json::Value;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::join;

use crate::{
    crash::{created, jti, recorded},
    outside::{Load, Outside, PATIENCE},
    projections::assert_rows_are_folds,
    proxy::{Proxy, Way},
    server::{Server, arguments},
};

/// How long each of the two outages lasts: longer than whatever is waited for, and than records may wait.
const AWAY: Duration = Duration::from_secs(8);

/// How long files take no writes. A PostgreSQL that is stopped for as long is in `stopped.rs`.
const FULL: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_reached_is_said_to_be_away_and_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let StoreLocation::Postgres(url) = database.location() else {
        panic!("PostgreSQL is on PostgreSQL")
    };
    let url = reqwest::Url::parse(url).unwrap();
    let behind = SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()));
    let proxy = Proxy::to(behind).await;
    let mut through = url.clone();
    through.set_port(Some(proxy.port)).unwrap();
    let mut arguments = arguments(directory.path(), &database);
    arguments[1] = through.to_string();
    let server = Server::start(directory.path(), &arguments);
    let outside = Outside::of(&server).await;
    outside.works_again("before").await;
    let load = Load::of_tokens(&outside).await;
    for (way, slug) in [(Way::Cut, "after-the-cut"), (Way::Lost, "after-the-loss")] {
        proxy.set(way);
        let since = Instant::now();
        while since.elapsed() < AWAY {
            outside.nothing_works().await;
        }
        let during = load.given();
        proxy.set(Way::Open);
        outside.works_again(slug).await;
        load.goes_on(during, 20).await;
    }
    let issued = load.stop().await;
    assert_eq!(server.terminate(), 0);
    let log = server.log();
    let names = format!("no connection to 127.0.0.1:{}/", proxy.port);
    assert!(log.contains(&names), "the log says why");
    assert!(!log.contains("panicked"), "{log}");
    let recorded = recorded(directory.path(), &arguments).await;
    for token in &issued {
        let jti = jti(token);
        assert!(
            recorded.contains(&jti),
            "a token left without its record: {jti}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_process_holds_can_still_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let outside = Outside::of(&server).await;
    outside.works_again("before").await;

    let file = directory.path().join("chancery-data/chancery.db");
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    let (changed, token, ready) = tokio::join!(
        outside.creates("lost"),
        outside.ask_for_token(),
        outside.get("/readyz")
    );
    assert_eq!(
        (token.status().as_u16(), ready.status().as_u16()),
        (200, 200)
    );
    assert_eq!(
        changed.1["errors"][0]["extensions"]["code"], "UNAVAILABLE",
        "{}",
        changed.1
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    outside.works_again("after").await;
}

/// Asks until the answer says this: whether the store takes writes is tried every few seconds.
async fn becomes(outside: &Outside<'_>, status: u16, says: &str) {
    let since = Instant::now();
    loop {
        let ready = outside.get("/readyz").await;
        let (found, text) = (ready.status(), ready.text().await.unwrap());
        if found == status && text.contains(says) {
            return;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "not {status} but {found}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let StoreLocation::Postgres(url) = database.location() else {
        panic!("PostgreSQL is on PostgreSQL")
    };
    let server = Server::start(directory.path(), &arguments(directory.path(), &database));
    let outside = Outside::of(&server).await;
    becomes(&outside, 200, "ready").await;

    // As after a failover to a standby: the server answers, and takes nothing.
    let mut other = PgConnection::connect(url).await.unwrap();
    let switch = async |other: &mut PgConnection, to: &str| {
        let sql = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {to}', current_database()); END $$;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        );
        sqlx::raw_sql(&sql).execute(other).await.unwrap();
    };
    switch(&mut other, "on").await;
    becomes(&outside, 503, "takes no writes").await;
    assert_eq!(outside.get("/healthz").await.status(), 200);
    switch(&mut other, "off").await;
    becomes(&outside, 200, "ready").await;
    outside.works_again("after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_files_that_take_no_writes_for_30_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_on_a_small_disk(directory.path());
    let outside = Outside::of(&server).await;
    outside.works_again("acme").await;
    let load = Load::of_tokens(&outside).await;
    let clients = Load::of_clients(&outside, "acme");
    join!(load.goes_on(0, 20), clients.goes_on(0, 20));

    server.may_write(false);
    let since = Instant::now();
    becomes(&outside, 503, "takes no writes").await;
    assert_eq!(outside.get("/healthz").await.status(), 200);
    assert_eq!(outside.ask_for_token().await.status(), 503);
    join!(load.is_refused(), clients.is_refused());
    let during = (load.given(), clients.given());
    while since.elapsed() < FULL {
        // No token without a record, no change without an event, and everybody is told to come again.
        let (token, changed) = tokio::join!(outside.ask_for_token(), outside.creates("lost"));
        assert_eq!(token.status(), 503);
        assert!(token.headers().contains_key("retry-after"));
        let token: Value = token.json().await.unwrap();
        assert_eq!(token["error"], "temporarily_unavailable", "{token}");
        assert_eq!(
            changed.1["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{}",
            changed.1
        );
        let read = outside.graphql("{ tenant(slug: \"acme\") { id } }").await;
        assert_eq!(read.status(), 200);
        let read: Value = read.json().await.unwrap();
        assert!(read["data"]["tenant"].is_object(), "{read}");
        let keys = outside.get("/t/system/oauth2/jwks").await;
        assert_eq!(keys.status(), 200, "verifiers go on");
    }
    let given = (load.given(), clients.given());
    assert_eq!(given, during, "nobody got a token, and no client was made");

    server.may_write(true);
    outside.works_again("after").await;
    join!(load.goes_on(during.0, 20), clients.goes_on(during.1, 20));
    let (issued, made) = join!(load.stop(), clients.stop());
    assert_eq!(server.terminate(), 0);
    assert!(!server.log().contains("panicked"));
    let there = created(directory.path(), &[], &[]);
    for id in &made {
        assert!(
            there.contains(id),
            "{id} was acknowledged and is not in the roll"
        );
    }
    assert_rows_are_folds(directory.path(), &[]);
    let recorded = recorded(directory.path(), &[]).await;
    for token in &issued {
        let jti = jti(token);
        assert!(
            recorded.contains(&jti),
            "a token left without its record: {jti}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_async_a_token_leaves_though_its_record_is_lost_and_that_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[activity]\ndurability = \"async\"\n";
    std::fs::write(directory.path().join("chancery.toml"), settings).unwrap();
    let server = Server::start_on_a_small_disk(directory.path());
    let outside = Outside::of(&server).await;
    outside.works_again("before").await;
    assert_eq!(outside.dropped().await, 0);

    server.may_write(false);
    becomes(&outside, 503, "takes no writes").await;
    assert_eq!(outside.ask_for_token().await.status(), 200);
    let since = Instant::now();
    while outside.dropped().await == 0 {
        assert!(since.elapsed() < PATIENCE, "a lost record is not counted");
    }
    let told = outside.about_token("introspect").await;
    assert_eq!(told.status(), 200);
    let told: Value = told.json().await.unwrap();
    assert_eq!(told["active"], true, "{told}");
    // What must be there for ever is waited for.
    assert_eq!(outside.about_token("revoke").await.status(), 503);
    let changed = outside.creates("lost").await.1;
    assert_eq!(
        changed["errors"][0]["extensions"]["code"], "UNAVAILABLE",
        "{changed}"
    );

    server.may_write(true);
    outside.works_again("after").await;
    assert_eq!(server.terminate(), 0);
}
