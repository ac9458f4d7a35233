//! The token endpoint: what a client may ask for, and what it is given.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use chancery_domain::{FamilyId, Timestamp};
use chancery_telemetry::stage;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use schemars::JsonSchema;
use serde::Serialize;
use tracing::Instrument as _;

use crate::{
    claims::TokenId,
    client_auth::Proof,
    endpoint::{Request, Setback},
    error::Refusal,
    grant,
    parameters::{Malformed, Parameters, PresentedSecret},
    refresh,
};

/// The answer to a request that was granted (RFC 6749, section 5.1).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct Issued {
    /// A JWT by RFC 9068.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// For how many seconds the access token is good.
    pub(crate) expires_in: i64,
    /// What was granted: space-separated, sorted.
    pub(crate) scope: String,
    /// Only where the tenant's policy turns refresh tokens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    #[serde(skip)]
    pub(crate) jti: TokenId,
}

/// Room for the headers of an answer, so that they are not moved when there are more of them.
const HEADERS: usize = 12;

/// What stands beside the token in the answer.
#[derive(Serialize)]
struct Beside<'a> {
    token_type: &'static str,
    expires_in: i64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

impl Issued {
    /// The answer as JSON. Most of it is the token, in which nothing is ever escaped (RFC 7515, section 3.1): it
    /// is copied, not looked through.
    fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let beside = serde_json::to_vec(&Beside {
            token_type: self.token_type,
            expires_in: self.expires_in,
            scope: &self.scope,
            refresh_token: self.refresh_token.as_deref(),
        })?;
        let (before, after) = (br#"{"access_token":""#, br#"","#);
        let length = before.len() + self.access_token.len() + after.len() + beside.len();
        let mut json = Vec::with_capacity(length);
        json.extend_from_slice(before);
        json.extend_from_slice(self.access_token.as_bytes());
        json.extend_from_slice(after);
        json.extend(beside.iter().skip(1));
        Ok(json)
    }
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        match self.json() {
            Ok(json) => {
                let mut response = Response::new(Body::from(json));
                let headers = response.headers_mut();
                headers.reserve(HEADERS);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => {
                tracing::error!(%error, "a token could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// What a token is asked for with.
#[derive(Clone, Copy)]
pub(crate) enum Grant<'a> {
    /// RFC 6749, section 4.4.
    ClientCredentials,
    /// RFC 6749, section 6.
    RefreshToken(&'a PresentedSecret),
}

/// What the request asks with.
pub(crate) fn grant(parameters: &Parameters) -> Result<Grant<'_>, Refusal> {
    match parameters.grant_type.as_deref() {
        Some("client_credentials") => Ok(Grant::ClientCredentials),
        Some("refresh_token") => match &parameters.refresh_token {
            Some(presented) => Ok(Grant::RefreshToken(presented)),
            None => Err(Malformed::NoRefreshToken.into()),
        },
        Some(other) => Err(Refusal::GrantType(other.to_owned())),
        None => Err(Malformed::NoGrantType.into()),
    }
}

/// Decides, records and signs. `beyond` names the limits that the request is beyond and that are not
/// enforced.
pub(crate) async fn serve(
    request: &Request<'_>,
    proof: &Proof,
    parameters: &Parameters,
    beyond: Option<&'static str>,
    now: Timestamp,
) -> Result<Issued, Setback> {
    let service = request.service;
    let used = match grant(parameters)? {
        Grant::ClientCredentials => None,
        Grant::RefreshToken(presented) => {
            Some(Box::pin(refresh::used(service, proof, presented.as_str(), now)).await?)
        }
    };
    let bound = used.as_ref().map(|used| &used.bound);
    let mut decision =
        stage!("decide").in_scope(|| grant::decide(service, proof, parameters, bound, now))?;
    if let Some(seconds) = proof.tenant.tenant.policy.refresh_token_seconds {
        let family = match &used {
            Some(used) => used.family,
            None => FamilyId::new(now, service.entropy().bytes()),
        };
        let client = proof.client.id.to_string();
        let next = service
            .secrets()
            .mint_refresh(&client, family.to_bytes(), service.entropy());
        decision.give(next, family, used, now.plus_seconds(i64::from(seconds)));
    }
    let jti = TokenId::new(now, &service.names().bytes());
    let record = stage!("record");
    let recording = decision.record(request, jti, beyond, now)?;
    // It is signed while its record is made durable, and leaves when it is.
    recording.begins().await;
    let signed = stage!("sign").in_scope(|| decision.sign(jti))?;
    recording.done().instrument(record).await?;
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_as_its_fields_say() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln_-";
        for refresh_token in [None, Some("chr_a\"b".to_owned())] {
            let issued = Issued {
                access_token: token.to_owned(),
                token_type: "Bearer",
                expires_in: 3_600,
                scope: "orders:read \u{e9}\"\\".to_owned(),
                refresh_token,
                jti: TokenId::new(Timestamp::from_micros(0), &[7; 10]),
            };
            let expected = serde_json::to_string(&issued).unwrap();
            assert_eq!(String::from_utf8(issued.json().unwrap()).unwrap(), expected);
        }
    }
}
