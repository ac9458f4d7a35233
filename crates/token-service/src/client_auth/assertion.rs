//! Proof by an assertion (RFC 7523). What the request alone shows is judged first; only an assertion
//! that could be good costs a look-up and a signature.

use chancery_crypto::{AssertionClaims, AssertionError, AssertionKey, PresentedAssertion};
use chancery_directory::{ClientEntry, KeyEntry};
use chancery_domain::{ClientId, CredentialId, KeyId, Timestamp, tenant::AuthMethod};

use super::Denial;

/// The one `client_assertion_type` that there is.
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far ahead an assertion may end, in seconds.
const LONGEST: i64 = 300;
/// How far the clock of who signed may be off, in seconds.
const LEEWAY: i64 = 30;
/// How long a `jti` is at most, in characters.
const MAX_JTI: usize = 128;

/// What is wrong with an assertion, as the request alone shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the client_assertion_type must be {TYPE}")]
    Type,
    #[error(transparent)]
    Unreadable(#[from] AssertionError),
    #[error("the assertion's `iss` and `sub` must both be the client's id")]
    Issuer,
    #[error("the client_id differs from the assertion's `sub`; leave it out")]
    ClientId,
    #[error("the assertion's `aud` must be the issuer of this tenant, as one string")]
    Audience,
    #[error("the assertion has expired")]
    Expired,
    #[error("the assertion's `exp` is more than {LONGEST} seconds ahead")]
    TooLong,
    #[error("the assertion's `nbf` or `iat` is ahead; check the clock of who made it")]
    Ahead,
    #[error(
        "the assertion's `jti` must have 1 to {MAX_JTI} characters, none of them a control character"
    )]
    Jti,
}

/// Why an assertion that could be good proves nothing. It takes a look-up to know, so it is for the
/// log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproved {
    #[error("there is no such tenant")]
    NoTenant,
    #[error("the client is not one of this tenant")]
    NoClient,
    #[error("the client does not authenticate with assertions of this kind")]
    Method,
    #[error("the client has no such key")]
    NoKey,
    #[error("the client has several keys and the assertion does not name one")]
    NoKid,
    #[error("the assertion's algorithm is not that of its key")]
    Algorithm,
    #[error("the signature is not that of the client's key")]
    Signature,
}

/// An assertion's id, to be used up before anything is given for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    pub(crate) jti: String,
    /// Until when it could come again, and a little longer: clocks of nodes differ.
    pub(crate) until: Timestamp,
}

impl Once {
    pub(crate) fn of(claims: &AssertionClaims) -> Self {
        let until = claims.exp.saturating_add(2 * LEEWAY);
        Self {
            jti: claims.jti.clone(),
            until: Timestamp::from_micros(until.saturating_mul(1_000_000)),
        }
    }
}

/// Whether claims that nobody has proved yet could be good: which client they are about.
pub(crate) fn judge(
    claims: &AssertionClaims,
    client_id: Option<&str>,
    issuer: &str,
    now: Timestamp,
) -> Result<ClientId, Denial> {
    let now = now.seconds();
    if claims.iss != claims.sub {
        return Err(Fault::Issuer.into());
    }
    if client_id.is_some_and(|id| id != claims.sub) {
        return Err(Fault::ClientId.into());
    }
    if claims.aud != issuer {
        return Err(Fault::Audience.into());
    }
    if now >= claims.exp.saturating_add(LEEWAY) {
        return Err(Fault::Expired.into());
    }
    if claims.exp > now.saturating_add(LONGEST + LEEWAY) {
        return Err(Fault::TooLong.into());
    }
    let begins = claims.nbf.max(claims.iat);
    if begins.is_some_and(|begins| begins > now.saturating_add(LEEWAY)) {
        return Err(Fault::Ahead.into());
    }
    let jti = &claims.jti;
    let length = jti.chars().count();
    if !(1..=MAX_JTI).contains(&length) || jti.chars().any(char::is_control) {
        return Err(Fault::Jti.into());
    }
    // An id of another form is one that no client has.
    claims.sub.parse().map_err(|_| Unproved::NoClient.into())
}

/// Which of the client's credentials proves the assertion now.
///
/// A key is named by its `kid`, which may be left out while there is one. Secrets have no name that a
/// client would know, so each that is accepted is tried; there are at most a few.
pub(crate) fn proved(
    client: &ClientEntry,
    assertion: &PresentedAssertion<'_>,
    now: Timestamp,
) -> Result<CredentialId, Unproved> {
    match client.auth_method {
        AuthMethod::ClientSecret => Err(Unproved::Method),
        AuthMethod::PrivateKeyJwt => {
            let (id, key) = named(client, assertion.kid())?;
            verified(key.key.as_deref(), id.into(), assertion)
        }
        AuthMethod::ClientSecretJwt => {
            let secrets = client.secrets.iter();
            let accepted = secrets.filter(|(_, secret)| secret.validity.state(now).is_accepted());
            let mut outcome = Err(Unproved::NoKey);
            for (id, secret) in accepted {
                outcome = verified(secret.key.as_deref(), (*id).into(), assertion);
                if outcome.is_ok() {
                    break;
                }
            }
            outcome
        }
    }
}

fn named<'a>(
    client: &'a ClientEntry,
    kid: Option<&str>,
) -> Result<(KeyId, &'a KeyEntry), Unproved> {
    let mut fitting = client
        .live_keys()
        .filter(|(_, key)| kid.is_none_or(|kid| kid == &*key.kid));
    match (fitting.next(), fitting.next()) {
        (Some(named), None) => Ok(named),
        (None, _) => Err(Unproved::NoKey),
        (Some(_), Some(_)) => Err(Unproved::NoKid),
    }
}

fn verified(
    key: Option<&AssertionKey>,
    credential: CredentialId,
    assertion: &PresentedAssertion<'_>,
) -> Result<CredentialId, Unproved> {
    match assertion.verify(key.ok_or(Unproved::NoKey)?) {
        Ok(_) => Ok(credential),
        Err(AssertionError::WrongAlgorithm) => Err(Unproved::Algorithm),
        Err(_) => Err(Unproved::Signature),
    }
}

#[cfg(test)]
mod tests;
