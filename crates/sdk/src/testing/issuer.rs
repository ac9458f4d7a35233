use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::{endpoints::InMemory, keys::TestKey, token::TestToken};
use crate::{
    Algorithm, Scopes, Secret,
    clock::{Clock, SystemClock},
    transport::Transport,
};

/// An issuer in memory: its [transport](Self::transport) answers for its metadata, its key set, and its
/// token, introspection and revocation endpoints, as Chancery does: who may introspect a token is the client
/// that it is of and whoever [serves](TestClient::serves) its audience, and a client revokes no token but its
/// own.
///
/// Clones are the same issuer. Clients authenticate in each way that [`ClientAuth`](crate::ClientAuth) has, and an
/// assertion is good once; its `kid` is not looked at. There are no limits, but for [`Outage::Status`] with 429. A
/// [role](TestClient::role) is in every token of its client, where Chancery puts it only into tokens for its
/// API with all the scopes that it brings.
#[derive(Clone)]
pub struct TestIssuer {
    pub(super) url: Arc<str>,
    pub(super) clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    pub(super) tenant_id: String,
    pub(super) keys: Vec<Arc<TestKey>>,
    pub(super) published: Vec<Value>,
    pub(super) clients: HashMap<String, TestClient>,
    pub(super) revoked: HashSet<String>,
    /// The `jti` of each assertion that has been used.
    pub(super) assertions: HashSet<String>,
    pub(super) lifetime: Duration,
    pub(super) requests: BTreeMap<&'static str, usize>,
    pub(super) outage: Option<Outage>,
    made: usize,
}

/// In which way an issuer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// It cannot be reached.
    Unreachable,
    /// It never answers.
    Silent,
    /// It answers with this status, and with `Retry-After` in seconds if there is a number.
    Status(u16, Option<u64>),
}

/// A client of a test issuer.
#[derive(Clone, Debug)]
pub struct TestClient {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) grants: BTreeMap<String, Scopes>,
    pub(super) roles: BTreeSet<String>,
    pub(super) serves: BTreeSet<String>,
}

impl TestClient {
    /// A client with a secret, or with a private key as
    /// [`ClientAuth::private_key_jwt`](crate::ClientAuth::private_key_jwt) takes it.
    pub fn new(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            grants: BTreeMap::new(),
            roles: BTreeSet::new(),
            serves: BTreeSet::new(),
        }
    }

    /// Grants scopes at an API.
    #[must_use]
    pub fn grant(mut self, audience: impl Into<String>, scopes: impl Into<Scopes>) -> Self {
        self.grants.insert(audience.into(), scopes.into());
        self
    }

    /// Lets it introspect tokens for this API, as the API itself does.
    #[must_use]
    pub fn serves(mut self, audience: impl Into<String>) -> Self {
        self.serves.insert(audience.into());
        self
    }

    /// Puts a role into its tokens.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }
}

impl TestIssuer {
    /// An issuer with this URL, which nothing has to listen at, and one ES256 key.
    pub fn new(url: impl Into<String>) -> Self {
        Self::with(url, Algorithm::Es256, Arc::new(SystemClock))
    }

    /// An issuer with a key for this algorithm (ES256, ES384, `EdDSA` or RS256) and a clock of the
    /// test's.
    pub fn with(url: impl Into<String>, algorithm: Algorithm, clock: Arc<dyn Clock>) -> Self {
        let url = url.into();
        let slug = url.rsplit('/').next().unwrap_or_default();
        let issuer = Self {
            state: Arc::new(Mutex::new(State {
                tenant_id: format!("tenant_{slug}"),
                keys: Vec::new(),
                published: Vec::new(),
                clients: HashMap::new(),
                revoked: HashSet::new(),
                assertions: HashSet::new(),
                lifetime: Duration::from_hours(1),
                requests: BTreeMap::new(),
                outage: None,
                made: 0,
            })),
            url: url.into(),
            clock,
        };
        issuer.rotate_key(algorithm);
        issuer
    }

    /// Its URL, as configured at clients and verifiers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A transport that answers for this issuer, and for no other.
    pub fn transport(&self) -> Arc<dyn Transport> {
        Self::transport_of([self])
    }

    /// A transport that answers for several issuers, like a server with several tenants.
    pub fn transport_of<'a>(issuers: impl IntoIterator<Item = &'a Self>) -> Arc<dyn Transport> {
        Arc::new(InMemory(issuers.into_iter().cloned().collect()))
    }

    /// Registers a client, in the place of any other with its id.
    pub fn register(&self, client: TestClient) {
        self.state().clients.insert(client.id.clone(), client);
    }

    /// Lets tokens live for so long; an hour, where nothing else is said.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// Signs with a new key from now on. The keys before it stay published.
    pub fn rotate_key(&self, algorithm: Algorithm) {
        let mut state = self.state();
        let key = Arc::new(TestKey::generate(
            &format!("key_{}", state.keys.len() + 1),
            algorithm,
        ));
        state.published.push(key.jwk.clone());
        state.keys.push(key);
    }

    /// Publishes only the key that signs now.
    pub fn withdraw_old_keys(&self) {
        let mut state = self.state();
        let last = state.published.len().saturating_sub(1);
        state.published.drain(..last);
    }

    /// Publishes something in the place of its keys.
    pub fn publish(&self, keys: Vec<Value>) {
        self.state().published = keys;
    }

    /// The keys as they are published.
    pub fn published(&self) -> Vec<Value> {
        self.state().published.clone()
    }

    /// Fails in this way from now on; `None` mends it.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.state().outage = outage;
    }

    /// Revokes a token, so that introspection calls it inactive.
    pub fn revoke(&self, token: &str) {
        if let Some(id) = crate::UnverifiedClaims::of(token).and_then(|claims| claims.token_id) {
            self.state().revoked.insert(id);
        }
    }

    /// How many requests came for tokens.
    pub fn token_requests(&self) -> usize {
        self.requests("token")
    }

    /// How many requests came for the key set.
    pub fn key_requests(&self) -> usize {
        self.requests("jwks")
    }

    /// How many requests came for the metadata.
    pub fn metadata_requests(&self) -> usize {
        self.requests("metadata")
    }

    /// How many requests came for introspection.
    pub fn introspection_requests(&self) -> usize {
        self.requests("introspect")
    }

    /// How many requests came for revocation.
    pub fn revocation_requests(&self) -> usize {
        self.requests("revoke")
    }

    /// Begins a token of a client, of any shape. Nothing has to be registered.
    pub fn token(&self, client_id: &str) -> TestToken {
        let state = self.state();
        let now = crate::clock::unix_seconds(self.clock.now());
        let life = i64::try_from(state.lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = json!({
            "iss": &*self.url,
            "sub": client_id,
            "client_id": client_id,
            "tenant_id": state.tenant_id,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(life),
            "jti": "",
            "type": "m2m",
        });
        let key = state.keys.last().map(Arc::clone);
        drop(state);
        TestToken::new(key, claims, self.next_id(), now)
    }

    fn next_id(&self) -> String {
        let mut state = self.state();
        state.made += 1;
        format!("token-{}", state.made)
    }

    fn requests(&self, of: &str) -> usize {
        self.state().requests.get(of).copied().unwrap_or_default()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestIssuer").field(&self.url).finish()
    }
}
