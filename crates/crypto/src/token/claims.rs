//! The claims that every access token is judged by.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Audience, Expectation, TokenError};

/// The registered claims as they stand, of whatever type. A claim that occurs twice is an error of
/// the parser; one that is null is there, and of the wrong type.
#[derive(Deserialize)]
struct Registered {
    #[serde(default, deserialize_with = "present")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Judges a signed claims set.
pub(super) fn check(json: &str, expected: &Expectation<'_>) -> Result<(), TokenError> {
    // serde would read a struct from an array as well, member by member.
    if !json.starts_with('{') {
        return Err(TokenError::Malformed);
    }
    let claims: Registered = serde_json::from_str(json).map_err(|_| TokenError::Malformed)?;
    check_issuer(&required(claims.iss, "iss")?, expected.issuer)?;
    check_audience(&required(claims.aud, "aud")?, expected.audience)?;

    let leeway = i64::from(expected.leeway);
    let expires = seconds(&required(claims.exp, "exp")?, "exp")?;
    if expected.now >= expires.saturating_add(leeway) {
        return Err(TokenError::Expired);
    }
    if let Some(nbf) = claims.nbf
        && seconds(&nbf, "nbf")? > expected.now.saturating_add(leeway)
    {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

fn required(claim: Option<Value>, name: &'static str) -> Result<Value, TokenError> {
    claim.ok_or(TokenError::MissingClaim(name))
}

fn check_issuer(claim: &Value, issuer: &str) -> Result<(), TokenError> {
    match claim {
        Value::String(found) if found == issuer => Ok(()),
        Value::String(_) => Err(TokenError::WrongIssuer),
        _ => Err(TokenError::InvalidClaim("iss")),
    }
}

fn check_audience(claim: &Value, expected: Audience<'_>) -> Result<(), TokenError> {
    let single = std::slice::from_ref(claim);
    let found = claim.as_array().map_or(single, Vec::as_slice);
    if !found.iter().all(Value::is_string) {
        return Err(TokenError::InvalidClaim("aud"));
    }
    match expected {
        Audience::Includes(audience) if !found.iter().any(|one| one == audience) => {
            Err(TokenError::WrongAudience)
        }
        Audience::Includes(_) | Audience::DecidedByCaller => Ok(()),
    }
}

/// Whole Unix seconds. RFC 7519 would allow fractions; this server never writes them.
fn seconds(claim: &Value, name: &'static str) -> Result<i64, TokenError> {
    claim.as_i64().ok_or(TokenError::InvalidClaim(name))
}
