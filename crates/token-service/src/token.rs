//! The token endpoint (RFC 6749, section 3.2).

use std::net::IpAddr;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use chancery_domain::{ClientId, Timestamp, value::Slug};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;

use crate::{
    TokenService,
    address::ClientAddress,
    claims::{Audience, Claims, Custom, Kind, TokenId, expiry},
    client_auth::{self, Presented, Proof, ProofError, Prover},
    error::{Code, Refusal},
    form, json_body,
    limits::Standing,
    metadata::TenantSlug,
    parameters::{Malformed, Parameters},
    target::{self, Wish},
    trace::TraceContext,
};

/// How far a clock may be behind what others have recorded, in seconds.
const CLOCK_TOLERANCE: i64 = 5;

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
    };
    let mut seen = Seen::default();
    let outcome = request.decide(body, &mut seen).await;
    seen.log(&slug, &outcome, &trace);
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
struct Issued {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
    #[serde(skip)]
    jti: TokenId,
}

/// What became known on the way, for the log and the headers.
#[derive(Default)]
struct Seen {
    /// Only an id of ours: what else was sent as `client_id` could be anything, a secret too.
    client: Option<ClientId>,
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
struct Request<'a> {
    service: &'a TokenService,
    slug: &'a str,
    address: IpAddr,
    headers: &'a HeaderMap,
}

impl Request<'_> {
    /// The checks in the contract's order.
    async fn decide(
        &self,
        body: Result<Bytes, BytesRejection>,
        seen: &mut Seen,
    ) -> Result<Issued, Refusal> {
        let parameters = parameters(self.headers, body)?;
        let presented = client_auth::presented(self.headers, &parameters)?;
        if let Presented::Secret(credentials) = &presented {
            seen.client = credentials.client_id.parse().ok();
        }
        let now = self.service.clock().now();
        // Beyond the address's limit a correct credential still passes, so there it is asked for
        // before anything else is said.
        let exhausted = self.service.failures().exhausted(self.address, now);
        if exhausted.is_none() {
            client_credentials(&parameters)?;
        }
        let proof =
            self.prove(&presented, now)
                .await
                .map_err(|refusal| match (refusal, exhausted) {
                    (Refusal::Client(_), Some(retry_after)) => {
                        Refusal::AddressLimit { retry_after }
                    }
                    (refusal, _) => refusal,
                })?;
        client_credentials(&parameters)?;
        // A proof may have waited for its turn.
        let now = self.service.clock().now();
        self.grant(&proof, &presented, &parameters, now, seen)
    }

    /// Who asks. A failure counts against the address it came from.
    async fn prove(&self, presented: &Presented, now: Timestamp) -> Result<Proof, Refusal> {
        let proof = match presented {
            Presented::Nothing(denial) => Err((*denial).into()),
            Presented::Secret(credentials) => {
                let prover = Prover {
                    directory: self.service.directory(),
                    issuer: self.service.secrets(),
                    hasher: self.service.hasher(),
                };
                prover.prove(self.slug, credentials, now).await
            }
        };
        if let Err(ProofError::Denied(_)) = &proof {
            self.service.failures().count(self.address, now);
        }
        Ok(proof?)
    }

    /// What it gets.
    fn grant(
        &self,
        proof: &Proof,
        presented: &Presented,
        parameters: &Parameters,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Issued, Refusal> {
        let Proof {
            tenant,
            client,
            credential,
        } = proof;
        let newest = tenant.newest.max(client.newest);
        if now.plus_seconds(CLOCK_TOLERANCE) < newest {
            return Err(Refusal::ClockBehind);
        }
        let policy = &tenant.tenant.policy;
        match presented {
            Presented::Secret(credentials) => {
                // It was accepted before it waited; it must be now.
                client_auth::accepted(client, *credential, now)?;
                client_auth::admit(&tenant.tenant, &client.client, credentials.method, now)?;
            }
            Presented::Nothing(denial) => return Err((*denial).into()),
        }
        let verdict = self
            .service
            .limits()
            .take(tenant.id, client.id, &policy.rate_limit, now);
        seen.standing = verdict.standing;
        if let Some((whose, retry_after)) = verdict.refused {
            return Err(Refusal::RateLimit { whose, retry_after });
        }
        let wish = Wish {
            audiences: &parameters.audiences,
            scope: parameters.scope.as_deref(),
        };
        let target = target::resolve(wish, policy, &tenant.apis, &client.client.grants)?;

        let key = tenant
            .keys
            .signing
            .get(&target.algorithm)
            .ok_or(Refusal::NoKey(target.algorithm))?;
        let issuer = self.service.issuer(&tenant.tenant.slug);
        let scope = target.scopes.to_string();
        let iat = now.seconds();
        let exp = expiry(iat, target.seconds, client.client.expires_at);
        let jti = TokenId::new(now, &self.service.entropy().bytes());
        let claims = Claims {
            iss: &issuer,
            sub: client.id,
            client_id: client.id,
            tenant_id: tenant.id,
            aud: Audience(&target.audiences),
            iat,
            nbf: iat,
            exp,
            jti,
            scope: &scope,
            scopes: &target.scopes,
            roles: &target.roles,
            kind: Kind::MachineToMachine,
            credential_id: (*credential).into(),
            custom: Custom(&client.client.custom_claims),
        };
        let claims = serde_json::to_vec(&claims).map_err(|error| Refusal::Defect(error.into()))?;
        let access_token = key
            .sign_jwt(&claims)
            .map_err(|error| Refusal::Defect(error.into()))?;
        Ok(Issued {
            access_token,
            token_type: "Bearer",
            expires_in: exp - iat,
            scope,
            jti,
        })
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
