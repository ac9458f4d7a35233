//! Who sent the request: the bearer token (RFC 6750), and what the answer is without a usable one.

use axum::response::Response;
use chancery_application::{Application, BearerRefused, Caller, ClientAddress};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
};

use serde_json::Value;

use crate::{
    error::{self, Code},
    http::refusal,
};

/// RFC 6750, section 3: without a token the challenge says nothing of an error.
const CHALLENGE: &str = "Bearer realm=\"chancery\"";
const CHALLENGE_AFTER_A_TOKEN: &str = "Bearer realm=\"chancery\", error=\"invalid_token\", \
     error_description=\"the access token is malformed, expired, revoked or for another audience\"";
const HOW_TO: &str = "this needs an access token: get one from your tenant's token endpoint with \
     the audience urn:chancery:admin, and send it as `Authorization: Bearer …`";

/// The token that was sent; otherwise the answer that asks for one.
pub(crate) fn token(headers: &HeaderMap) -> Result<String, Box<Response>> {
    match bearer(headers) {
        Some(token) => Ok(token.to_owned()),
        None => Err(unauthenticated(HOW_TO, CHALLENGE).into()),
    }
}

/// The caller, as it stands at this moment; otherwise the answer that turns it away.
pub(crate) async fn caller(
    application: &Application,
    token: &str,
    trace_id: &str,
    address: Option<ClientAddress>,
) -> Result<Caller, Box<Response>> {
    let refused = match application.authenticate(token).await {
        Ok(caller) => return Ok(caller.from_address(address)),
        Err(refused) => refused,
    };
    Err(Box::new(match refused {
        BearerRefused::NotUsable(_) => {
            unauthenticated(&refused.to_string(), CHALLENGE_AFTER_A_TOKEN)
        }
        BearerRefused::Failed(error) => {
            error::log(&error, trace_id);
            failed(&error, trace_id)
        }
    }))
}

/// The token of the only `Authorization` header, when its scheme is Bearer. What stands there is not
/// judged here: a malformed token gets the same answer as any other that is not good.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let only = sent.next().filter(|_| sent.next().is_none())?;
    bearer_in(only.to_str().ok()?)
}

fn bearer_in(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token in the payload of `connection_init`, where it stands as it would in the header. Browsers
/// cannot set headers of a WebSocket; the explorer hands on its headers under the names that they have.
pub(crate) fn token_of_init(payload: &Value) -> Option<&str> {
    let named = |(name, _): &(&String, &Value)| name.eq_ignore_ascii_case("authorization");
    let mut sent = payload.as_object()?.iter().filter(named);
    let (_, only) = sent.next().filter(|_| sent.next().is_none())?;
    bearer_in(only.as_str()?)
}

fn unauthenticated(message: &str, challenge: &'static str) -> Response {
    let mut response = refusal(
        StatusCode::UNAUTHORIZED,
        Code::Unauthenticated,
        message,
        None,
    );
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// It could not be found out who the caller is.
fn failed(error: &chancery_application::Error, trace_id: &str) -> Response {
    let code = Code::of(error);
    if code == Code::Internal {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return refusal(status, code, &error.to_string(), Some(trace_id));
    }
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = refusal(status, Code::Unavailable, &error.to_string(), None);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn a_token_is_taken_from_the_only_bearer_header() {
        assert_eq!(sent(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(sent(&["bearer  a.b.c "]).as_deref(), Some("a.b.c"));
        for none in [
            &[][..],
            &["Basic YTpi"],
            &["Bearer"],
            &["Bearer "],
            &["a.b.c"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(sent(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_token_is_taken_from_the_only_member_of_the_payload() {
        let sent = |payload| token_of_init(&payload).map(str::to_owned);
        assert_eq!(
            sent(json!({"authorization": "Bearer a.b.c"})).as_deref(),
            Some("a.b.c")
        );
        assert_eq!(
            sent(json!({"Authorization": "bearer a.b.c", "x": 1})).as_deref(),
            Some("a.b.c")
        );
        for none in [
            json!(null),
            json!([]),
            json!({}),
            json!("Bearer a.b.c"),
            json!({"authorization": "a.b.c"}),
            json!({"authorization": {"Bearer": "a.b.c"}}),
            json!({"authorization": "Bearer a", "Authorization": "Bearer b"}),
        ] {
            assert_eq!(sent(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn a_challenge_names_an_error_only_after_a_token() {
        let challenge = |challenge| {
            let response = unauthenticated(HOW_TO, challenge);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            response.headers()[WWW_AUTHENTICATE]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert!(!challenge(CHALLENGE).contains("error"));
        assert!(challenge(CHALLENGE_AFTER_A_TOKEN).contains("error=\"invalid_token\""));
    }

    #[test]
    fn a_store_that_is_away_is_no_answer_about_the_token() {
        let error = chancery_application::Error::Unavailable("down".into());
        let response = failed(&error, "4bf92f35");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let response = failed(
            &chancery_application::Error::Internal("broken".into()),
            "4bf92f35",
        );
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
