//! Why a request is refused, and the one map from that to the wire (RFC 6749, section 5.2).

mod example;

use std::borrow::Cow;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use chancery_crypto::HasherError;
use chancery_directory::Unavailable;
use chancery_domain::{ClockFault, tenant::SigningAlgorithm};
use chancery_telemetry::TraceContext;
use chancery_token_log::RecordError;
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    client_auth::{Denial, ProofError},
    limits::Whose,
    parameters::Malformed,
    refresh::GrantRefusal,
    target::TargetError,
    text::shown,
};

/// How long a client should wait for a store that does not answer, in seconds.
const RETRY_STORE: i64 = 1;

/// Why a request is refused. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Client(#[from] Denial),
    #[error("the grant type {} is not supported", shown(.0))]
    GrantType(String),
    #[error(transparent)]
    Grant(#[from] GrantRefusal),
    #[error("the tenant's policy has no refresh tokens")]
    NoRefreshTokens,
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("too many failed authentications from this address")]
    AddressLimit { retry_after: i64 },
    #[error("the rate limit of this {} is reached", name_of(*.whose))]
    RateLimit { whose: Whose, retry_after: i64 },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Hasher(#[from] HasherError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the tenant changes faster than a token can be recorded")]
    Overtaken,
    #[error("this node's clock is behind what it has seen recorded")]
    ClockBehind,
    #[error(transparent)]
    Clock(#[from] ClockFault),
    #[error("the tenant has no active {} key", .0.as_str())]
    NoKey(SigningAlgorithm),
    #[error("the token could not be made: {0}")]
    Defect(Box<dyn std::error::Error + Send + Sync>),
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Denied(denial) => denial.into(),
            ProofError::Unavailable(error) => error.into(),
            ProofError::Hasher(error) => error.into(),
        }
    }
}

fn name_of(whose: Whose) -> &'static str {
    match whose {
        Whose::Client => "client",
        Whose::Tenant => "tenant",
    }
}

/// The error codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    RateLimitExceeded,
    TemporarilyUnavailable,
    ServerError,
}

impl Code {
    /// The code as the wire and the log have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget => StatusCode::BAD_REQUEST,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Refusal {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::InvalidRequest,
            Self::Client(_) => Code::InvalidClient,
            Self::GrantType(_) => Code::UnsupportedGrantType,
            Self::Grant(_) => Code::InvalidGrant,
            Self::NoRefreshTokens => Code::UnauthorizedClient,
            Self::Target(error) if error.is_scope() => Code::InvalidScope,
            Self::Target(_) => Code::InvalidTarget,
            Self::AddressLimit { .. } | Self::RateLimit { .. } => Code::RateLimitExceeded,
            Self::Unavailable(unavailable) if !unavailable.may_pass() => Code::ServerError,
            Self::Record(error) if !error.may_pass() => Code::ServerError,
            Self::Unavailable(_)
            | Self::Hasher(HasherError::Busy)
            | Self::Record(_)
            | Self::Overtaken
            | Self::ClockBehind
            | Self::Clock(_) => Code::TemporarilyUnavailable,
            Self::Hasher(HasherError::UnreadableVerifier | HasherError::Failed)
            | Self::NoKey(_)
            | Self::Defect(_) => Code::ServerError,
        }
    }

    /// What the client is told to do. What went wrong on our side is in the log, under the trace.
    fn description(&self, trace: &TraceContext) -> String {
        match self {
            Self::Malformed(malformed) => malformed.to_string(),
            Self::Client(denial) => denial.description(),
            Self::GrantType(_) => format!("{self}; use client_credentials or refresh_token"),
            Self::Grant(GrantRefusal::Used) => self.to_string(),
            Self::Grant(_) | Self::NoRefreshTokens => {
                format!("{self}; ask with client_credentials")
            }
            Self::Target(error) => error.to_string(),
            Self::AddressLimit { .. } | Self::RateLimit { .. } => {
                format!("{self}; try again after the seconds in Retry-After")
            }
            _ if self.code() == Code::TemporarilyUnavailable => {
                "this cannot be answered at the moment; try again after the seconds in Retry-After"
                    .to_owned()
            }
            Self::Unavailable(_)
            | Self::Hasher(_)
            | Self::Record(_)
            | Self::Overtaken
            | Self::ClockBehind
            | Self::Clock(_)
            | Self::NoKey(_)
            | Self::Defect(_) => fault(Some(trace)),
        }
    }

    fn retry_after(&self) -> Option<i64> {
        match self {
            Self::AddressLimit { retry_after } | Self::RateLimit { retry_after, .. } => {
                Some(*retry_after)
            }
            _ if self.code() == Code::TemporarilyUnavailable => Some(RETRY_STORE),
            _ => None,
        }
    }

    /// What is answered.
    pub(crate) fn body(&self, trace: &TraceContext) -> Body {
        Body {
            error: self.code().as_str(),
            error_description: self.description(trace),
        }
    }

    /// The answer. `by_header` says whether the request had an `Authorization` header.
    pub(crate) fn response(&self, by_header: bool, trace: &TraceContext) -> Response {
        let code = self.code();
        let mut response = (code.status(), Json(self.body(trace))).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if code == Code::InvalidClient && by_header {
            let challenge = HeaderValue::from_static("Basic realm=\"chancery\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What is said of damage and defects: they do not pass by themselves.
fn fault(trace: Option<&TraceContext>) -> String {
    let id = trace.map_or("in the header traceparent", TraceContext::trace_id);
    format!("a fault of the server; give its operator the trace id {id}")
}

/// An error by RFC 6749, section 5.2.
#[derive(Serialize)]
pub(crate) struct Body {
    error: &'static str,
    error_description: String,
}

/// An error outside OAuth (RFC 9457), of no other type than its status.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Problem {
    status: u16,
    title: &'static str,
    detail: Cow<'static, str>,
}

impl Problem {
    pub(crate) const NO_TENANT: Self = Self {
        status: 404,
        title: "Not Found",
        detail: Cow::Borrowed("there is no such tenant; check the slug in the URL"),
    };
    pub(crate) const UNAVAILABLE: Self = Self {
        status: 503,
        title: "Service Unavailable",
        detail: Cow::Borrowed(
            "the store cannot be read at the moment; try again after the seconds in Retry-After",
        ),
    };
    pub(crate) const CLOCK: Self = Self {
        status: 503,
        title: "Service Unavailable",
        detail: Cow::Borrowed(
            "which keys are good cannot be told, since this node's clock is wrong; keep those that you have, and try again after the seconds in Retry-After",
        ),
    };
    pub(crate) const METHOD: Self = Self {
        status: 405,
        title: "Method Not Allowed",
        detail: Cow::Borrowed("this URL takes the methods in the header Allow"),
    };
}

impl From<&Unavailable> for Problem {
    /// An outage passes; damage is for the operator, who finds it in the log under the trace.
    fn from(unavailable: &Unavailable) -> Self {
        if unavailable.may_pass() {
            return Self::UNAVAILABLE;
        }
        Self::defect()
    }
}

impl Problem {
    /// Something is damaged or wrong on our side.
    pub(crate) fn defect() -> Self {
        Self {
            status: 500,
            title: "Internal Server Error",
            detail: fault(TraceContext::current().as_ref()).into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_STORE.into());
        }
        response
    }
}

#[cfg(test)]
mod tests;
