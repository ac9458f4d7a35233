//! What somebody sees of a server from outside while its store goes away and comes back, and what many ask of it
//! all the while.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};

use crate::server::{Server, client};

/// How long any answer may take meanwhile, and what is waited for after it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How many ask for the same all the while.
const ASKING: usize = 4;

/// What somebody sees from outside.
pub(crate) struct Outside<'a> {
    server: &'a Server,
    http: reqwest::Client,
    token: String,
}

impl<'a> Outside<'a> {
    pub(crate) async fn of(server: &'a Server) -> Self {
        Self {
            token: server.operator_token().await,
            http: client().timeout(PATIENCE).build().unwrap(),
            server,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.server.url);
        self.http
            .get(url)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) async fn graphql(&self, query: &str) -> Response {
        let sent = self.graphql_request(query).send().await;
        sent.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    fn graphql_request(&self, query: &str) -> RequestBuilder {
        let url = format!("{}/graphql", self.server.url);
        let request = self.http.post(url).bearer_auth(&self.token);
        request.json(&json!({"query": query}))
    }

    /// A request of the operator to one of the endpoints that clients authenticate at.
    fn oauth_request(&self, endpoint: &str) -> RequestBuilder {
        let text = |name: &str| self.server.operator[name].as_str().unwrap();
        let url = format!("{}/t/system/oauth2/{endpoint}", self.server.url);
        let request = self.http.post(url);
        request.basic_auth(text("client_id"), Some(text("client_secret")))
    }

    fn token_request(&self) -> RequestBuilder {
        self.oauth_request("token").form(&[
            ("grant_type", "client_credentials"),
            ("audience", "urn:chancery:admin"),
        ])
    }

    /// Asks this endpoint about the operator's own token.
    pub(crate) async fn about_token(&self, endpoint: &str) -> Response {
        let request = self
            .oauth_request(endpoint)
            .form(&[("token", &*self.token)]);
        let sent = request.send().await;
        sent.unwrap_or_else(|error| panic!("{endpoint}: {error}"))
    }

    pub(crate) async fn ask_for_token(&self) -> Response {
        let sent = self.token_request().send().await;
        sent.unwrap_or_else(|error| panic!("a token: {error}"))
    }

    pub(crate) async fn creates(&self, slug: &str) -> (u16, Value) {
        let query = format!(
            "mutation {{ createTenant(input: {{slug: \"{slug}\", displayName: \"{slug}\"}}) {{ tenant {{ id }} }} }}"
        );
        let answer = self.graphql(&query).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Verifiers have the keys of this tenant.
    pub(crate) async fn has_keys(&self, tenant: &str) {
        let keys = self.get(&format!("/t/{tenant}/oauth2/jwks")).await;
        assert_eq!(keys.status(), 200);
        let keys: Value = keys.json().await.unwrap();
        assert!(keys["keys"][0].is_object(), "{keys}");
    }

    /// How many records of activity this process has lost.
    pub(crate) async fn dropped(&self) -> usize {
        let metrics = self.get("/metrics").await.text().await.unwrap();
        let name = "chancery_token_log_dropped_total ";
        let mut found = metrics.lines().filter_map(|line| line.strip_prefix(name));
        found.next().unwrap().parse().unwrap()
    }

    /// Everything says that it cannot, and when to come again; nothing says more.
    pub(crate) async fn nothing_works(&self) {
        assert_eq!(self.get("/healthz").await.status(), 200);
        let ready = self.get("/readyz").await;
        assert_eq!(ready.status(), 503);
        let (token, changed, read, told, revoked, checkpoint, metrics) = tokio::join!(
            self.ask_for_token(),
            self.creates("lost"),
            self.graphql("{ tenants { pageInfo { hasNextPage } } }"),
            self.about_token("introspect"),
            self.about_token("revoke"),
            self.get("/t/system/roll/checkpoint"),
            self.get("/metrics"),
        );
        assert_eq!(token.status(), 503);
        assert!(token.headers().contains_key("retry-after"));
        let token: Value = token.json().await.unwrap();
        assert_eq!(token["error"], "temporarily_unavailable", "{token}");
        for answer in [told, revoked, checkpoint] {
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
        }
        assert_eq!(metrics.status(), 200);
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
    pub(crate) async fn works_again(&self, slug: &str) {
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

/// One request that several send all the while, a hundred times a second together.
pub(crate) struct Load {
    given: Arc<Mutex<Vec<String>>>,
    /// How often each of those who ask was told that it cannot be now.
    refused: Arc<[AtomicUsize; ASKING]>,
    stop: watch::Sender<bool>,
    asking: Vec<JoinHandle<()>>,
}

impl Load {
    /// Tokens of the operator, who may have any number of them from here on.
    pub(crate) async fn of_tokens(outside: &Outside<'_>) -> Self {
        let unlimited = "mutation { updateTenant(input: {tenant: \"system\", policy: {rateLimit: {client: null}}}) { tenant { id } } }";
        let answer: Value = outside.graphql(unlimited).await.json().await.unwrap();
        assert!(answer["errors"].is_null(), "{answer}");
        Self::of(&outside.token_request(), token)
    }

    /// New clients of a tenant.
    pub(crate) fn of_clients(outside: &Outside<'_>, tenant: &str) -> Self {
        let create = format!(
            "mutation {{ createClient(input: {{tenant: \"{tenant}\", name: \"one\"}}) {{ client {{ id }} }} }}"
        );
        Self::of(&outside.graphql_request(&create), client_id)
    }

    fn of(request: &RequestBuilder, read: Read) -> Self {
        let given = Arc::new(Mutex::new(Vec::new()));
        let refused = Arc::<[AtomicUsize; ASKING]>::default();
        let (stop, stopped) = watch::channel(false);
        let asking = (0..ASKING).map(|who| {
            let request = request.try_clone().unwrap();
            let (given, refused) = (Arc::clone(&given), Arc::clone(&refused));
            tokio::spawn(ask(request, read, given, (refused, who), stopped.clone()))
        });
        Self {
            asking: asking.collect(),
            given,
            refused,
            stop,
        }
    }

    /// How many there are.
    pub(crate) fn given(&self) -> usize {
        self.given.lock().unwrap().len()
    }

    /// Waits until nobody is given anything any more, and everybody has what they were given before.
    pub(crate) async fn is_refused(&self) {
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
            assert!(since.elapsed() < PATIENCE, "it goes on");
            tokio::task::yield_now().await;
        }
    }

    /// Whoever asked all the while is given so many more than there were, and waits for none of them too long.
    pub(crate) async fn goes_on(&self, before: usize, more: usize) {
        let (mut given, mut since) = (before, Instant::now());
        while given < before + more {
            assert!(since.elapsed() < PATIENCE, "nothing under load");
            tokio::task::yield_now().await;
            if self.given() != given {
                (given, since) = (self.given(), Instant::now());
            }
        }
    }

    /// All that was given.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop.send_replace(true);
        for asking in self.asking {
            asking.await.unwrap();
        }
        std::mem::take(&mut *self.given.lock().unwrap())
    }
}

/// What is read of an answer: what was asked for, or nothing, where it says that it cannot be now.
type Read = fn(u16, bool, &Value) -> Option<String>;

fn token(status: u16, says_when: bool, answer: &Value) -> Option<String> {
    match status {
        200 => answer["access_token"].as_str().map(ToOwned::to_owned),
        503 => {
            let told = says_when && answer["error"] == "temporarily_unavailable";
            assert!(told, "{answer}");
            None
        }
        _ => panic!("{status}: {answer}"),
    }
}

fn client_id(status: u16, _: bool, answer: &Value) -> Option<String> {
    let made = &answer["data"]["createClient"]["client"]["id"];
    if made.is_null() {
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(code, "UNAVAILABLE", "{status}: {answer}");
    }
    made.as_str().map(ToOwned::to_owned)
}

/// Asks 25 times a second.
async fn ask(
    request: RequestBuilder,
    read: Read,
    given: Arc<Mutex<Vec<String>>>,
    (refused, who): (Arc<[AtomicUsize; ASKING]>, usize),
    stopped: watch::Receiver<bool>,
) {
    let mut pace = tokio::time::interval(Duration::from_millis(40));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        pace.tick().await;
        let answer = request.try_clone().unwrap().send().await.unwrap();
        let (status, says_when) = (
            answer.status().as_u16(),
            answer.headers().contains_key("retry-after"),
        );
        let answer: Value = answer.json().await.unwrap();
        match read(status, says_when, &answer) {
            Some(one) => given.lock().unwrap().push(one),
            None => _ = refused[who].fetch_add(1, Ordering::SeqCst),
        }
    }
}
