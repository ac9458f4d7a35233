//! The token endpoint (RFC 6749, section 3.2).

use std::net::IpAddr;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use chancery_domain::{ClientId, TenantId, Timestamp, value::Slug};
use chancery_token_log::{Answer, Assertion, Durability, Entry, Kind, Operation};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT},
};
use serde::Serialize;

use crate::{
    TokenService,
    address::ClientAddress,
    claims::TokenId,
    client_auth::{self, Denial, Presented, Proof, ProofError, Prover},
    error::{Code, Refusal},
    form, grant, json_body,
    limits::Standing,
    metadata::TenantSlug,
    parameters::{Malformed, Parameters},
    trace::TraceContext,
};

/// How often a decision is made before the request is told to come again. The first stands on what
/// this node saw last; only a tenant that changes all the time overtakes the others.
const ATTEMPTS: usize = 5;

/// `POST {issuer}/oauth2/token`
pub(crate) async fn handle(
    State(service): State<TokenService>,
    TenantSlug(slug): TenantSlug,
    ClientAddress(address): ClientAddress,
    Extension(trace): Extension<TraceContext>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = Request {
        service: &service,
        slug: &slug,
        address,
        headers: &headers,
        trace: &trace,
    };
    let mut seen = Seen::default();
    let outcome = request.decide(body, &mut seen).await;
    seen.log(&slug, &outcome, &trace);
    if let Err(refusal) = &outcome {
        request.note(refusal, &mut seen);
    }
    if let (Err(refusal), Some((tenant, client))) = (&outcome, seen.counted)
        && refusal.code() == Code::TemporarilyUnavailable
    {
        service.limits().give_back(tenant, client);
    }
    let mut response = match outcome {
        Ok(issued) => {
            let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
            ([no_store], Json(issued)).into_response()
        }
        Err(refusal) => refusal.response(headers.contains_key(AUTHORIZATION), &trace),
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

/// The answer to a request that was granted (RFC 6749, section 5.1).
#[derive(Serialize)]
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: i64,
    pub(crate) scope: String,
    #[serde(skip)]
    pub(crate) jti: TokenId,
}

/// Why an attempt gave no token.
pub(crate) enum Setback {
    /// The client has not proved who it is.
    Unproved(Denial),
    /// Something else was said against it.
    Refused(Refusal),
    /// The tenant has changed since the view was read: nothing is recorded.
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
            Self::Target(_) | Self::RateLimit { .. } | Self::NoKey(_) => true,
            _ => false,
        }
    }
}

/// What became known on the way, for the log and the headers.
#[derive(Default)]
struct Seen {
    /// Only an id of ours: what else was sent as `client_id` could be anything, a secret too.
    client: Option<ClientId>,
    /// What was sent as `client_id`, for the activity log, which cleans it.
    sent: Option<String>,
    /// The tenant and the assertion of a client that has proved who it is by one.
    proved: Option<(TenantId, Assertion)>,
    /// Whether the denial is recorded already.
    noted: bool,
    /// For whom the request was counted by the limits, which happens once.
    counted: Option<(TenantId, ClientId)>,
    standing: Option<Standing>,
}

impl Seen {
    /// One line for each decision.
    fn log(&self, slug: &str, outcome: &Result<Issued, Refusal>, trace: &TraceContext) {
        let tenant = Slug::parse(slug).map_or("none", |_| slug);
        let trace_id = trace.trace_id();
        let client = self.client.map(tracing::field::display);
        let refusal = match outcome {
            Ok(Issued { jti, scope, .. }) => {
                tracing::debug!(tenant, client, outcome = "issued", %jti, scope, trace_id, "token");
                return;
            }
            Err(refusal) => refusal,
        };
        let outcome = refusal.code().as_str();
        match refusal.code() {
            Code::ServerError => {
                tracing::error!(tenant, client, outcome, reason = %refusal, trace_id, "token");
            }
            Code::TemporarilyUnavailable => {
                tracing::warn!(tenant, client, outcome, reason = %refusal, trace_id, "token");
            }
            _ => tracing::info!(tenant, client, outcome, reason = %refusal, trace_id, "token"),
        }
    }
}

/// One request to the endpoint.
pub(crate) struct Request<'a> {
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
    ) -> Result<Issued, Refusal> {
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
            client_credentials(&parameters)?;
        }
        // Whoever waits for the record learns from it whether the view was overtaken. Otherwise it
        // must be fresh, and so it must before anything is refused.
        let mut fresh = self.service.log().durability() == Durability::Async;
        for _ in 0..ATTEMPTS {
            match self.attempt(&presented, &parameters, fresh, seen).await {
                Ok(issued) => return Ok(issued),
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

    /// One decision on one view: prove, admit, count, decide, record, sign.
    async fn attempt(
        &self,
        presented: &Presented,
        parameters: &Parameters,
        fresh: bool,
        seen: &mut Seen,
    ) -> Result<Issued, Setback> {
        let proof = self.prove(presented, fresh).await?;
        seen.proved = proof.assertion().map(|once| (proof.tenant.id, once));
        client_credentials(parameters)?;
        // A proof may have waited for its turn.
        let now = self.service.clock().now();
        grant::admit(&proof, proof.method, now)?;
        if seen.counted.is_none() {
            self.count(&proof, now, seen)?;
        }
        let decision = grant::decide(&proof, parameters, now)?;
        let jti = TokenId::new(now, &self.service.entropy().bytes());
        decision.record(self, jti, now).await?;
        let issuer = self.service.issuer(&proof.tenant.tenant.slug);
        Ok(decision.sign(&issuer, jti)?)
    }

    /// Who asks.
    async fn prove(&self, presented: &Presented, fresh: bool) -> Result<Proof, Setback> {
        let prover = Prover {
            directory: self.service.directory(),
            issuer: self.service.secrets(),
            hasher: self.service.hasher(),
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
    fn count(&self, proof: &Proof, now: Timestamp, seen: &mut Seen) -> Result<(), Refusal> {
        let limits = &proof.tenant.tenant.policy.rate_limit;
        let verdict = self
            .service
            .limits()
            .take(proof.tenant.id, proof.client.id, limits, now);
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

    /// What a refused request has used up: an assertion that proved its client is good for nothing
    /// else afterwards, and one that was used before is told nothing of the request.
    async fn use_up(&self, refusal: Refusal, seen: &mut Seen) -> Result<Issued, Refusal> {
        let (Some(reason), Some((tenant, assertion))) = (refusal.reason(), seen.proved.take())
        else {
            return Err(refusal);
        };
        let now = self.service.clock().now();
        let operation = Operation {
            entry: Entry {
                client: seen.sent.take(),
                reason: Some(reason),
                ..self.entry(tenant, now, Kind::TokenDenied)
            },
            seen: None,
            assertion: Some(assertion),
        };
        seen.noted = true;
        match self.service.log().record(operation).await {
            Ok(Answer::AssertionUsed) => {
                self.service.failures().count(self.address, now);
                Err(Denial::AssertionUsed.into())
            }
            Ok(Answer::Recorded | Answer::HeadMoved(_)) => Err(refusal),
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

/// The one grant that there is (RFC 6749, section 4.4).
fn client_credentials(parameters: &Parameters) -> Result<(), Refusal> {
    match parameters.grant_type.as_deref() {
        Some("client_credentials") => Ok(()),
        Some(other) => Err(Refusal::GrantType(other.to_owned())),
        None => Err(Malformed::NoGrantType.into()),
    }
}
