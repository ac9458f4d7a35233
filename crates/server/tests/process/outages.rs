//! The store goes away and comes back.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chancery_event_store::{Backend, StoreLocation};
use chancery_testkit::stores::TestDatabase;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};

use crate::{
    crash::{jti, recorded},
    proxy::{Proxy, Way},
    server::{Server, arguments, client},
};

/// How long each of the two outages lasts: together as long as a database takes to start again.
const AWAY: Duration = Duration::from_secs(15);
/// How long any answer may take meanwhile, and what is waited for after it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many ask for tokens all the while.
const ASKING: usize = 4;

/// What somebody sees from outside.
struct Outside<'a> {
    server: &'a Server,
    http: reqwest::Client,
    token: String,
}

impl<'a> Outside<'a> {
    async fn of(server: &'a Server) -> Self {
        Self {
            token: server.operator_token().await,
            http: client().timeout(PATIENCE).build().unwrap(),
            server,
        }
    }

    async fn get(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.server.url);
        self.http
            .get(url)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn graphql(&self, query: &str) -> Response {
        let url = format!("{}/graphql", self.server.url);
        let request = self
            .http
            .post(url)
            .bearer_auth(&self.token)
            .json(&json!({"query": query}));
        request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    async fn ask_for_token(&self) -> Response {
        let text = |name: &str| self.server.operator[name].as_str().unwrap();
        let url = format!("{}/t/system/oauth2/token", self.server.url);
        let request = self
            .http
            .post(url)
            .basic_auth(text("client_id"), Some(text("client_secret")));
        let form = [
            ("grant_type", "client_credentials"),
            ("audience", "urn:chancery:admin"),
        ];
        request
            .form(&form)
            .send()
            .await
            .unwrap_or_else(|error| panic!("a token: {error}"))
    }

    async fn creates(&self, slug: &str) -> (u16, Value) {
        let query = format!(
            "mutation {{ createTenant(input: {{slug: \"{slug}\", displayName: \"{slug}\"}}) {{ tenant {{ id }} }} }}"
        );
        let answer = self.graphql(&query).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Everything says that it cannot, and when to come again; nothing says more.
    async fn nothing_works(&self) {
        assert_eq!(self.get("/healthz").await.status(), 200);
        let ready = self.get("/readyz").await;
        assert_eq!(ready.status(), 503);
        let (token, changed, read) = tokio::join!(
            self.ask_for_token(),
            self.creates("lost"),
            self.graphql("{ tenants { pageInfo { hasNextPage } } }"),
        );
        assert_eq!(token.status(), 503);
        assert!(token.headers().contains_key("retry-after"));
        let token: Value = token.json().await.unwrap();
        assert_eq!(token["error"], "temporarily_unavailable", "{token}");
        assert_eq!(read.status(), 503);
        assert!(read.headers().contains_key("retry-after"));
        let read: Value = read.json().await.unwrap();
        assert_eq!(changed.0, 503, "{}", changed.1);
        for answer in [&changed.1, &read] {
            assert_eq!(
                answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
                "{answer}"
            );
        }
        for answer in [token, read, changed.1] {
            for inside in ["127.0.0.1", "postgres", "sql", "os error", "pool"] {
                assert!(
                    !answer.to_string().to_lowercase().contains(inside),
                    "{answer}"
                );
            }
        }
    }

    /// Without a restart, soon.
    async fn works_again(&self, slug: &str) {
        let since = Instant::now();
        while self.get("/readyz").await.status() != 200 {
            assert!(since.elapsed() < PATIENCE, "not ready again");
        }
        let token = self.ask_for_token().await;
        assert_eq!(token.status(), 200, "{}", token.text().await.unwrap());
        let (status, made) = self.creates(slug).await;
        assert!(status == 200 && made["errors"].is_null(), "{made}");
        for (slug, there) in [(slug, true), ("lost", false)] {
            let query = format!("{{ tenant(slug: \"{slug}\") {{ id }} }}");
            let found: Value = self.graphql(&query).await.json().await.unwrap();
            assert_eq!(
                found["data"]["tenant"].is_object(),
                there,
                "{slug}: {found}"
            );
        }
    }
}

/// Tokens that are asked for all the while, a hundred times a second.
struct Load {
    issued: Arc<Mutex<Vec<String>>>,
    /// How often each of those who ask was told that there is none.
    refused: Arc<[AtomicUsize; ASKING]>,
    stop: watch::Sender<bool>,
    asking: Vec<JoinHandle<()>>,
}

impl Load {
    async fn start(outside: &Outside<'_>) -> Self {
        let unlimited = "mutation { updateTenant(input: {tenant: \"system\", policy: {rateLimit: {client: null}}}) { tenant { id } } }";
        let answer: Value = outside.graphql(unlimited).await.json().await.unwrap();
        assert!(answer["errors"].is_null(), "{answer}");
        let issued = Arc::new(Mutex::new(Vec::new()));
        let refused = Arc::<[AtomicUsize; ASKING]>::default();
        let (stop, stopped) = watch::channel(false);
        let asking = (0..ASKING).map(|who| {
            let text = |name: &str| outside.server.operator[name].as_str().unwrap().to_owned();
            let request = outside
                .http
                .post(format!("{}/t/system/oauth2/token", outside.server.url))
                .basic_auth(text("client_id"), Some(text("client_secret")))
                .form(&[
                    ("grant_type", "client_credentials"),
                    ("audience", "urn:chancery:admin"),
                ]);
            let (issued, refused) = (Arc::clone(&issued), Arc::clone(&refused));
            tokio::spawn(ask(request, issued, (refused, who), stopped.clone()))
        });
        Self {
            asking: asking.collect(),
            issued,
            refused,
            stop,
        }
    }

    fn issued(&self) -> usize {
        self.issued.lock().unwrap().len()
    }

    /// Waits until nobody gets a token any more, and everybody has what they were given before.
    async fn is_refused(&self) {
        let counts = || {
            let counts = self.refused.each_ref();
            counts.map(|count| count.load(Ordering::SeqCst))
        };
        let (before, since) = (counts(), Instant::now());
        while counts()
            .iter()
            .zip(before)
            .any(|(now, before)| *now == before)
        {
            assert!(since.elapsed() < PATIENCE, "there are tokens");
            tokio::task::yield_now().await;
        }
    }

    /// Whoever asked all the while gets tokens again.
    async fn goes_on(&self, before: usize) {
        let since = Instant::now();
        while self.issued() < before + 20 {
            assert!(since.elapsed() < PATIENCE, "no tokens under load");
            tokio::task::yield_now().await;
        }
    }

    /// The ids of all tokens that left.
    async fn stop(self) -> Vec<String> {
        self.stop.send_replace(true);
        for asking in self.asking {
            asking.await.unwrap();
        }
        let issued = self.issued.lock().unwrap();
        issued.iter().map(|token| jti(token)).collect()
    }
}

/// Asks 25 times a second. Every answer is a token, or says that there is none now and when to come again.
async fn ask(
    request: RequestBuilder,
    issued: Arc<Mutex<Vec<String>>>,
    (refused, who): (Arc<[AtomicUsize; ASKING]>, usize),
    stopped: watch::Receiver<bool>,
) {
    let mut pace = tokio::time::interval(Duration::from_millis(40));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        pace.tick().await;
        let answer = request.try_clone().unwrap().send().await.unwrap();
        let (status, retry) = (
            answer.status(),
            answer.headers().contains_key("retry-after"),
        );
        let answer: Value = answer.json().await.unwrap();
        match status.as_u16() {
            200 => issued
                .lock()
                .unwrap()
                .push(answer["access_token"].as_str().unwrap().to_owned()),
            503 => {
                let told = retry && answer["error"] == "temporarily_unavailable";
                assert!(told, "{answer}");
                refused[who].fetch_add(1, Ordering::SeqCst);
            }
            _ => panic!("{status}: {answer}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_for_30_seconds_is_said_to_be_and_found_again() {
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
    let load = Load::start(&outside).await;
    for (way, slug) in [(Way::Cut, "after-the-cut"), (Way::Lost, "after-the-loss")] {
        proxy.set(way);
        let since = Instant::now();
        while since.elapsed() < AWAY {
            outside.nothing_works().await;
        }
        let during = load.issued();
        proxy.set(Way::Open);
        outside.works_again(slug).await;
        load.goes_on(during).await;
    }
    let issued = load.stop().await;
    assert_eq!(server.terminate(), 0);
    let log = server.log();
    let names = format!("no connection to 127.0.0.1:{}/", proxy.port);
    assert!(log.contains(&names), "the log says why");
    assert!(!log.contains("panicked"), "{log}");
    let recorded = recorded(directory.path(), &arguments).await;
    for jti in &issued {
        assert!(
            recorded.contains(jti),
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
async fn files_that_take_no_writes_are_said_to_and_can_still_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_on_a_small_disk(directory.path());
    let outside = Outside::of(&server).await;
    outside.works_again("before").await;
    let load = Load::start(&outside).await;
    load.goes_on(0).await;

    server.may_write(false);
    becomes(&outside, 503, "takes no writes").await;
    assert_eq!(outside.get("/healthz").await.status(), 200);
    assert_eq!(outside.ask_for_token().await.status(), 503);
    load.is_refused().await;
    let during = load.issued();
    for _ in 0..10 {
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
        let read = outside.graphql("{ tenant(slug: \"before\") { id } }").await;
        assert_eq!(read.status(), 200);
        let read: Value = read.json().await.unwrap();
        assert!(read["data"]["tenant"].is_object(), "{read}");
        let keys = outside.get("/t/system/oauth2/jwks").await;
        assert_eq!(keys.status(), 200, "verifiers go on");
    }
    assert_eq!(load.issued(), during, "nobody got a token");

    server.may_write(true);
    outside.works_again("after").await;
    load.goes_on(during).await;
    let issued = load.stop().await;
    assert_eq!(server.terminate(), 0);
    assert!(!server.log().contains("panicked"));
    let recorded = recorded(directory.path(), &[]).await;
    for jti in &issued {
        assert!(
            recorded.contains(jti),
            "a token left without its record: {jti}"
        );
    }
}
