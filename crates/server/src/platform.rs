//! The whole server but its socket: what the binary serves, and what tests serve in their own
//! process with a clock of their own.

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use chancery_admin_api::Sockets;
use chancery_application::{
    Application, ClientAddress, Error, Installation, InvalidPublicUrl, OpenError,
    OperatorCredential, Parts, PublicUrl, Witness,
};
use chancery_crypto::{Entropy, HashParameters, Sealer, SecretHasher, Stock};
use chancery_directory::{Capacity, Directory};
use chancery_domain::Clock;
use chancery_event_store::{Store, StoreError, StoreLocation};
use chancery_telemetry::http::Http;
use chancery_token_log::{Durability, TokenLog, TokenLogConfig};
use chancery_token_service::{
    FailureLimit, SignIn, TokenService, TokenServiceConfig, TrustedProxies,
};

use crate::{
    app::App,
    descriptors::{self, Shares},
    docs,
    health::{self, Health},
    places::Places,
    problem::{nothing_for_clients, nothing_here, wrong_method},
    roll,
    telemetry::{self, Sources},
};

/// How many secrets may wait to be hashed before the answer is "try again".
const WAITING_TO_HASH: usize = 256;

/// What the server is told from outside.
pub struct Settings {
    /// The base of every issuer.
    pub public_url: PublicUrl,
    /// Where the admin API is, if not below the base of every issuer: scheme and authority.
    pub admin_url: Option<String>,
    /// What this node has seen of seals.
    pub witness: Witness,
    /// Whether this is a server, which names the logs of new rolls by its public URL.
    pub begins_seals: bool,
    /// When a token may leave.
    pub durability: Durability,
    /// Whether TLS is spoken at the address of clients, and at that of operators.
    pub tls: [bool; 2],
    /// After how many days activity is deleted.
    pub activity_days: u32,
    /// The operator's word that a log of tokens which is not there is to be begun anew.
    pub tokens_are_lost: bool,
    /// What the token endpoint is told.
    pub token_service: TokenServiceConfig,
    /// What the admin API is told.
    pub admin_api: chancery_admin_api::Options,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Settings {
    /// The settings of a server with this base of every issuer, everything else by default.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`].
    pub fn new(
        public_url: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, InvalidPublicUrl> {
        let public_url = PublicUrl::parse(public_url)?;
        let token_service = TokenServiceConfig {
            public_url: public_url.as_str().to_owned(),
            address_failures: FailureLimit::default(),
            trusted_proxies: TrustedProxies::none(),
        };
        Ok(Self {
            public_url,
            admin_url: None,
            witness: Witness::default(),
            begins_seals: true,
            durability: Durability::default(),
            tls: [false; 2],
            activity_days: 90,
            tokens_are_lost: false,
            token_service,
            admin_api: chancery_admin_api::Options::default(),
            clock,
            entropy,
        })
    }
}

/// The whole server but its socket.
pub struct Platform {
    /// The one door for changes.
    pub application: Application,
    /// Every URL of the contract.
    pub app: App,
    /// The same in two parts, for two addresses.
    pub(crate) apart: Apart,
    /// What is counted.
    pub(crate) sources: Arc<Sources>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where everything is kept.
    pub store: Store,
    /// How the files that may be open are shared out.
    pub(crate) shares: Shares,
    sockets: Sockets,
    /// Where token traffic is kept.
    pub log: TokenLog,
}

/// Every URL of the contract, in two parts.
pub(crate) struct Apart {
    /// What clients and resource servers ask for.
    pub(crate) public: App,
    /// What operators ask for. Health is in both.
    pub(crate) internal: App,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The installation cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The token log cannot be opened.
    #[error("the token log cannot be opened: {0}")]
    TokenLog(#[source] StoreError),
    /// There are tenants, and their log of tokens is gone.
    #[error(
        "the log of tokens is not in {0}, and there are tenants: without it every token that was revoked would be good again. Put it back from the backup; where it is lost for ever, start once with `chancery serve --tokens-are-lost`, and first see in docs/operations.md, \"A lost log of tokens\", which keys to revoke"
    )]
    LogLost(String),
    /// The first start failed; nothing of it is left.
    #[error("the first start failed, and nothing of it was kept: {}", reason(.0))]
    Install(#[source] Error),
}

/// What lies at the bottom of an error, for one sentence.
fn reason(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// What hashes client secrets, one at a time for each core.
pub(crate) fn hasher() -> SecretHasher {
    SecretHasher::new(HashParameters::default(), threads(), WAITING_TO_HASH)
}

/// The one door for changes, on an open installation.
pub(crate) fn application(
    store: &Store,
    log: &TokenLog,
    sealer: &Arc<Sealer>,
    settings: &Settings,
    installation: &Installation,
    hasher: &SecretHasher,
) -> Application {
    Application::new(Parts {
        store: store.clone(),
        log: log.clone(),
        clock: settings.clock.clone(),
        entropy: settings.entropy.clone(),
        sealer: sealer.clone(),
        secrets: installation.secrets.clone(),
        hasher: hasher.clone(),
        public_url: settings.public_url.clone(),
        admin_url: settings.admin_url.clone(),
        witness: settings.witness.clone(),
        begins_seals: settings.begins_seals,
    })
}

/// The log of token traffic beside this store.
pub(crate) async fn token_log(store: &Store, settings: &Settings) -> Result<TokenLog, StartError> {
    let mut log = TokenLogConfig::beside(store.location());
    log.durability = settings.durability;
    log.retention_days = settings.activity_days;
    if !settings.tokens_are_lost {
        require_token_log(store, &log).await?;
    }
    TokenLog::open(&log, store, settings.clock.clone())
        .await
        .map_err(StartError::TokenLog)
}

/// Goes on only where the log is that was made with the installation: a new one beside an old roll would know of no token
/// that was revoked.
///
/// # Errors
/// [`StartError::LogLost`].
pub(crate) async fn require_token_log(
    store: &Store,
    log: &TokenLogConfig,
) -> Result<(), StartError> {
    // In this order: the log is made before the first tenant.
    let tenants = store.platform_heads(None, 1).await;
    let is_new = tenants.map_err(StartError::TokenLog)?.is_empty();
    if is_new
        || TokenLog::is_there(log)
            .await
            .map_err(StartError::TokenLog)?
    {
        return Ok(());
    }
    Err(StartError::LogLost(match &log.location {
        StoreLocation::Sqlite(path) => path.display().to_string(),
        StoreLocation::Postgres(_) => "the database".to_owned(),
    }))
}

impl Platform {
    /// Opens the installation on a migrated store, and makes it on the first start: then `keep`
    /// gets the first operator's credential before anything is committed.
    ///
    /// # Errors
    /// [`StartError`]. A wrong master key is refused before anything is changed.
    pub async fn open(
        store: Store,
        sealer: Arc<Sealer>,
        settings: Settings,
        keep: impl Fn(&OperatorCredential) -> io::Result<()>,
    ) -> Result<Self, StartError> {
        // The master key comes first: with a wrong one nothing is made.
        Installation::open(&store, &sealer, &*settings.entropy).await?;
        let log = token_log(&store, &settings).await?;
        loop {
            let installation = Installation::open(&store, &sealer, &*settings.entropy).await?;
            let hasher = hasher();
            let application = application(&store, &log, &sealer, &settings, &installation, &hasher);
            let made = !installation.is_new()
                || application
                    .install(&installation, &keep)
                    .await
                    .map_err(StartError::Install)?;
            if !made {
                // Another process was faster: its installation is the one to open.
                continue;
            }
            let directory = Arc::new(Directory::new(
                store.clone(),
                sealer,
                &*settings.entropy,
                Capacity::default(),
            ));
            let proxies = settings.token_service.trusted_proxies.clone();
            let token_service = TokenService::new(
                settings.token_service,
                directory.clone(),
                hasher.clone(),
                installation.secrets.clone(),
                log.clone(),
                settings.clock.clone(),
                settings.entropy.clone(),
            );
            let http = http(settings.entropy, proxies.clone());
            let rooms = Rooms::of(&store, &log, settings.admin_url.is_some());
            let health = Health::of(store.clone(), log.clone(), application.clone());
            let sources = Arc::new(Sources {
                began: Instant::now(),
                started: settings.clock.now(),
                http: http.clone(),
                application: application.clone(),
                token_service: token_service.clone(),
                directory,
                hasher,
                log: log.clone(),
                store: store.clone(),
                lags: Arc::default(),
                places: rooms.listened(),
                certificate: OnceLock::new(),
                health: health.clone(),
                clock: settings.clock.clone(),
            });
            let sockets = Sockets::default();
            let health = health::routes(health.clone());
            let complete = |router: Router| {
                router
                    .merge(health.clone())
                    .method_not_allowed_fallback(wrong_method)
            };
            // For clients, and for operators.
            let clients = || Some(token_service.clone());
            let [public_http, internal_http] = settings.tls.map(|tls| spoken(&http, tls));
            let app = |clients, http: &Arc<Http>, routes, places: &Arc<Places>| {
                App::new(clients, http.clone(), complete(routes), places.clone())
            };
            let tokens = chancery_token_service::router(token_service.clone());
            let public = tokens
                .clone()
                .merge(roll::routes(application.clone()))
                .merge(docs::routes());
            let internal = chancery_admin_api::router(
                application.clone(),
                sockets.clone(),
                settings.admin_api,
            )
            .merge(console(application.clone(), tokens))
            .route("/", get(health::front).fallback(nothing_here))
            .merge(telemetry::routes(sources.clone()))
            .layer(middleware::from_fn_with_state(proxies, say_from_where));
            let all = public.clone().merge(internal.clone());
            let public = public.fallback(nothing_for_clients);
            let [all, internal] = [all, internal].map(|routes| routes.fallback(nothing_here));
            return Ok(Self {
                application,
                app: app(clients(), &public_http, all, &rooms.public),
                apart: Apart {
                    public: app(clients(), &public_http, public, &rooms.public),
                    internal: app(None, &internal_http, internal, &rooms.internal),
                },
                shares: rooms.shares,
                sources,
                clock: settings.clock,
                store,
                sockets,
                log,
            });
        }
    }

    /// Closes the connections of subscriptions, waits for the changes that are under way and for the
    /// records that are queued, then lets go of the store.
    pub async fn close(self) {
        self.sockets.close().await;
        self.application.drain().await;
        self.log.close().await;
        self.store.close().await;
    }
}

/// Says with each request from where it comes: for whom it is recorded who has read.
async fn say_from_where(
    State(proxies): State<TrustedProxies>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let address = proxies.client(peer.ip(), request.headers());
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}

/// The console, which asks for tokens as clients do.
fn console(application: Application, tokens: Router) -> Router {
    let tokens = chancery_console::Tokens {
        signing_in: tokens.clone().layer(Extension(SignIn)),
        tried: tokens,
    };
    chancery_console::router(application, tokens)
}

/// The layer around the routes; who is believed where a request comes from decides about its trace, too.
fn http(entropy: Arc<dyn Entropy>, proxies: TrustedProxies) -> Arc<Http> {
    let names: Arc<dyn Entropy> = Arc::new(Stock::new(entropy));
    let http = Http::new(Box::new(move || names.bytes()), telemetry::of_request);
    Arc::new(http.believing(move |peer| proxies.trust(peer)))
}

/// The same at an address where TLS is spoken, or is not.
fn spoken(http: &Arc<Http>, tls: bool) -> Arc<Http> {
    if tls {
        Arc::new((**http).clone().secured())
    } else {
        http.clone()
    }
}

/// The places of each address.
struct Rooms {
    shares: Shares,
    public: Arc<Places>,
    internal: Arc<Places>,
    /// Whether operators have an address of their own.
    apart: bool,
}

impl Rooms {
    /// Beside what these stores need.
    fn of(store: &Store, log: &TokenLog, apart: bool) -> Self {
        let pools = store.connections().into_iter().chain(log.connections());
        let most = pools
            .map(|pool| usize::try_from(pool.max).unwrap_or(usize::MAX))
            .fold(0, usize::saturating_add);
        let shares = Shares::of(descriptors::limit(), most);
        let internal = shares.internal(apart);
        Self {
            shares,
            public: Places::new(shares.connections - internal),
            internal: Places::new(internal),
            apart,
        }
    }

    /// Those that are listened at, by their settings.
    fn listened(&self) -> Vec<(&'static str, Arc<Places>)> {
        let internal = self.apart.then_some(("internal_listen", &self.internal));
        std::iter::once(("listen", &self.public))
            .chain(internal)
            .map(|(address, places)| (address, places.clone()))
            .collect()
    }
}

/// One hash at a time for each core.
fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
