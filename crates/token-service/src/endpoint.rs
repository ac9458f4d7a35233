//! What the endpoints that clients authenticate at have in common: the order of their checks, and what
//! every answer carries.

use std::net::IpAddr;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use chancery_domain::{ClientId, CredentialId, TenantId, Timestamp, value::Slug};
use chancery_telemetry::{TraceContext, stage};
use chancery_token_log::{Answer, Assertion, Change, Durability, Entry, Kind, Operation};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT},
};
use tracing::Instrument as _;

use crate::{
    TokenService,
    address::ClientAddress,
    client_auth::{self, Denial, Presented, Proof, ProofError, Prover},
    error::{Code, Refusal},
    form, grant,
    introspect::{self, Introspection},
    json_body,
    limits::{Standing, Whose},
    metadata::TenantSlug,
    parameters::{Malformed, Parameters},
    refresh::GrantRefusal,
    revoke,
    token::{self, Issued},
};

/// How often a decision is made before the request is told to come again. The first stands on what
/// this node saw last; only a tenant that changes all the time overtakes the others.
const ATTEMPTS: usize = 5;

/// Which endpoint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Token,
    Introspection,
    Revocation,
}

impl Endpoint {
    /// Its name in the log.
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
        }
    }
}

/// What a client gets that has proved who it is.
pub(crate) enum Served {
    Issued(Issued),
    Introspected(Box<Introspection>),
    Revoked,
}

/// `POST {issuer}/oauth2/token` (RFC 6749, section 3.2).
pub(crate) async fn token(
    service: State<TokenService>,
    slug: TenantSlug,
    address: ClientAddress,
    trace: Extension<TraceContext>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(
        Endpoint::Token,
        &service,
        &slug,
        address,
        &trace,
        &headers,
        body,
    )
    .await
}

/// `POST {issuer}/oauth2/introspect` (RFC 7662).
pub(crate) async fn introspect(
    service: State<TokenService>,
    slug: TenantSlug,
    address: ClientAddress,
    trace: Extension<TraceContext>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(
        Endpoint::Introspection,
        &service,
        &slug,
        address,
        &trace,
        &headers,
        body,
    )
    .await
}

/// `POST {issuer}/oauth2/revoke` (RFC 7009).
pub(crate) async fn revoke(
    service: State<TokenService>,
    slug: TenantSlug,
    address: ClientAddress,
    trace: Extension<TraceContext>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(
        Endpoint::Revocation,
        &service,
        &slug,
        address,
        &trace,
        &headers,
        body,
    )
    .await
}

async fn answer(
    endpoint: Endpoint,
    service: &TokenService,
    TenantSlug(slug): &TenantSlug,
    ClientAddress(address): ClientAddress,
    trace: &TraceContext,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = Request {
        endpoint,
        service,
        slug,
        address,
        headers,
        trace,
    };
    let mut seen = Seen::default();
    let outcome = request.decide(body, &mut seen).await;
    request.log(&outcome, &seen);
    service.counted().decided(&outcome);
    if let Err(refusal) = &outcome {
        request.note(refusal, &mut seen);
    }
    if let (Err(refusal), Some((tenant, client))) = (&outcome, seen.counted)
        && refusal.code() == Code::TemporarilyUnavailable
    {
        service.limits().give_back(tenant, client);
    }
    let mut response = match outcome {
        Ok(served) => served.into_response(),
        Err(refusal) => refusal.response(headers.contains_key(AUTHORIZATION), trace),
    };
    if let Some(standing) = seen.standing {
        let headers = response.headers_mut();
        headers.insert(
            HeaderName::from_static("x-ratelimit-limit"),
            standing.limit.into(),
        );
        headers.insert(
            HeaderName::from_static("x-ratelimit-remaining"),
            standing.remaining.into(),
        );
        headers.insert(
            HeaderName::from_static("x-ratelimit-reset"),
            standing.reset.into(),
        );
    }
    response
}

