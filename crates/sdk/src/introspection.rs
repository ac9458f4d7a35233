//! Asking the issuer whether a token has been revoked (RFC 7662).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{
    CircuitBreaker, ClientAuth, Error, InvalidToken, Listener, Rejection, Secret, Trouble,
    Unavailable,
    client::internals::{Breaker, Identity, post},
    clock::{Clock, from_unix_seconds, later},
    endpoint::Endpoint,
    metadata::{discover, named},
    transport::Link,
};

/// So many answers are remembered.
const ANSWERS: usize = 10_000;

/// What to do while the issuer cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutage {
    /// Refuse every token, with 503.
    #[default]
    Refuse,
    /// Accept tokens that are good by their signature.
    Accept,
}

/// Asks the issuer about every token that is good by itself, and remembers the answers for a moment: a
/// revoked token, or one of a revoked client, is refused within that time.
///
/// The API asks as a client of its own, which has to be registered as serving this audience.
///
/// ```
/// # use std::time::Duration;
/// use chancery_sdk::{ClientAuth, Verifier, introspection::Introspection};
///
/// # fn example() -> Result<Verifier, chancery_sdk::VerifierBuildError> {
/// let verifier = Verifier::builder()
///     .issuer("https://auth.example/t/acme")
///     .audience("https://orders.example")
///     .introspection(
///         Introspection::new("client_…", ClientAuth::basic("chs_…"))
///             .remember_for(Duration::from_secs(5)),
///     )
///     .build()?;
/// # Ok(verifier)
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Introspection {
    any: Option<Client>,
    of: HashMap<String, Client>,
    remember: Duration,
    timeout: Duration,
    on_outage: OnOutage,
}

impl Introspection {
    /// Asks as this client, at the one issuer that is trusted. A verifier that trusts several is not built:
    /// the client's secret is for its own issuer.
    pub fn new(client_id: impl Into<String>, auth: ClientAuth) -> Self {
        Self {
            any: Some((client_id.into(), auth)),
            ..Self::by_issuer()
        }
    }

    /// Asks each issuer as a client of its own. Tokens of an issuer without one are refused with 503.
    pub fn by_issuer() -> Self {
        Self {
            any: None,
            of: HashMap::new(),
            remember: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            on_outage: OnOutage::default(),
        }
    }

    /// Asks this issuer as this client.
    pub fn at(
        mut self,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        auth: ClientAuth,
    ) -> Self {
        self.of.insert(issuer.into(), (client_id.into(), auth));
        self
    }

    /// How long an answer is remembered. The default is 10 s.
    pub fn remember_for(mut self, time: Duration) -> Self {
        self.remember = time;
        self
    }

    /// How long one request may take, and so long the credential's source. The default is 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What to do while the issuer cannot be asked. The default is to refuse.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// Whether there is a client for whatever issuer a token names.
    pub(crate) fn is_one_client(&self) -> bool {
        self.any.is_some()
    }

    pub(crate) fn into_introspector(
        self,
        link: &Link,
        clock: Arc<dyn Clock>,
        plain: bool,
        listener: Listener,
    ) -> Introspector {
        Introspector {
            link: link.with_timeout(self.timeout),
            rules: self,
            clock,
            plain,
            listener,
            answers: Cache::new(ANSWERS),
            issuers: std::sync::Mutex::default(),
        }
    }
}

/// Whom an issuer is asked as.
type Client = (String, ClientAuth);

fn unavailable(cause: Unavailable, retry_after: Option<Duration>) -> Rejection {
    let retry_after = retry_after.unwrap_or(Duration::from_secs(1));
    Rejection::Unavailable { cause, retry_after }
}

/// An issuer that is asked.
#[derive(Debug)]
struct Issuer {
    endpoint: Mutex<Option<Endpoint>>,
    breaker: Breaker,
}

#[derive(Debug)]
pub(crate) struct Introspector {
    rules: Introspection,
    link: Link,
    clock: Arc<dyn Clock>,
    plain: bool,
    listener: Listener,
    answers: Cache<[u8; 32], Answer>,
    issuers: std::sync::Mutex<HashMap<String, Arc<Issuer>>>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    active: bool,
    asked_at: SystemTime,
    until: SystemTime,
}

impl Answer {
    /// A clock that went back says nothing about how old it is: then it is asked for again.
    fn holds(&self, now: SystemTime) -> bool {
        self.asked_at <= now && now < self.until
    }
}

