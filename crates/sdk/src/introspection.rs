//! Asking the issuer whether a token has been revoked (RFC 7662).

mod answers;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use quick_cache::sync::Cache;
use serde::{Deserialize, de::IgnoredAny};

use self::answers::{Answers, Key};
use crate::{
    CircuitBreaker, ClientAuth, Error, InvalidToken, Listener, Rejection, Secret, Trouble,
    Unavailable,
    client::internals::{Breaker, Identity, post},
    clock::Clock,
    endpoint::Endpoint,
    metadata::{Believed, Metadata, named},
    transport::{LONGEST_PAUSE, Link},
};

/// What to do while the issuer cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutage {
    /// Refuse every token, with 503.
    #[default]
    Refuse,
    /// Accept tokens that are good by their signature. Also where somebody else answers in the issuer's place,
    /// like an ingress with a page for people; not a token that the issuer has said to be revoked, nor where the issuer refuses to answer this API, nor where this
    /// API has no credential to ask with. Set [`on_error`](crate::VerifierBuilder::on_error) with it: nobody
    /// else hears that revoked tokens are let in.
    Accept,
}

/// Asks the issuer about every token that is good by itself, and remembers the answers for a moment: a
/// revoked token, or one of a revoked client, is refused within that time.
///
/// The API asks as a client of its own, which has to be registered as serving this audience.
///
/// Each token is asked about again when its answer has been [remembered](Self::remember_for) for long enough, so the
/// issuer's limit for this client has to have room for so many requests a minute as tokens are in use, times 60,
/// divided by those seconds. Where it has not, what was answered in the last minute is good for so long, and tokens
/// that were never asked about are refused with 503.
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
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    any: Option<Client>,
    of: HashMap<String, Client>,
    others: Option<Arc<Lookup>>,
    remember: Duration,
    timeout: Duration,
    on_outage: OnOutage,
}

impl Introspection {
    /// Asks as this client, at the one issuer that the verifier trusts. A verifier that trusts several is not
    /// built with it, since the secret would go to each of them: say for each [whom to ask as](Self::at).
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
            others: None,
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

    /// Asks an issuer that is not named [otherwise](Self::at) as the client that this finds for it: for an API
    /// of every tenant, which has a client of its own in each. It is called for every question, so it should
    /// look into a map, and give a clone of a [`ClientAuth`] that it keeps.
    ///
    /// ```
    /// # use std::{collections::HashMap, sync::{Arc, RwLock}};
    /// # use chancery_sdk::{ClientAuth, introspection::Introspection};
    /// let clients: Arc<RwLock<HashMap<String, (String, ClientAuth)>>> = Arc::default();
    /// let known = Arc::clone(&clients);
    /// let introspection =
    ///     Introspection::by_issuer().others(move |issuer| known.read().ok()?.get(issuer).cloned());
    /// ```
    pub fn others(
        mut self,
        find: impl Fn(&str) -> Option<(String, ClientAuth)> + Send + Sync + 'static,
    ) -> Self {
        self.others = Some(Arc::new(find));
        self
    }

    /// How long an answer is remembered. The default is 10 s.
    pub fn remember_for(mut self, time: Duration) -> Self {
        self.remember = time;
        self
    }

    /// How long one request may take, and so long the credential's source; and twice as long the whole
    /// question. The default is 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What to do while the issuer cannot be asked. The default is to refuse.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    pub(crate) fn into_introspector(
        self,
        link: &Link,
        clock: Arc<dyn Clock>,
        plain: bool,
        listener: Listener,
    ) -> Introspector {
        let asking = Asking {
            link: link.with_timeout(self.timeout),
            clock: Arc::clone(&clock),
            timeout: self.timeout,
            plain,
            listener,
            issuers: Cache::new(ISSUERS),
        };
        Introspector {
            rules: self,
            clock,
            answers: Arc::default(),
            asking: Arc::new(asking),
        }
    }

    /// Whether one secret is for whichever issuer there is.
    pub(crate) fn is_for_any(&self) -> bool {
        self.any.is_some()
    }

    fn client_for(&self, issuer: &str) -> Option<Client> {
        let named = self.of.get(issuer).or(self.any.as_ref()).cloned();
        named.or_else(|| self.others.as_ref()?(issuer))
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("any", &self.any)
            .field("of", &self.of)
            .field("remember", &self.remember)
            .field("timeout", &self.timeout)
            .field("on_outage", &self.on_outage)
            .finish_non_exhaustive()
    }
}

/// Whom an issuer is asked as.
type Client = (String, ClientAuth);
/// Finds it.
type Lookup = dyn Fn(&str) -> Option<Client> + Send + Sync;

/// Whether a program wrote this: JSON, or a JWT in its place.
fn is_of_a_program(answer: &Response<Bytes>) -> bool {
    let body = answer.body();
    serde_json::from_slice::<IgnoredAny>(body).is_ok() || body.starts_with(b"eyJ")
}

fn unavailable(cause: Unavailable, retry_after: Option<Duration>) -> Rejection {
    let retry_after = retry_after
        .unwrap_or(Duration::from_secs(1))
        .min(LONGEST_PAUSE);
    Rejection::Unavailable { cause, retry_after }
}

/// While the issuer limits how often it is asked, an answer that is no older than this goes on being good.
const LIMITED: Duration = Duration::from_mins(1);

/// So many issuers are remembered, as their keys are.
const ISSUERS: usize = 10_000;

