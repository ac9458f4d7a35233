//! Errors outside OAuth, as `application/problem+json` (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// The answer with this status, and what to do about it.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let headers = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// The same, after which the connection ends: what else comes on it is not believed.
pub(crate) fn last_problem(status: StatusCode, detail: &str) -> Response {
    let mut response = problem(status, detail);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// What is at no URL of ours.
pub(crate) async fn nothing_here() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "there is nothing at this URL; the console is at /console, the explorer at /graphql, tokens come from /t/{slug}/oauth2/token, a tenant's metadata at /.well-known/oauth-authorization-server/t/{slug}, the REST documentation at /docs",
    )
}

/// The same where operators have an address of their own, of which others need not know.
pub(crate) async fn nothing_for_clients() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "there is nothing at this URL; tokens come from /t/{slug}/oauth2/token, a tenant's metadata at /.well-known/oauth-authorization-server/t/{slug}, the REST documentation at /docs",
    )
}

/// What is asked for by another method than it takes. Which those are, the router says beside it.
pub(crate) async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this URL takes the methods in the header Allow",
    )
}
