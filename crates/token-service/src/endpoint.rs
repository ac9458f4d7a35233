//! What the endpoints that clients authenticate at have in common: the order of their checks, and what
//! every answer carries.

mod answer;
mod arrival;
mod record;

use axum::response::Response;
use chancery_domain::{ClientId, CredentialId, TenantId, Timestamp, tenant::RateLimits};
use chancery_telemetry::stage;
use chancery_token_log::{Assertion, Durability};
use tracing::Instrument as _;

use crate::{
    TokenService,
    client_auth::{self, Denial, Presented, Proof, ProofError, Prover, View},
    doubtful::Place,
    error::{Code, Refusal},
    grant, introspect,
    limits::{Bearing, Counted, Standing, Whose},
    parameters::{Malformed, Parameters},
    revoke, token,
};

pub use self::arrival::SignIn;
pub(crate) use self::{answer::Served, arrival::Arrival, record::recorded};

/// How often a decision is made before the request is told to come again. The first stands on what
/// this node saw last; only a tenant that changes all the time overtakes the others.
const ATTEMPTS: usize = 5;

/// Which endpoint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `POST {issuer}/oauth2/token` (RFC 6749, section 3.2).
    Token,
    /// `POST {issuer}/oauth2/introspect` (RFC 7662).
    Introspection,
    /// `POST {issuer}/oauth2/revoke` (RFC 7009).
    Revocation,
}

impl Endpoint {
    /// Every endpoint; the one that is asked for most comes first.
    pub(crate) const ALL: [Self; 3] = [Self::Token, Self::Introspection, Self::Revocation];

    /// The name of its route.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::Token => "/t/{slug}/oauth2/token",
            Self::Introspection => "/t/{slug}/oauth2/introspect",
            Self::Revocation => "/t/{slug}/oauth2/revoke",
        }
    }

    /// Its name in the log.
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
        }
    }

    /// Whether a quota that is used up refuses it. What leaked can be revoked all the same.
    fn bearing(self) -> Bearing {
        match self {
            Self::Token | Self::Introspection => Bearing::Refused,
            Self::Revocation => Bearing::Spared,
        }
    }

    /// Decides on a request and answers it.
    pub(crate) async fn answer(self, service: &TokenService, arrival: &Arrival) -> Response {
        let request = Request {
            endpoint: self,
            service,
            arrival,
        };
        let mut seen = Seen::default();
        let outcome = request.decide(&mut seen).await;
        request.log(&outcome, &seen);
        service.counted().decided(&outcome, seen.beyond);
        if let Err(refusal) = &outcome {
            request.note(refusal, &mut seen);
        }
        if let (Err(refusal), Some((_, counted))) = (&outcome, seen.counted.take())
            && refusal.code() == Code::TemporarilyUnavailable
        {
            counted.give_back();
        }
        request.answer(outcome, &seen)
    }
}

/// Why an attempt came to nothing.
pub(crate) enum Setback {
    /// The client has not proved who it is.
    Unproved(Denial),
    /// Something else was said against it.
    Refused(Refusal),
    /// The tenant, or the refresh token, has changed since it was read: nothing is recorded.
    Overtaken,
}

impl<E: Into<Refusal>> From<E> for Setback {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal.into())
    }
}

impl Refusal {
    /// Whether a newer view could say something else.
    fn is_of_a_view(&self) -> bool {
        match self {
            Self::Client(denial) => denial.is_of_a_view(),
            Self::Target(_)
            | Self::RateLimit { .. }
            | Self::NoKey(_)
            | Self::Grant(_)
            | Self::NoRefreshTokens => true,
            _ => false,
        }
    }
}

