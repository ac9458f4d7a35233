use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    routing::{MethodRouter, get, post},
};
use chancery_crypto::{DecoyKeys, Entropy, SecretHasher, SecretIssuer, Stock};
use chancery_directory::{Alike, Directory};
use chancery_domain::{Clock, value::Slug};
use chancery_telemetry::Family;
use chancery_token_log::{Entry, TokenLog};
use tokio::sync::Semaphore;

use crate::{
    address::{AddressFailures, FailureLimit, TrustedProxies},
    counted::Counted,
    doubtful::Doubtful,
    endpoint::{Arrival, Endpoint},
    error::Problem,
    granted::Granted,
    jwks,
    limits::Limits,
    metadata,
    published::Confirmed,
};

/// How many tenants are looked up at a time for the sake of a note.
const LOOK_UPS: usize = 8;

/// How many assertions from addresses beyond their limit are looked up at a time.
const DOUBTFUL: usize = 4;

/// How many kinds of what was granted are looked for when another is kept.
const GRANTED: usize = 1_024;

/// How long one of them waits for its turn.
const DOUBT: Duration = Duration::from_secs(3);

/// How the endpoints are configured.
#[derive(Clone, Debug)]
pub struct TokenServiceConfig {
    /// Scheme and authority, without a slash at the end: the base of every issuer.
    pub public_url: String,
    /// How many failed authentications are borne from one address.
    pub address_failures: FailureLimit,
    /// Whose forwarded addresses are believed.
    pub trusted_proxies: TrustedProxies,
}

/// The state of the endpoints. Cheap to clone; every clone counts with the others.
#[derive(Clone)]
pub struct TokenService(Arc<Parts>);

struct Parts {
    config: TokenServiceConfig,
    directory: Arc<Directory>,
    hasher: SecretHasher,
    secrets: Arc<SecretIssuer>,
    decoys: DecoyKeys,
    log: TokenLog,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    names: Stock,
    limits: Limits,
    failures: AddressFailures,
    look_ups: Arc<Semaphore>,
    doubtful: Doubtful,
    counted: Counted,
    confirmed: Confirmed,
    granted: Alike<Granted>,
}

impl TokenService {
    /// The endpoints on these parts. `secrets` tells which secrets this installation issued; nothing
    /// is minted with it here.
    pub fn new(
        config: TokenServiceConfig,
        directory: Arc<Directory>,
        hasher: SecretHasher,
        secrets: Arc<SecretIssuer>,
        log: TokenLog,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let failures = AddressFailures::new(config.address_failures);
        let limits = Limits::new();
        Self(Arc::new(Parts {
            config,
            directory,
            hasher,
            secrets,
            decoys: DecoyKeys::new(),
            log,
            clock,
            names: Stock::new(entropy.clone()),
            entropy,
            limits,
            failures,
            look_ups: Arc::new(Semaphore::new(LOOK_UPS)),
            doubtful: Doubtful::new(DOUBTFUL, DOUBT),
            counted: Counted::default(),
            confirmed: Confirmed::default(),
            granted: Alike::new(GRANTED),
        }))
    }

    /// What the endpoints have counted.
    pub fn families(&self) -> Vec<Family> {
        self.0.counted.families()
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.0.counted
    }

    pub(crate) fn granted(&self) -> &Alike<Granted> {
        &self.0.granted
    }

    pub(crate) fn confirmed(&self) -> &Confirmed {
        &self.0.confirmed
    }

    pub(crate) fn config(&self) -> &TokenServiceConfig {
        &self.0.config
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.0.directory
    }

    pub(crate) fn hasher(&self) -> &SecretHasher {
        &self.0.hasher
    }

    pub(crate) fn secrets(&self) -> &SecretIssuer {
        &self.0.secrets
    }

    pub(crate) fn decoys(&self) -> &DecoyKeys {
        &self.0.decoys
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    /// Chance for the ids of tokens.
    pub(crate) fn names(&self) -> &dyn Entropy {
        &self.0.names
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn failures(&self) -> &AddressFailures {
        &self.0.failures
    }

    pub(crate) fn doubtful(&self) -> &Doubtful {
        &self.0.doubtful
    }

    pub(crate) fn log(&self) -> &TokenLog {
        &self.0.log
    }

    /// Takes note of something at the endpoints of the tenant with this slug, whose id is put in. Where this
    /// node has not seen the tenant, it is looked up, if that may be, after the answer, which must not tell
    /// whether it exists.
    pub(crate) fn note(&self, slug: &Slug, may_look_up: bool, entry: Entry<'_>) {
        if let Some(tenant) = self.directory().id_seen(slug) {
            return self.log().note(Entry { tenant, ..entry });
        }
        if !may_look_up {
            return;
        }
        // Beyond so many at a time nothing is noted: somebody is trying names.
        let Ok(permit) = self.0.look_ups.clone().try_acquire_owned() else {
            return;
        };
        let (service, slug, entry) = (self.clone(), slug.clone(), entry.into_owned());
        tokio::spawn(async move {
            if let Ok(Some(tenant)) = service.directory().id_of(&slug).await {
                service.log().note(Entry { tenant, ..entry });
            }
            drop(permit);
        });
    }

    /// A tenant's issuer.
    pub(crate) fn issuer(&self, slug: &Slug) -> String {
        self.issuer_at(slug.as_str())
    }

    /// What the issuer would be of a tenant with this slug, were there one.
    pub(crate) fn issuer_at(&self, slug: &str) -> String {
        format!("{}/t/{slug}", self.0.config.public_url)
    }
}

/// The endpoints under every issuer, and the metadata documents. Serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`, since addresses are counted, and within
/// `chancery_telemetry::http::layer`, which gives every request its trace.
pub fn router(service: TokenService) -> Router {
    Endpoint::ALL
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            router.route(endpoint.route(), asked(endpoint))
        })
        .route(
            "/t/{slug}/oauth2/jwks",
            get(jwks::handle).fallback(not_allowed),
        )
        .route(
            "/.well-known/oauth-authorization-server/t/{slug}",
            get(metadata::handle).fallback(not_allowed),
        )
        .route(
            "/t/{slug}/.well-known/openid-configuration",
            get(metadata::handle).fallback(not_allowed),
        )
        .with_state(service)
}

/// An endpoint that clients authenticate at.
fn asked(endpoint: Endpoint) -> MethodRouter<TokenService> {
    let answer = move |State(service): State<TokenService>, arrival: Arrival| async move {
        endpoint.answer(&service, &arrival).await
    };
    post(answer).fallback(not_allowed)
}

async fn not_allowed() -> Problem {
    Problem::METHOD
}