impl IntoResponse for Served {
    fn into_response(self) -> Response {
        let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        match self {
            Self::Issued(issued) => (no_store, Json(issued)).into_response(),
            Self::Introspected(found) => (no_store, Json(found)).into_response(),
            Self::Revoked => no_store.into_response(),
        }
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
    /// For whom the request was counted by the limits, which happens once.
    counted: Option<(TenantId, ClientId)>,
    standing: Option<Standing>,
    /// The limit that the request is beyond, and that is not enforced.
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
    slug: &'a str,
    address: IpAddr,
    headers: &'a HeaderMap,
    trace: &'a TraceContext,
}

impl Request<'_> {
    /// The checks in the contract's order.
    async fn decide(
        &self,
        body: Result<Bytes, BytesRejection>,
        seen: &mut Seen,
    ) -> Result<Served, Refusal> {
        let parameters = parameters(self.headers, body)?;
        seen.sent.clone_from(&parameters.client_id);
        let presented = client_auth::presented(self.headers, &parameters)?;
        seen.client = presented.claimed_client();
        match &presented {
            Presented::Secret(credentials) => seen.sent = Some(credentials.client_id.clone()),
            Presented::Assertion(_) => seen.sent = seen.client.map(|id| id.to_string()),
            Presented::Nothing(_) => {}
        }
        let now = self.service.clock().now();
        // Beyond the address's limit a correct credential still passes, so there it is asked for
        // before anything else is said.
        let exhausted = self.service.failures().exhausted(self.address, now);
        if exhausted.is_none() {
            self.check(&parameters)?;
        }
        // Whoever waits for the record of a token learns from it whether the view was overtaken.
        // Otherwise it must be fresh, and so it must before anything is refused.
        let mut fresh = self.endpoint != Endpoint::Token
            || self.service.log().durability() == Durability::Async;
        for _ in 0..ATTEMPTS {
            match self.attempt(&presented, &parameters, fresh, seen).await {
                Ok(served) => return Ok(served),
                Err(Setback::Overtaken) => {}
                Err(Setback::Unproved(denial)) if denial.is_of_a_view() && !fresh => {}
                Err(Setback::Refused(refusal)) if refusal.is_of_a_view() && !fresh => {}
                Err(Setback::Unproved(denial)) => {
                    self.service.failures().count(self.address, now);
                    return Err(match exhausted {
                        Some(retry_after) => Refusal::AddressLimit { retry_after },
                        None => denial.into(),
                    });
                }
                Err(Setback::Refused(refusal)) => return self.use_up(refusal, seen).await,
            }
            fresh = true;
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

    /// One decision on one view: prove, admit, count, serve.
    async fn attempt(
        &self,
        presented: &Presented,
        parameters: &Parameters,
        fresh: bool,
        seen: &mut Seen,
    ) -> Result<Served, Setback> {
        let proof = self
            .prove(presented, fresh)
            .instrument(stage!("authenticate"))
            .await?;
        seen.proved = Some(Proved {
            tenant: proof.tenant.id,
            credential: proof.credential,
            assertion: proof.assertion(),
        });
        self.check(parameters)?;
        // A proof may have waited for its turn.
        let now = self.service.clock().now();
        grant::admit(&proof, proof.method, now)?;
        if seen.counted.is_none() {
            self.count(&proof, now, seen).await?;
        }
        Ok(match self.endpoint {
            Endpoint::Token => {
                Served::Issued(token::serve(self, &proof, parameters, seen.beyond, now).await?)
            }
            Endpoint::Introspection => Served::Introspected(Box::new(
                introspect::serve(self, &proof, parameters, now).await?,
            )),
            Endpoint::Revocation => {
                revoke::serve(self, &proof, parameters, now).await?;
                Served::Revoked
            }
        })
    }

    /// Who asks.
    async fn prove(&self, presented: &Presented, fresh: bool) -> Result<Proof, Setback> {
        let prover = Prover {
            directory: self.service.directory(),
            issuer: self.service.secrets(),
            hasher: self.service.hasher(),
            decoys: self.service.decoys(),
            fresh,
        };
        let now = self.service.clock().now();
        let proof = match presented {
            Presented::Nothing(denial) => Err((*denial).into()),
            Presented::Secret(credentials) => prover.by_secret(self.slug, credentials, now).await,
            Presented::Assertion(signed) => {
                let issuer = self.service.issuer_at(self.slug);
                prover.by_assertion(self.slug, &issuer, signed, now).await
            }
        };
        match proof {
            Ok(proof) => Ok(proof),
            Err(ProofError::Denied(denial)) => Err(Setback::Unproved(denial)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the limits allow one more.
    async fn count(&self, proof: &Proof, now: Timestamp, seen: &mut Seen) -> Result<(), Refusal> {
        let limits = &proof.tenant.tenant.policy.rate_limit;
        let (tenant, client, log) = (proof.tenant.id, proof.client.id, self.service.log());
        let verdict = self
            .service
            .limits()
            .take(log, tenant, client, limits, now)
            .await?;
        seen.beyond = verdict.beyond.map(Whose::not_enforced);
        seen.standing = verdict.standing;
        if let Some((whose, retry_after)) = verdict.refused {
            return Err(Refusal::RateLimit { whose, retry_after });
        }
        seen.counted = Some((proof.tenant.id, proof.client.id));
        Ok(())
    }

    /// A record of what happens here, of which only the circumstances are known.
    pub(crate) fn entry(&self, tenant: TenantId, now: Timestamp, kind: Kind) -> Entry {
        let user_agent = self.headers.get(USER_AGENT);
        Entry {
            address: Some(self.address),
            user_agent: user_agent
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            trace_id: Some(self.trace.trace_id().to_owned()),
            ..Entry::new(tenant, now, kind)
        }
    }

    /// Records something that is durable when this returns: the client's doing, by which its assertion
    /// is used up.
    pub(crate) async fn record(&self, operation: Operation) -> Result<(), Setback> {
        match self.service.log().record(operation).await {
            Ok(Answer::Recorded) => Ok(()),
            Ok(Answer::HeadMoved(_) | Answer::RefreshUsed) => Err(Setback::Overtaken),
            Ok(Answer::AssertionUsed) => Err(Setback::Unproved(Denial::AssertionUsed)),
            Err(error) => Err(Setback::Refused(error.into())),
        }
    }

    /// What a refused request leaves behind before it is answered. An assertion that proved its client
    /// is good for nothing else afterwards, and one that was used before is told nothing of the
    /// request. A refresh token that came again takes its family with it.
    async fn use_up(&self, refusal: Refusal, seen: &mut Seen) -> Result<Served, Refusal> {
        let (Some(reason), Some(proved)) = (refusal.reason(), seen.proved.take()) else {
            return Err(refusal);
        };
        let reused = match refusal {
            Refusal::Grant(GrantRefusal::Reused(family)) => Some(Change::RevokeFamily(family)),
            _ => None,
        };
        if proved.assertion.is_none() && reused.is_none() {
            return Err(refusal);
        }
        let now = self.service.clock().now();
        let kind = match reused {
            Some(_) => Kind::RefreshReused,
            None => Kind::TokenDenied,
        };
        let operation = Operation {
            entry: Entry {
                client: seen.sent.take(),
                credential: reused.as_ref().map(|_| proved.credential.to_string()),
                reason: Some(reason),
                ..self.entry(proved.tenant, now, kind)
            },
            seen: None,
            assertion: proved.assertion,
            change: reused,
        };
        seen.noted = true;
        match self.service.log().record(operation).await {
            Ok(Answer::AssertionUsed) => {
                self.service.failures().count(self.address, now);
                Err(Denial::AssertionUsed.into())
            }
            Ok(Answer::Recorded | Answer::HeadMoved(_) | Answer::RefreshUsed) => Err(refusal),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes note of a denial, without waiting for it.
    fn note(&self, refusal: &Refusal, seen: &mut Seen) {
        if seen.noted {
            return;
        }
        let (Some(reason), Ok(slug)) = (refusal.reason(), Slug::parse(self.slug)) else {
            return;
        };
        // Its tenant comes later.
        let nobody = TenantId::from_bytes([0; 16]);
        let entry = Entry {
            client: seen.sent.take(),
            reason: Some(reason),
            ..self.entry(nobody, self.service.clock().now(), Kind::TokenDenied)
        };
        self.service
            .note(&slug, move |tenant| Entry { tenant, ..entry });
    }

    /// One line for each decision.
    fn log(&self, outcome: &Result<Served, Refusal>, seen: &Seen) {
        let endpoint = self.endpoint.name();
        let tenant = Slug::parse(self.slug).map_or("none", |_| self.slug);
        let trace_id = self.trace.trace_id();
        let client = seen.client.map(tracing::field::display);
        let refusal = match outcome {
            Ok(Served::Issued(Issued { jti, scope, .. })) => {
                tracing::debug!(tenant, client, outcome = "issued", %jti, scope, trace_id, "token");
                return;
            }
            Ok(Served::Introspected(found)) => {
                let active = found.active;
                tracing::debug!(
                    tenant,
                    client,
                    outcome = "introspected",
                    active,
                    trace_id,
                    "token"
                );
                return;
            }
            Ok(Served::Revoked) => {
                tracing::debug!(tenant, client, outcome = "revoked", trace_id, "token");
                return;
            }
            Err(refusal) => refusal,
        };
        let outcome = refusal.code().as_str();
        match refusal.code() {
            Code::ServerError => {
                tracing::error!(endpoint, tenant, client, outcome, reason = %refusal, trace_id, "token");
            }
            Code::TemporarilyUnavailable => {
                tracing::warn!(endpoint, tenant, client, outcome, reason = %refusal, trace_id, "token");
            }
            _ => {
                tracing::info!(endpoint, tenant, client, outcome, reason = %refusal, trace_id, "token");
            }
        }
    }
}

/// Reads the body as what it says it is.
fn parameters(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Parameters, Malformed> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Malformed::TooLarge,
        _ => Malformed::Interrupted,
    })?;
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(Malformed::ContentType);
    };
    let essence = content_type
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        form::parse(&body)
    } else if essence.eq_ignore_ascii_case(b"application/json") {
        json_body::parse(&body)
    } else {
        Err(Malformed::ContentType)
    }
}
