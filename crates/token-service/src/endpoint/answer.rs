//! What goes out, and the line in the log that says so.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use chancery_domain::value::Slug;
use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, CACHE_CONTROL},
};

use super::{Request, Seen};
use crate::{
    error::{Code, Refusal},
    introspect::Introspection,
    limits::Standing,
    token::Issued,
};

/// What a client gets that has proved who it is.
pub(crate) enum Served {
    Issued(Issued),
    Introspected(Box<Introspection>),
    Revoked,
}

impl IntoResponse for Served {
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Issued(issued) => issued.into_response(),
            Self::Introspected(found) => Json(found).into_response(),
            Self::Revoked => Response::default(),
        };
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        response
    }
}

impl Standing {
    /// Says in the headers where the client stands.
    fn name_in(self, response: &mut Response) {
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-ratelimit-limit", HeaderValue::from(self.limit)),
            ("x-ratelimit-remaining", self.remaining.into()),
            ("x-ratelimit-reset", self.reset.into()),
        ] {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

impl Request<'_> {
    /// The answer to what was decided.
    pub(super) fn answer(&self, outcome: Result<Served, Refusal>, seen: &Seen) -> Response {
        let arrival = self.arrival;
        let mut response = match outcome {
            Ok(served) => served.into_response(),
            Err(refusal) => {
                refusal.response(arrival.headers.contains_key(AUTHORIZATION), &arrival.trace)
            }
        };
        if let Some(standing) = seen.standing {
            standing.name_in(&mut response);
        }
        response
    }

    /// One line for each decision; of those that are refused for one reason a few, and how many there were.
    pub(super) fn log(&self, outcome: &Result<Served, Refusal>, seen: &Seen) {
        let endpoint = self.endpoint.name();
        let slug = self.arrival.slug.as_str();
        let tenant = if Slug::is(slug) { slug } else { "none" };
        let trace_id = self.arrival.trace.trace_id();
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
        let Some(left_out) = self.service.counted().line(refusal) else {
            return;
        };
        let outcome = refusal.code().as_str();
        match refusal.code() {
            Code::ServerError => {
                tracing::error!(endpoint, tenant, client, outcome, reason = %refusal, trace_id, left_out, "token");
            }
            Code::TemporarilyUnavailable => {
                tracing::warn!(endpoint, tenant, client, outcome, reason = %refusal, trace_id, left_out, "token");
            }
            _ => {
                tracing::info!(endpoint, tenant, client, outcome, reason = %refusal, trace_id, left_out, "token");
            }
        }
    }
}
