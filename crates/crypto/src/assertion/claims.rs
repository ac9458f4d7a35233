use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::AssertionError;

/// The claims of an assertion, of the right types (RFC 7523, section 3). What they should be is for
/// the caller to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionClaims {
    /// Who made it.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// For whom it is: one, and as a plain string. An array would let somebody who is one of many
    /// pass it on to another.
    pub aud: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// When it begins, in Unix seconds.
    pub nbf: Option<i64>,
    /// When it was made, in Unix seconds.
    pub iat: Option<i64>,
    /// What it is told from others by.
    pub jti: String,
}

/// The claims as they stand, of whatever type. A claim that occurs twice is an error of the parser;
/// one that is null is there, and of the wrong type.
#[derive(Deserialize)]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "present")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl AssertionClaims {
    /// Takes the claims as they stand.
    pub(super) fn read(wire: Wire) -> Result<Self, AssertionError> {
        Ok(Self {
            iss: text(wire.iss, "iss")?,
            sub: text(wire.sub, "sub")?,
            aud: text(wire.aud, "aud")?,
            exp: seconds(wire.exp, "exp")?.ok_or(AssertionError::MissingClaim("exp"))?,
            nbf: seconds(wire.nbf, "nbf")?,
            iat: seconds(wire.iat, "iat")?,
            jti: text(wire.jti, "jti")?,
        })
    }
}

fn text(claim: Option<Value>, name: &'static str) -> Result<String, AssertionError> {
    match claim {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(AssertionError::InvalidClaim(name)),
        None => Err(AssertionError::MissingClaim(name)),
    }
}

/// Whole Unix seconds. RFC 7519 would allow fractions, which two readers could round differently.
fn seconds(claim: Option<Value>, name: &'static str) -> Result<Option<i64>, AssertionError> {
    claim
        .map(|claim| claim.as_i64().ok_or(AssertionError::InvalidClaim(name)))
        .transpose()
}