impl Introspector {
    /// Passes if the issuer says that the token is active.
    pub(crate) async fn check(
        &self,
        issuer: &str,
        token: &str,
        expires_at: i64,
    ) -> Result<(), Rejection> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = self.clock.now();
        if self
            .answers
            .get(&hash)
            .is_some_and(|answer| !answer.holds(now))
        {
            self.answers.remove(&hash);
        }
        let Some(client) = self.rules.of.get(issuer).or(self.rules.any.as_ref()) else {
            let issuer = issuer.to_owned();
            self.listener.tell(&Trouble::NoClient { issuer });
            return Err(unavailable(Unavailable::Credential, None));
        };
        // However many requests bring the same token, one question is on its way.
        let asked = self
            .answers
            .get_or_insert_async(&hash, async {
                let active = self.ask(issuer, client, token).await?;
                let until = if active {
                    later(now, self.rules.remember).min(from_unix_seconds(expires_at))
                } else {
                    later(now, self.rules.remember)
                };
                Ok::<_, Error>(Answer {
                    active,
                    asked_at: now,
                    until,
                })
            })
            .await;
        match (asked, self.rules.on_outage) {
            (Ok(answer), _) if answer.active => Ok(()),
            (Ok(_), _) => Err(InvalidToken::Revoked.into()),
            (Err(error), OnOutage::Accept) if error.is_retryable() => Ok(()),
            (Err(error), _) => {
                let own = error.is_invalid_client() || matches!(error, Error::Credential(_));
                let cause = if own {
                    Unavailable::Credential
                } else {
                    Unavailable::Introspection
                };
                Err(unavailable(cause, error.retry_after()))
            }
        }
    }

    async fn ask(&self, name: &str, client: &Client, token: &str) -> Result<bool, Error> {
        let issuer = self.issuer(name);
        issuer.breaker.enter()?;
        let asked = self.exchange(name, &issuer, client, token).await;
        match &asked {
            Ok(_) | Err(Error::Refused(_)) => issuer.breaker.answered(),
            Err(error) => issuer.breaker.failed(error),
        }
        asked.inspect_err(|error| {
            let (issuer, error) = (name.to_owned(), error.clone());
            self.listener
                .tell(&Trouble::Introspection { issuer, error });
        })
    }

    async fn exchange(
        &self,
        name: &str,
        issuer: &Issuer,
        (client_id, auth): &Client,
        token: &str,
    ) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Body {
            active: bool,
        }
        let endpoint = self.endpoint(name, issuer).await?;
        let parameters = [
            ("token", token.to_owned()),
            ("token_type_hint", "access_token".to_owned()),
        ];
        let mut refused: Option<(Secret, Error)> = None;
        let answer = loop {
            let used = refused.as_ref().map(|(used, _)| used);
            let credential = auth.load(used, self.rules.timeout).await?;
            if let Some((used, error)) = &refused
                && *used == credential
            {
                return Err(error.clone());
            }
            let identity = Identity {
                auth,
                client_id,
                credential: &credential,
                audience: name,
            };
            let now = self.clock.now();
            match post(&self.link, &endpoint, &identity, now, &parameters).await {
                Ok(answer) => break answer,
                // A secret that has just been rotated.
                Err(error) if error.is_invalid_client() && refused.is_none() => {
                    refused = Some((credential, error));
                }
                Err(error) => return Err(error),
            }
        };
        let body = serde_json::from_slice::<Body>(answer.body());
        let body = body.map_err(|_| Error::Unreadable {
            endpoint: endpoint.to_string(),
            what: "it is not an introspection response".to_owned(),
        })?;
        Ok(body.active)
    }

    async fn endpoint(&self, name: &str, issuer: &Issuer) -> Result<Endpoint, Error> {
        let mut known = issuer.endpoint.lock().await;
        if let Some(endpoint) = &*known {
            return Ok(endpoint.clone());
        }
        let url = Endpoint::issuer(name, self.plain).map_err(|fault| Error::Unreadable {
            endpoint: name.to_owned(),
            what: fault.to_string(),
        })?;
        let metadata = discover(&self.link, name, &url, self.clock.now()).await?;
        let found = metadata.introspection_endpoint.as_ref();
        let endpoint = named("introspection_endpoint", found, self.plain)?;
        *known = Some(endpoint.clone());
        Ok(endpoint)
    }

    fn issuer(&self, name: &str) -> Arc<Issuer> {
        let mut issuers = self
            .issuers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let issuer = issuers.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Issuer {
                endpoint: Mutex::default(),
                breaker: Breaker::new(CircuitBreaker::new(5, Duration::from_secs(5))),
            })
        });
        Arc::clone(issuer)
    }
}
