//! Verification of our own access tokens (RFC 9068; RFC 8725).

use std::borrow::Borrow;
use std::fmt;

use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::jwk::PublicJwk;

mod claims;

/// What a token must say to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// `iss`, compared byte for byte.
    pub issuer: &'a str,
    /// What is asked of `aud`.
    pub audience: Audience<'a>,
    /// The time, in Unix seconds. It comes from the caller's clock, never from the system's.
    pub now: i64,
    /// How far the clock of who signed may be off, in seconds.
    pub leeway: u32,
}

/// What is asked of a token's `aud`.
#[derive(Debug, Clone, Copy)]
pub enum Audience<'a> {
    /// It must include this one.
    Includes(&'a str),
    /// It must be there; the caller decides from the claims, as introspection does, which answers
    /// for many audiences.
    DecidedByCaller,
}

/// Why a token is not taken.
///
/// What is said to whoever presented it is for the caller to decide; these are for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url with a JOSE header and a JSON object, or an algorithm that
    /// nobody knows, `none` among them.
    #[error("not a signed JWT")]
    Malformed,
    /// `typ` is not `at+jwt`: a JWT of another kind, or something that was never an access token.
    #[error("not an access token: `typ` must be at+jwt")]
    WrongType,
    /// No `kid` in the header.
    #[error("the token does not name its key")]
    MissingKeyId,
    /// The header has `crit` (RFC 7515, section 4.1.11), and no extension is understood here.
    #[error("the token demands an extension that is not supported")]
    CriticalExtension,
    /// No published key has this `kid`.
    #[error("the token's key is unknown or no longer published")]
    UnknownKey,
    /// `alg` is not the algorithm of the key (RFC 8725, section 3.1).
    #[error("the token's `alg` is not that of its key")]
    WrongAlgorithm,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// A claim that every access token has is absent.
    #[error("the token has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim is of the wrong type; times are integers.
    #[error("the token's claim `{0}` has the wrong type")]
    InvalidClaim(&'static str),
    /// `iss` is another issuer.
    #[error("the token is of another issuer")]
    WrongIssuer,
    /// `aud` does not include the one that is asked for.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The signature is good, but the claims are not those that the caller reads.
    #[error("the token's claims cannot be read")]
    UnreadableClaims,
}

/// A token whose header has been read and whose signature has not been checked: all that it gives
/// away is the id of the key to look up.
pub struct PresentedToken<'a> {
    token: &'a str,
    kid: String,
    algorithm: jsonwebtoken::Algorithm,
}

impl<'a> PresentedToken<'a> {
    /// Reads the header. `typ` is `at+jwt` or `application/at+jwt`, in any case (RFC 9068, section
    /// 4); `kid` is required; `crit` is refused.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenError::CriticalExtension);
        }
        if !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(TokenError::WrongType);
        }
        Ok(Self {
            token,
            kid: header.kid.ok_or(TokenError::MissingKeyId)?,
            algorithm: header.alg,
        })
    }

    /// The id of the key that is said to have signed it. Look it up among the keys of the issuer
    /// that you expect, never among those of an issuer that the token names.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims, once the signature, the issuer, the audience and the times have proved good.
    pub fn verify<T: DeserializeOwned>(
        &self,
        key: &PublicJwk,
        expected: &Expectation<'_>,
    ) -> Result<T, TokenError> {
        if self.kid != key.kid() {
            return Err(TokenError::UnknownKey);
        }
        if self.algorithm != key.algorithm().jsonwebtoken() {
            return Err(TokenError::WrongAlgorithm);
        }
        let claims = self.signed_claims(key)?;
        claims::check(claims.get(), expected)?;
        serde_json::from_str(claims.get()).map_err(|_| TokenError::UnreadableClaims)
    }

    /// The claims as they were signed. `jsonwebtoken` checks the signature and nothing else: its
    /// time checks read the system's clock, and its others take an absent claim for a good one.
    fn signed_claims(&self, key: &PublicJwk) -> Result<Box<RawValue>, TokenError> {
        let mut signature_only = Validation::new(self.algorithm);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_nbf = false;
        signature_only.validate_aud = false;
        jsonwebtoken::decode(self.token, &key.decoding_key(), &signature_only)
            .map(|token| token.claims)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::BadSignature,
                ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
                _ => TokenError::Malformed,
            })
    }
}

impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentedToken({:?})", self.kid)
    }
}

/// Verifies an access token whose key is at hand; where the key has to be awaited, use
/// [`PresentedToken`].
///
/// `find_key` is given the token's `kid` and answers with the key that the expected issuer publishes
/// under it: by reference, by value or shared.
pub fn verify_jwt<T: DeserializeOwned, K: Borrow<PublicJwk>>(
    token: &str,
    expected: &Expectation<'_>,
    find_key: impl FnOnce(&str) -> Option<K>,
) -> Result<T, TokenError> {
    let token = PresentedToken::parse(token)?;
    let key = find_key(token.kid()).ok_or(TokenError::UnknownKey)?;
    token.verify(key.borrow(), expected)
}

fn is_access_token(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let subtype = match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        _ => typ,
    };
    subtype.eq_ignore_ascii_case("at+jwt")
}

#[cfg(test)]
mod tests;
