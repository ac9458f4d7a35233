use std::{borrow::Cow, time::Duration};

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;

use super::Needed;
use crate::Scopes;

/// The challenge where there is nothing to say: it has to have one parameter at least.
const BARE: &str = "Bearer realm=\"api\"";

/// Why a caller is not let in, with the answer that RFC 6750, section 3, has for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// 401: there is no token.
    #[error("a bearer token is needed")]
    Missing,
    /// 400, `invalid_request`: the header cannot be understood.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// 401, `invalid_token`: the token is not accepted.
    #[error("{0}")]
    Invalid(InvalidToken),
    /// 403, `insufficient_scope`: the token is good, but not for this.
    #[error("{0}")]
    Insufficient(Box<Needed>),
    /// 503: whether the token is good cannot be found out now.
    #[error("{cause}")]
    #[non_exhaustive]
    Unavailable {
        /// Why not.
        cause: Unavailable,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// 500: a caller was asked for where no [`AuthLayer`](super::AuthLayer) has looked for one: there is none,
    /// or it lies further inside.
    #[error(
        "the route is not behind an AuthLayer, which has to be outside of whatever needs a caller: of two calls of layer, the last one"
    )]
    NoLayer,
}

impl From<InvalidToken> for Rejection {
    fn from(fault: InvalidToken) -> Self {
        Self::Invalid(fault)
    }
}

/// Why it cannot be found out whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The keys of its issuer are not known, and cannot be fetched.
    #[error("the keys of the token's issuer cannot be fetched now")]
    Keys,
    /// Tokens of too many tenants came at once that were not seen before.
    #[error("tokens of too many new tenants came at once")]
    Busy,
    /// Its issuer cannot be asked whether it has been revoked.
    #[error("the token's issuer cannot be asked about it now")]
    Introspection,
    /// This API may not ask: it has no credential for its issuer, or one that is not accepted.
    #[error(
        "this API cannot ask the token's issuer about it, because its own credential is not accepted: whoever runs the API has to mend that"
    )]
    Credential,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// It is longer than is accepted.
    #[error("the token is too long")]
    TooLong,
    /// It is not a JWT in compact form, or its parts cannot be read.
    #[error("the token is not a readable JWT")]
    Unreadable,
    /// It is a JWT of another type, like an ID token (RFC 9068, section 4).
    #[error("the token is not an access token")]
    WrongType,
    /// It is signed by an algorithm that is not accepted, or not signed at all.
    #[error("the token's algorithm is not accepted")]
    WrongAlgorithm,
    /// It has extensions that have to be understood (RFC 7515, section 4.1.11).
    #[error("the token has critical extensions")]
    Critical,
    /// It is of an issuer that is not trusted here.
    #[error("the token's issuer is not trusted here")]
    UnknownIssuer,
    /// Its issuer does not publish such a key.
    #[error("the token's key is not one of its issuer's")]
    UnknownKey,
    /// Its signature is wrong.
    #[error("the token's signature is wrong")]
    WrongSignature,
    /// It is for another API.
    #[error("the token is not for this audience")]
    WrongAudience,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// It begins in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim that has to be there is not.
    #[error("the token has no {0}")]
    NoClaim(&'static str),
    /// It has been revoked, or its client has.
    #[error("the token has been revoked")]
    Revoked,
}

impl Rejection {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Insufficient(_) => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoLayer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code of the answer; none where there was no token, as RFC 6750 has it.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            Self::Malformed(_) => Some("invalid_request"),
            Self::Invalid(_) => Some("invalid_token"),
            Self::Insufficient(_) => Some("insufficient_scope"),
            Self::Unavailable { .. } => Some("temporarily_unavailable"),
            Self::NoLayer => Some("server_error"),
        }
    }

    /// The answer, with a JSON body of `error` and `error_description`.
    pub fn response<B: From<String>>(&self) -> Response<B> {
        let body = match self.code() {
            Some(code) => json!({"error": code, "error_description": self.to_string()}),
            None => json!({"error_description": self.to_string()}),
        };
        let mut response = Response::new(B::from(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::Unavailable { retry_after, .. } = self {
            headers.insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// `WWW-Authenticate` (RFC 6750, section 3).
    fn challenge(&self) -> Option<HeaderValue> {
        let text = match (self, self.code()) {
            (Self::Missing, _) => BARE.to_owned(),
            (Self::Malformed(_) | Self::Invalid(_), Some(code)) => {
                format!("Bearer error=\"{code}\", error_description=\"{self}\"")
            }
            (Self::Insufficient(needed), Some(code)) => {
                // What is no scope (RFC 6749, section 3.3) nobody can ask for, and a quote would end the text.
                let in_scope = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
                let scopes = needed.scopes().iter();
                let scopes: Scopes = scopes.filter(|scope| scope.bytes().all(in_scope)).collect();
                let scope = if scopes.is_empty() {
                    String::new()
                } else {
                    format!(", scope=\"{scopes}\"")
                };
                format!("Bearer error=\"{code}\"{scope}")
            }
            _ => return None,
        };
        HeaderValue::from_str(&text)
            .ok()
            .or(Some(HeaderValue::from_static(BARE)))
    }
}
