use std::sync::{Arc, Mutex};

use chancery::{
    connections::{Door, serve},
    platform::{Platform, Settings},
};
use chancery_crypto::{MasterKey, Sealer, SystemEntropy};
use chancery_domain::Timestamp;
use chancery_event_store::{Database, StoreConfig, Tx};
use chancery_testkit::{clock::TestClock, held, stores::TestStore};
use chancery_token_log::TokenLogConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{GraphQl, TokenRequest};

/// The real server on a free port, with a clock that the story moves.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) platform: Platform,
    /// What `operator.json` would hold.
    pub(crate) operator: Value,
    pub(crate) store: TestStore,
    pub(crate) master_key: String,
    server: tokio::task::JoinHandle<()>,
}

/// A tenant with an API and a client that may read and write there.
pub(crate) struct Acme {
    pub(crate) api: String,
    pub(crate) client: String,
    pub(crate) secret: String,
    pub(crate) secret_id: String,
}

/// Serves the platform as the binary does.
fn served(listener: TcpListener, platform: &Platform) -> impl Future<Output = ()> + use<> {
    let door = Door {
        listener,
        app: platform.app.clone(),
        tls: None,
    };
    serve(vec![door], std::future::pending(), std::future::pending())
}

impl World {
    /// The first start on an empty store.
    pub(crate) async fn start(store: TestStore) -> Self {
        let master_key = MasterKey::generate(&SystemEntropy::new())
            .to_base64()
            .to_string();
        Self::start_with(store, Arc::new(TestClock::default()), master_key, None).await
    }

    /// Stops the server and starts another one on the same store.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            server,
            platform,
            store,
            clock,
            master_key,
            operator,
            ..
        } = self;
        server.abort();
        let _ = server.await;
        platform.close().await;
        Self::start_with(store, clock, master_key, Some(operator)).await
    }

    async fn start_with(
        store: TestStore,
        clock: Arc<TestClock>,
        master_key: String,
        known: Option<Value>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sealer = Arc::new(Sealer::new(
            MasterKey::from_base64(&master_key).unwrap(),
            None,
        ));
        let credential = Mutex::new(known);
        let settings = Settings::new(&url, clock.clone(), Arc::new(SystemEntropy::new())).unwrap();
        let opened = store.another().await;
        let platform = Platform::open(opened, sealer, settings, |made| {
            *credential.lock().unwrap() = Some(serde_json::to_value(made)?);
            Ok(())
        })
        .await
        .unwrap();
        let mut operator = credential.into_inner().unwrap().unwrap();
        // After a restart the port is another one.
        operator["token_endpoint"] = json!(format!("{url}/t/system/oauth2/token"));
        let server = tokio::spawn(served(listener, &platform));
        Self {
            url,
            http: reqwest::Client::new(),
            clock,
            platform,
            operator,
            store,
            master_key,
            server,
        }
    }

    /// The URL of a second node on the same store and with the same public URL: another process would
    /// be no different. It knows nothing yet.
    pub(crate) async fn another_node(&self) -> String {
        self.another_node_with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn another_node_with(&self, set: impl FnOnce(&mut Settings)) -> String {
        let key = MasterKey::from_base64(&self.master_key).unwrap();
        self.node_with(Sealer::new(key, None), set).await
    }

    /// The same, with these master keys.
    pub(crate) async fn node_with(
        &self,
        sealer: Sealer,
        set: impl FnOnce(&mut Settings),
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sealer = Arc::new(sealer);
        let entropy = Arc::new(SystemEntropy::new());
        let mut settings = Settings::new(&self.url, self.clock.clone(), entropy).unwrap();
        set(&mut settings);
        let store = self.store.another().await;
        let platform = Platform::open(store, sealer, settings, |_| unreachable!())
            .await
            .unwrap();
        tokio::spawn(served(listener, &platform));
        url
    }

    /// The present of the story.
    pub(crate) fn now(&self) -> Timestamp {
        chancery_domain::Clock::now(&*self.clock)
    }

    /// Until this is dropped nothing can be recorded of a token.
    pub(crate) async fn hold_tokens(&self) -> Tx {
        let log = TokenLogConfig::beside(self.store.database().location());
        let log = Database::connect(&StoreConfig::new(log.location))
            .await
            .unwrap();
        held::hold(&log).await
    }

    /// What the server has counted, by the name and labels of the series.
    pub(crate) async fn counted(&self, series: &str) -> u64 {
        let metrics = self.http.get(format!("{}/metrics", self.url)).send();
        let metrics = metrics.await.unwrap().text().await.unwrap();
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// The token endpoint of a tenant.
    pub(crate) fn token_endpoint(&self, slug: &str) -> String {
        format!("{}/t/{slug}/oauth2/token", self.url)
    }

    /// A token request of a client.
    pub(crate) fn token(&self, slug: &str, client: &str, secret: &str) -> TokenRequest<'_> {
        TokenRequest::new(self, slug, client, secret)
    }

    /// GraphQL as the first operator.
    pub(crate) async fn operator(&self) -> GraphQl<'_> {
        let client = self.operator["client_id"].as_str().unwrap();
        let secret = self.operator["client_secret"].as_str().unwrap();
        self.admin("system", client, secret).await
    }

    /// GraphQL as a client that holds scopes of a tenant's admin API.
    pub(crate) async fn admin(&self, slug: &str, client: &str, secret: &str) -> GraphQl<'_> {
        let answer = self
            .token(slug, client, secret)
            .with("audience", "urn:chancery:admin")
            .send()
            .await;
        GraphQl::new(self, answer.token())
    }

    /// A tenant with an API and a client.
    pub(crate) async fn acme(&self) -> Acme {
        self.tenant_like_acme("acme").await
    }

    /// Another tenant with an API and a client of the same names.
    pub(crate) async fn tenant_like_acme(&self, slug: &str) -> Acme {
        let operator = self.operator().await;
        operator
            .mutation(
                "createTenant",
                "tenant { id }",
                json!({"slug": slug, "displayName": slug}),
            )
            .await
            .data();
        let api = operator
            .mutation(
                "createApi",
                "api { id }",
                json!({
                    "tenant": slug,
                    "identifier": "https://orders.example",
                    "name": "Orders",
                    "scopes": [{"name": "orders:read"}, {"name": "orders:write"}],
                    "roles": [{"name": "clerk", "scopes": ["orders:read"]}],
                }),
            )
            .await
            .data();
        let created = operator
            .mutation(
                "createClient",
                "client { id } secret { id plaintext }",
                json!({
                    "tenant": slug,
                    "name": "billing",
                    "grants": [{"api": "https://orders.example", "scopes": ["orders:read", "orders:write"], "roles": ["clerk"]}],
                }),
            )
            .await
            .data();
        let text = |pointer: &str| {
            created
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap()
                .to_owned()
        };
        Acme {
            api: api["api"]["id"].as_str().unwrap().to_owned(),
            client: text("/client/id"),
            secret: text("/secret/plaintext"),
            secret_id: text("/secret/id"),
        }
    }
}
