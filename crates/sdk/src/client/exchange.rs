//! One request to the server and what its answer means.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny},
};
use url::form_urlencoded::byte_serialize;

use super::{
    AccessToken,
    auth::{ClientAuth, Form},
    error::{Answer, Error, RateLimit},
};
use crate::{
    Scopes, Secret,
    claims::UnverifiedClaims,
    clock::unix_seconds,
    endpoint::Endpoint,
    transport::{Link, LinkError, retry_after, shown},
};

/// A lifetime for tokens of which the server does not tell one.
const ASSUMED_LIFE: Duration = Duration::from_mins(1);

/// Who asks, with the credential as it is now.
pub(crate) struct Identity<'a> {
    pub(crate) auth: &'a ClientAuth,
    pub(crate) client_id: &'a str,
    pub(crate) credential: &'a Secret,
    /// Whom assertions are for.
    pub(crate) audience: &'a str,
}

/// Sends a form as the client.
pub(crate) async fn post(
    link: &Link,
    endpoint: &Endpoint,
    identity: &Identity<'_>,
    now: SystemTime,
    parameters: &[(&str, String)],
) -> Result<Response<Bytes>, Error> {
    let mut form = Form::default();
    for (name, value) in parameters {
        if *name == "token" {
            form.push_secret(name, value);
        } else {
            form.push(name, value);
        }
    }
    let header = identity
        .auth
        .apply(identity, unix_seconds(now), &mut form)?;
    let mut request = Request::post(endpoint.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json");
    if let Some(value) = header {
        request = request.header(AUTHORIZATION, value);
    }
    let unreadable = |what: String| Error::unreadable(endpoint.as_str(), what);
    let (body, mut secrets) = form.finish();
    secrets.push(identity.credential.clone());
    let request = request
        .body(Bytes::from(body))
        .map_err(|error| unreadable(error.to_string()))?;
    let answer = link.send(request).await.map_err(|error| match error {
        LinkError::Timeout(after) => Error::timeout(endpoint.as_str(), after),
        LinkError::Transport(fault) => Error::unreachable(endpoint.as_str(), fault),
    })?;
    if answer.status().is_success() && !refuses(answer.body()) {
        return Ok(answer);
    }
    if answer.status().is_redirection() || answer.status().is_informational() {
        let what = format!("status {}; redirects are not followed", answer.status());
        return Err(unreadable(what));
    }
    Err(refusal(&answer, now, &secrets))
}

/// Whether an answer says no although its status says yes, as some servers have it.
fn refuses(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        error: Cow<'a, str>,
        access_token: Option<IgnoredAny>,
        active: Option<IgnoredAny>,
    }
    let read = serde_json::from_slice::<Body<'_>>(body);
    read.is_ok_and(|body| {
        !body.error.is_empty() && body.access_token.is_none() && body.active.is_none()
    })
}

/// What a status from 400 on means. A server may repeat what it was sent, and these are nobody's business.
fn refusal(answer: &Response<Bytes>, now: SystemTime, secrets: &[Secret]) -> Error {
    #[derive(Default, Deserialize)]
    struct Body {
        error: Option<String>,
        error_description: Option<String>,
        error_uri: Option<String>,
    }
    let body: Body = serde_json::from_slice(answer.body()).unwrap_or_default();
    let shown = |text: String| shown(&without(text, secrets));
    let status = answer.status().as_u16();
    let headers = answer.headers();
    Error::from(Answer {
        status,
        code: body.error.map(|code| shown(code).as_str().into()),
        description: body.error_description.map(shown),
        uri: body.error_uri.map(shown),
        retry_after: retry_after(headers, now),
        rate_limit: rate_limit(headers),
        trace_id: trace_id(headers),
    })
}

/// A text with a mark in the place of each secret, also where it stands as it was sent in a form.
fn without(mut text: String, secrets: &[Secret]) -> String {
    let secrets = secrets.iter().map(Secret::reveal);
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        let sent: String = byte_serialize(secret.as_bytes()).collect();
        let percent = sent.replace('+', "%20");
        for shape in [secret, &sent, &percent] {
            text = text.replace(shape, "…");
        }
    }
    text
}

fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    Some(RateLimit {
        limit: number("x-ratelimit-limit")?,
        remaining: number("x-ratelimit-remaining")?,
        reset: number("x-ratelimit-reset")?,
    })
}

/// The id of the trace in `traceparent` (W3C Trace Context).
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let id = text.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default, deserialize_with = "whole_seconds")]
    expires_in: Option<u64>,
    scope: Option<Scopes>,
}

/// Reads an answer that grants a token (RFC 6749, section 5.1), which was asked for at this moment.
pub(super) fn granted(
    endpoint: &Endpoint,
    answer: &Response<Bytes>,
    asked_at: SystemTime,
) -> Result<AccessToken, Error> {
    let unreadable = |what: String| Error::unreadable(endpoint.as_str(), what);
    // The error of the parser could quote the answer, and with it the token.
    let granted: Granted = serde_json::from_slice(answer.body()).map_err(|error| {
        unreadable(format!(
            "it is not a token response (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err(unreadable("the token is not a bearer token".to_owned()));
    }
    let is_token = |byte: u8| byte.is_ascii_graphic();
    if granted.access_token.is_empty() || !granted.access_token.bytes().all(is_token) {
        return Err(unreadable("the token has unusable characters".to_owned()));
    }
    // What the token says of itself is by the server's clock, so the life is what counts of it.
    let claims = UnverifiedClaims::of(&granted.access_token);
    let ends = claims.as_ref().and_then(|claims| claims.expires_at);
    let own = claims
        .and_then(|claims| ends?.duration_since(claims.issued_at?).ok())
        .or_else(|| ends?.duration_since(asked_at).ok());
    let life = match (granted.expires_in.map(Duration::from_secs), own) {
        (Some(said), Some(own)) => said.min(own),
        (Some(life), None) | (None, Some(life)) => life,
        (None, None) => ASSUMED_LIFE,
    };
    if life.is_zero() {
        return Err(unreadable("the token has ended already".to_owned()));
    }
    let token = AccessToken::new(granted.access_token, asked_at, life);
    Ok(match granted.scope {
        Some(scopes) => token.with_scopes(scopes),
        None => token,
    })
}

/// Seconds as a number, or as a number in a text, as some servers write them.
fn whole_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("seconds")
        }

        fn visit_u64<E>(self, seconds: u64) -> Result<Self::Value, E> {
            Ok(Some(seconds))
        }

        fn visit_i64<E>(self, seconds: i64) -> Result<Self::Value, E> {
            Ok(Some(u64::try_from(seconds).unwrap_or(0)))
        }

        fn visit_f64<E>(self, seconds: f64) -> Result<Self::Value, E> {
            Ok(Duration::try_from_secs_f64(seconds)
                .ok()
                .map(|life| life.as_secs()))
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.parse().ok())
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    from.deserialize_any(Visitor)
}
