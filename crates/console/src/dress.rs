//! What every answer carries: the content security policy, the trace, and a page where something
//! stands against the request.

use axum::{
    Extension,
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use chancery_telemetry::TraceContext;
use http::{
    HeaderValue, Method,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
    request::Parts,
};

use crate::{Console, cookie, stop::Fault, visitor::Visitor, within::Within};

/// What a page may load and where it may send: this server only, and nothing that stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every answer.
const HEADERS: [(http::HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: of a form from here a browser would then keep the origin to itself.
    (REFERRER_POLICY, "same-origin"),
];

/// Where the console is reached by TLS: that browsers come no other way for a year.
const ONLY_TLS: &str = "max-age=31536000";

pub(crate) async fn dress(
    State(console): State<Console>,
    Extension(trace): Extension<TraceContext>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(fault) = response.extensions().get::<Fault>().cloned() {
        fault.log(trace.trace_id());
        let page = (asked.method == Method::GET).then(|| asked.uri.path().to_owned());
        // What an outage has stopped is not asked for again.
        let frame = if fault.status.is_server_error() {
            Frame::Bare
        } else {
            Frame::of(asked, &console).await
        };
        response = fault.page(trace.trace_id(), page.as_deref(), &frame);
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_only_tls(console.application.console_url()) {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(ONLY_TLS),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What a page about an error stands in: that of whoever asked, as far as they are signed in and the tenant is theirs to
/// see.
pub(crate) enum Frame {
    Bare,
    Visitor(Box<Visitor>),
    Within(Box<Within>),
}

impl Frame {
    async fn of(mut asked: Parts, console: &Console) -> Self {
        let Ok(visitor) = Visitor::from_request_parts(&mut asked, console).await else {
            return Self::Bare;
        };
        let rest = asked.uri.path().strip_prefix("/console/t/");
        let slug = rest.and_then(|rest| rest.split('/').next());
        let Some(slug) = slug.filter(|slug| !slug.is_empty()) else {
            return Self::Visitor(Box::new(visitor));
        };
        match Within::known_as(visitor, slug).await {
            Ok(within) => Self::Within(Box::new(within)),
            Err(visitor) => Self::Visitor(visitor),
        }
    }
}

/// Whether the console is at an address of TLS. Names of this machine are those of everything else that is tried out on it.
fn is_only_tls(console: &str) -> bool {
    let host = console.strip_prefix("https://");
    host.is_some_and(|host| !cookie::is_this_machine(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_to_come_by_tls_where_it_is_for_good() {
        assert!(is_only_tls("https://auth.example") && is_only_tls("https://auth.example:8443"));
        assert!(!is_only_tls("http://auth.example") && !is_only_tls("https://localhost:8443"));
    }
}
