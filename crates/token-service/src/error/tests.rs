use axum::body::to_bytes;
use chancery_domain::{SecretId, secret_rotation::SecretState, value::Scope};
use serde_json::Value;

use super::*;

#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals() -> Vec<(Refusal, u16, &'static str, Option<&'static str>)> {
    let scope = Scope::parse("a").unwrap();
    let defect = || Refusal::Defect("disk \"C:\\\" is full of chs_secrets".into());
    vec![
        (
            Malformed::Repeated("a\"b".to_owned()).into(),
            400,
            "invalid_request",
            None,
        ),
        (Malformed::NoGrantType.into(), 400, "invalid_request", None),
        (Malformed::TooLarge.into(), 400, "invalid_request", None),
        (Denial::NoCredential.into(), 401, "invalid_client", None),
        (
            Denial::SecretState(SecretId::from_bytes([1; 16]), SecretState::Revoked).into(),
            401,
            "invalid_client",
            None,
        ),
        (Denial::ClientDisabled.into(), 401, "invalid_client", None),
        (
            Refusal::GrantType("pass\"word".to_owned()),
            400,
            "unsupported_grant_type",
            None,
        ),
        (TargetError::ScopeSyntax.into(), 400, "invalid_scope", None),
        (
            TargetError::Scope {
                scope,
                audiences: "`x:y`".to_owned(),
            }
            .into(),
            400,
            "invalid_scope",
            None,
        ),
        (
            TargetError::Audience("ä".to_owned()).into(),
            400,
            "invalid_target",
            None,
        ),
        (
            TargetError::NothingGranted.into(),
            400,
            "invalid_target",
            None,
        ),
        (
            Refusal::AddressLimit { retry_after: 7 },
            429,
            "rate_limit_exceeded",
            Some("7"),
        ),
        (
            Refusal::RateLimit {
                whose: Whose::Client,
                retry_after: 9,
            },
            429,
            "rate_limit_exceeded",
            Some("9"),
        ),
        (
            Unavailable::Slow.into(),
            503,
            "temporarily_unavailable",
            Some("1"),
        ),
        (
            HasherError::Busy.into(),
            503,
            "temporarily_unavailable",
            Some("1"),
        ),
        (
            Refusal::ClockBehind,
            503,
            "temporarily_unavailable",
            Some("1"),
        ),
        (
            chancery_domain::ClockFault::Ahead(60).into(),
            503,
            "temporarily_unavailable",
            Some("1"),
        ),
        (
            HasherError::UnreadableVerifier.into(),
            500,
            "server_error",
            None,
        ),
        (
            Refusal::NoKey(SigningAlgorithm::Es256),
            500,
            "server_error",
            None,
        ),
        (defect(), 500, "server_error", None),
    ]
}

async fn sent(response: Response) -> (http::HeaderMap, Value) {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    (head.headers, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn one_map_to_the_wire() {
    let trace = TraceContext::begin([1; 24]);
    for (refusal, status, code, retry_after) in refusals() {
        let response = refusal.response(true, &trace);
        assert_eq!(response.status().as_u16(), status, "{refusal}");
        let (headers, body) = sent(response).await;
        assert_eq!(body["error"], code, "{refusal}");
        assert_eq!(headers["cache-control"], "no-store", "{refusal}");
        assert_eq!(headers["content-type"], "application/json", "{refusal}");
        let retry = headers
            .get("retry-after")
            .map(|header| header.to_str().unwrap());
        assert_eq!(retry, retry_after, "{refusal}");
        assert_eq!(
            headers.contains_key("www-authenticate"),
            status == 401,
            "{refusal}"
        );
        // RFC 6749, section 5.2.
        let description = body["error_description"].as_str().unwrap();
        assert!(
            description
                .bytes()
                .all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "{description}"
        );
    }
}

#[tokio::test]
async fn the_challenge_answers_the_header_it_came_by() {
    let trace = TraceContext::begin([1; 24]);
    let (by_body, _) = sent(Refusal::from(Denial::NotIssued).response(false, &trace)).await;
    assert!(!by_body.contains_key("www-authenticate"));
    let (by_header, _) = sent(Refusal::from(Denial::NotIssued).response(true, &trace)).await;
    assert_eq!(by_header["www-authenticate"], "Basic realm=\"chancery\"");
}

#[tokio::test]
async fn what_went_wrong_on_our_side_is_not_told() {
    let trace = TraceContext::begin([1; 24]);
    let (_, body) = sent(Refusal::Defect("disk full".into()).response(false, &trace)).await;
    let description = body["error_description"].as_str().unwrap();
    assert!(description.contains(trace.trace_id()) && !description.contains("disk"));
}

#[tokio::test]
async fn problems_outside_oauth_are_problem_json() {
    for (problem, status) in [
        (Problem::NO_TENANT, 404),
        (Problem::METHOD, 405),
        (Problem::UNAVAILABLE, 503),
    ] {
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), status);
        let (headers, body) = sent(response).await;
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(body["status"], status);
        assert_eq!(headers.contains_key("retry-after"), status == 503);
    }
}

#[tokio::test]
async fn an_outage_passes_and_damage_is_for_the_operator() {
    let trace = TraceContext::begin([1; 24]);
    let of = |unavailable: Unavailable| trace.scope(async move { Problem::from(&unavailable) });
    assert_eq!(of(Unavailable::Slow).await.into_response().status(), 503);
    let damage = Unavailable::Key {
        tenant: chancery_domain::TenantId::from_bytes([1; 16]),
        cause: "it does not open".into(),
    };
    let response = of(damage).await.into_response();
    assert_eq!(response.status(), 500);
    let (headers, body) = sent(response).await;
    assert!(!headers.contains_key("retry-after"));
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.contains(trace.trace_id()) && !detail.contains("open"),
        "{detail}"
    );
}