/// What became known on the way, for the log and the headers.
#[derive(Default)]
pub(crate) struct Seen {
    /// Only an id of ours: what else was sent as `client_id` could be anything, a secret too.
    client: Option<ClientId>,
    /// What was sent as `client_id`, for the activity log, which cleans it.
    sent: Option<String>,
    /// Who has proved who it is.
    proved: Option<Proved>,
    /// Whether the denial is recorded already.
    noted: bool,
    /// By which limits the request was counted, and where, which happens once.
    counted: Option<(RateLimits, Counted)>,
    /// Whether it was counted as a sign-in, which happens once.
    signed_in: bool,
    standing: Option<Standing>,
    /// The limits that the request is beyond, and that are not enforced.
    pub(crate) beyond: Option<&'static str>,
}

/// A client that has proved who it is.
struct Proved {
    tenant: TenantId,
    credential: CredentialId,
    /// The assertion that proved it.
    assertion: Option<Assertion>,
}

/// One request to an endpoint.
pub(crate) struct Request<'a> {
    endpoint: Endpoint,
    pub(crate) service: &'a TokenService,
    arrival: &'a Arrival,
}

impl Request<'_> {
    /// The checks in the contract's order.
    async fn decide(&self, seen: &mut Seen) -> Result<Served, Refusal> {
        self.service.clock().trusted()?;
        let parameters = self.arrival.parameters.as_ref().map_err(Clone::clone)?;
        seen.sent.clone_from(&parameters.client_id);
        let presented = client_auth::presented(&self.arrival.headers, parameters)?;
        seen.client = presented.claimed_client();
        match &presented {
            Presented::Secret(credentials) => seen.sent = Some(credentials.client_id.clone()),
            Presented::Assertion(_) => seen.sent = seen.client.map(|id| id.to_string()),
            Presented::Nothing(_) => {}
        }
        let now = self.service.clock().now();
        // Beyond the address's limit a correct credential still passes, so there it is asked for
        // before anything else is said.
        let exhausted = self.service.failures().exhausted(self.arrival.address, now);
        // Anybody can make up an assertion of a client that there is, and to know it for that may take the
        // database. From here few of them may ask it at a time.
        let mut doubtful = None;
        match (exhausted, &presented) {
            (None, _) => self.check(parameters)?,
            (Some(retry_after), Presented::Assertion(_)) => {
                if let Err(Setback::Unproved(_)) = self.prove(&presented, View::Held).await {
                    doubtful = Box::pin(self.service.doubtful().place()).await;
                    if doubtful.is_none() {
                        return Err(Refusal::AddressLimit { retry_after });
                    }
                }
            }
            (Some(_), _) => {}
        }
        // Whoever waits for the record of a token learns from it whether the view was overtaken.
        // Otherwise it must be fresh, and so it must before anything is refused.
        let recorded = self.endpoint == Endpoint::Token
            && self.service.log().durability() != Durability::Async;
        let mut view = if recorded { View::Seen } else { View::Fresh };
        for _ in 0..ATTEMPTS {
            let fresh = view == View::Fresh;
            let attempt = self.attempt(&presented, parameters, view, &mut doubtful, seen);
            match attempt.await {
                Ok(served) => return Ok(served),
                Err(Setback::Overtaken) => {}
                Err(Setback::Unproved(denial)) if denial.is_of_a_view() && !fresh => {}
                Err(Setback::Refused(refusal)) if refusal.is_of_a_view() && !fresh => {}
                Err(Setback::Unproved(denial)) => {
                    self.service.failures().count(self.arrival.address, now);
                    return Err(match exhausted {
                        Some(retry_after) => Refusal::AddressLimit { retry_after },
                        None => denial.into(),
                    });
                }
                Err(Setback::Refused(refusal)) => {
                    return Box::pin(self.use_up(refusal, seen)).await;
                }
            }
            view = View::Fresh;
        }
        Err(Refusal::Overtaken)
    }

    /// What of the request is wrong, whoever sends it.
    fn check(&self, parameters: &Parameters) -> Result<(), Refusal> {
        match self.endpoint {
            Endpoint::Token => token::grant(parameters).map(drop),
            Endpoint::Introspection | Endpoint::Revocation => match parameters.token {
                Some(_) => Ok(()),
                None => Err(Malformed::NoToken.into()),
            },
        }
    }

    /// One decision on one view: prove, admit, count, serve. What a token by a secret does not need stands in
    /// boxes of its own, since the future of every request has room for whatever it may come to.
    async fn attempt(
        &self,
        presented: &Presented,
        parameters: &Parameters,
        view: View,
        doubtful: &mut Option<Place<'_>>,
        seen: &mut Seen,
    ) -> Result<Served, Setback> {
        let proof = self
            .prove(presented, view)
            .instrument(stage!("authenticate"))
            .await?;
        // It is no made-up one: what is still to do keeps no other from being looked up.
        *doubtful = None;
        seen.proved = Some(Proved {
            tenant: proof.tenant.id,
            credential: proof.credential,
            assertion: proof.assertion(),
        });
        self.check(parameters)?;
        // A proof may have waited for its turn.
        let now = self.service.clock().now();
        self.service.clock().trusted()?;
        grant::admit(&proof, proof.method, now)?;
        let limits = &proof.tenant.tenant.policy.rate_limit;
        // On a newer view the limits may be others: it counts by those that hold.
        if self.arrival.signs_in {
            self.count_sign_in(&proof, now, seen)?;
        } else if seen.counted.as_ref().is_none_or(|(by, _)| by != limits) {
            if let Some((_, counted)) = seen.counted.take() {
                counted.give_back();
            }
            self.count(&proof, limits, now, seen).await?;
        }
        Ok(match self.endpoint {
            Endpoint::Token => {
                Served::Issued(token::serve(self, &proof, parameters, seen.beyond, now).await?)
            }
            Endpoint::Introspection => Served::Introspected(Box::new(
                Box::pin(introspect::serve(self, &proof, parameters, now)).await?,
            )),
            Endpoint::Revocation => {
                Box::pin(revoke::serve(self, &proof, parameters, now)).await?;
                Served::Revoked
            }
        })
    }

    /// Who asks.
    async fn prove(&self, presented: &Presented, view: View) -> Result<Proof, Setback> {
        let prover = Prover {
            directory: self.service.directory(),
            issuer: self.service.secrets(),
            hasher: self.service.hasher(),
            decoys: self.service.decoys(),
            view,
        };
        let now = self.service.clock().now();
        let proof = match presented {
            Presented::Nothing(denial) => Err((*denial).into()),
            Presented::Secret(credentials) => {
                prover.by_secret(&self.arrival.slug, credentials, now).await
            }
            Presented::Assertion(signed) => {
                let issuer = self.service.issuer_at(&self.arrival.slug);
                Box::pin(prover.by_assertion(&self.arrival.slug, &issuer, signed, now)).await
            }
        };
        match proof {
            Ok(proof) => Ok(proof),
            Err(ProofError::Denied(denial)) => Err(Setback::Unproved(denial)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this client may sign in once more. A program that uses up what its tenant may ask for keeps nobody out who
    /// could stop it.
    fn count_sign_in(&self, proof: &Proof, now: Timestamp, seen: &mut Seen) -> Result<(), Refusal> {
        if !seen.signed_in {
            let limits = self.service.limits();
            limits
                .sign_in(proof.tenant.id, proof.client.id, now)
                .map_err(|retry_after| Refusal::RateLimit {
                    whose: Whose::Client,
                    retry_after,
                })?;
            seen.signed_in = true;
        }
        Ok(())
    }

    /// Whether the limits allow one more.
    async fn count(
        &self,
        proof: &Proof,
        limits: &RateLimits,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<(), Refusal> {
        let (tenant, client, log) = (proof.tenant.id, proof.client.id, self.service.log());
        let (verdict, counted) = self
            .service
            .limits()
            .take(log, tenant, client, limits, self.endpoint.bearing(), now)
            .await?;
        seen.standing = verdict.standing;
        seen.beyond = None;
        if let Some((whose, retry_after)) = verdict.refused {
            return Err(Refusal::RateLimit { whose, retry_after });
        }
        seen.beyond = verdict.beyond.not_enforced();
        seen.counted = Some((*limits, counted));
        Ok(())
    }
}