/// An issuer that is asked.
#[derive(Debug)]
struct Issuer {
    metadata: Believed,
    breaker: Breaker,
}

#[derive(Debug)]
pub(crate) struct Introspector {
    rules: Introspection,
    clock: Arc<dyn Clock>,
    answers: Arc<Answers>,
    asking: Arc<Asking>,
}

/// What is needed to ask.
#[derive(Debug)]
struct Asking {
    link: Link,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    plain: bool,
    listener: Listener,
    issuers: Cache<String, Arc<Issuer>>,
}

impl Introspector {
    /// Passes if the issuer says that the token is active.
    pub(crate) async fn check(&self, issuer: &str, token: &str) -> Result<(), Rejection> {
        let now = self.clock.now();
        let (key, age) = (Key::of(token), self.rules.remember);
        let asked = if let Some(active) = self.answers.known(&key, age, now) {
            Ok(active)
        } else {
            let issuer = issuer.to_owned();
            let Some(client) = self.rules.client_for(&issuer) else {
                self.asking.listener.tell(&Trouble::NoClient { issuer });
                return Err(unavailable(Unavailable::Credential, None));
            };
            let (asking, token) = (Arc::clone(&self.asking), Secret::from(token));
            let ask = async move { asking.ask(&issuer, &client, &token).await };
            self.answers.ask(key, age, now, ask).await
        };
        match asked {
            Ok(true) => Ok(()),
            Ok(false) => Err(InvalidToken::Revoked.into()),
            Err(error) => {
                let own = error.is_invalid_client() || matches!(error, Error::Credential(_));
                // A method or a form that the endpoint does not take is for good.
                let for_good = own || matches!(error.status(), Some(405 | 415));
                let accept = self.rules.on_outage == OnOutage::Accept && !for_good;
                let limited = error.is_of_a_limit();
                match self.answers.last(&key, LIMITED, now) {
                    // What is revoked remains so.
                    Some((false, _)) => return Err(InvalidToken::Revoked.into()),
                    Some((true, lately)) if limited && lately => return Ok(()),
                    // Who sends many tokens could bring a limit about, for one that was never asked about.
                    None if limited => {}
                    _ if accept && error.is_trouble() => return Ok(()),
                    _ => {}
                }
                let cause = if own {
                    Unavailable::Credential
                } else {
                    Unavailable::Introspection
                };
                Err(unavailable(cause, error.retry_after()))
            }
        }
    }
}

impl Asking {
    async fn ask(&self, name: &str, client: &Client, token: &Secret) -> Result<bool, Error> {
        let issuer = self
            .issuer(name)
            .inspect_err(|error| self.tell(name, error))?;
        issuer.breaker.enter()?;
        // Whoever waits for others to learn where to ask, has no more time than they.
        let in_all = self.timeout.saturating_mul(2);
        let exchange = self.exchange(name, &issuer, client, token.reveal());
        let asked = tokio::time::timeout(in_all, exchange).await;
        let asked = asked.unwrap_or_else(|_| Err(Error::timeout(name, in_all)));
        match &asked {
            Ok(_) => issuer.breaker.answered(),
            Err(error) => {
                issuer.breaker.heard(error);
                if error.is_of_another() || matches!(error, Error::Unreachable { .. }) {
                    issuer.metadata.doubt();
                }
            }
        }
        asked.inspect_err(|error| self.tell(name, error))
    }

    fn tell(&self, issuer: &str, error: &Error) {
        let (issuer, error) = (issuer.to_owned(), error.clone());
        self.listener
            .tell(&Trouble::Introspection { issuer, error });
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
        let endpoint = self.endpoint(issuer).await?;
        let parameters = [
            ("token", token.to_owned()),
            ("token_type_hint", "access_token".to_owned()),
        ];
        let mut refused: Option<(Secret, Error)> = None;
        let answer = loop {
            let used = refused.as_ref().map(|(used, _)| used);
            let credential = auth.load(used, self.timeout).await?;
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
        let what = "it is not an introspection response";
        match serde_json::from_slice::<Body>(answer.body()) {
            Ok(body) => Ok(body.active),
            // A page for people is somebody else's, and JSON or a JWT (RFC 9701) the issuer's own.
            Err(_) if is_of_a_program(&answer) => Err(Error::Configuration(format!(
                "the answer of {} cannot be read: {what}",
                endpoint.as_str()
            ))),
            Err(_) => Err(Error::unreadable(endpoint.as_str(), what)),
        }
    }

    async fn endpoint(&self, issuer: &Issuer) -> Result<Endpoint, Error> {
        let of = |metadata: &Metadata| {
            let url = metadata.introspection_endpoint.as_ref();
            named("introspection_endpoint", url, self.plain)
        };
        let found = issuer.metadata.endpoint(&self.link, self.clock.now(), of);
        Ok(found.await?)
    }

    fn issuer(&self, name: &str) -> Result<Arc<Issuer>, Error> {
        self.issuers.get_or_insert_with(name, || {
            let url = Endpoint::issuer(name, self.plain).map_err(|fault| {
                Error::Configuration(format!("the issuer {name} is not used: {fault}"))
            })?;
            Ok(Arc::new(Issuer {
                metadata: Believed::new(name.to_owned(), url),
                breaker: Breaker::new(CircuitBreaker::new(5, Duration::from_secs(5))),
            }))
        })
    }
}
