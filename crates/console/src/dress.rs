//! What every answer carries: the content security policy, the trace, and a page where something
//! stands against the request.

use axum::{
    Extension,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use chancery_telemetry::TraceContext;
use http::{
    HeaderValue, Method,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};

use crate::stop::Fault;

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

pub(crate) async fn dress(
    Extension(trace): Extension<TraceContext>,
    request: Request,
    next: Next,
) -> Response {
    let page = (request.method() == Method::GET).then(|| request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if let Some(fault) = response.extensions().get::<Fault>() {
        fault.log(trace.trace_id());
        response = (fault.status, fault.page(trace.trace_id(), page.as_deref())).into_response();
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
