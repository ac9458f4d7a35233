//! Verification of clients' assertions (RFC 7523; RFC 8725).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

mod algorithm;
mod claims;
mod decoy;
mod key;

pub use algorithm::AssertionAlgorithm;
pub use claims::AssertionClaims;
pub use decoy::DecoyKeys;
pub use key::{AssertionKey, UnusableKey};

/// Why an assertion is not what it should be. The request alone decides it, but for the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not three parts of base64url with a JOSE header and a JSON object of claims, each once.
    #[error("the assertion is not a signed JWT with each member that counts once")]
    Malformed,
    /// `typ` is of another kind of JWT.
    #[error("the assertion's `typ` must be JWT, client-authentication+jwt, or left out")]
    WrongType,
    /// The header has `crit` (RFC 7515, section 4.1.11), and no extension is understood here.
    #[error("the assertion demands an extension that is not supported")]
    CriticalExtension,
    /// `alg` is none of those that are taken; `none` is not even an algorithm.
    #[error("the assertion's `alg` is none of ES256, ES384, EdDSA, RS256, PS256 and HS256")]
    UnknownAlgorithm,
    /// A claim that every assertion has is absent.
    #[error("the assertion has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim is of the wrong type.
    #[error(
        "the assertion's claim `{0}` has the wrong type: times are integers, all else is one string"
    )]
    InvalidClaim(&'static str),
    /// `alg` is not the algorithm of the key (RFC 8725, section 3.1).
    #[error("the assertion's `alg` is not that of its key")]
    WrongAlgorithm,
    /// The signature is not the key's.
    #[error("the assertion's signature is wrong")]
    BadSignature,
}

/// An assertion that has been read and whose signature has not been checked.
pub struct PresentedAssertion<'a> {
    message: &'a str,
    signature: &'a str,
    kid: Option<String>,
    algorithm: AssertionAlgorithm,
    claims: AssertionClaims,
}

impl<'a> PresentedAssertion<'a> {
    /// Reads header and claims. `typ` is absent, `JWT` or `client-authentication+jwt`, in any case
    /// and with or without `application/`; `crit` is refused.
    pub fn parse(assertion: &'a str) -> Result<Self, AssertionError> {
        let malformed = AssertionError::Malformed;
        let (message, signature) = assertion.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = message.split_once('.').ok_or(malformed)?;
        let header: Header = object(header)?;
        if header.crit {
            return Err(AssertionError::CriticalExtension);
        }
        if header.typ.as_deref().is_some_and(|typ| !is_assertion(typ)) {
            return Err(AssertionError::WrongType);
        }
        let algorithm =
            AssertionAlgorithm::named(&header.alg).ok_or(AssertionError::UnknownAlgorithm)?;
        Ok(Self {
            message,
            signature,
            kid: header.kid,
            algorithm,
            claims: AssertionClaims::read(object(payload)?)?,
        })
    }

    /// The name of the key that is said to have signed it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it is said to be signed with.
    pub fn algorithm(&self) -> AssertionAlgorithm {
        self.algorithm
    }

    /// What it says, which nobody has proved: enough to turn it away, and to find the keys of the
    /// client that it names.
    pub fn unverified(&self) -> &AssertionClaims {
        &self.claims
    }

    /// What it says, once the signature has proved to be this key's.
    pub fn verify(&self, key: &AssertionKey) -> Result<&AssertionClaims, AssertionError> {
        if self.algorithm != key.algorithm() {
            return Err(AssertionError::WrongAlgorithm);
        }
        let genuine = jsonwebtoken::crypto::verify(
            self.signature,
            self.message.as_bytes(),
            key.decoding_key(),
            key.algorithm().jsonwebtoken(),
        );
        match genuine {
            Ok(true) => Ok(&self.claims),
            Ok(false) | Err(_) => Err(AssertionError::BadSignature),
        }
    }
}

impl fmt::Debug for PresentedAssertion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentedAssertion({} {:?})", self.algorithm, self.kid)
    }
}

/// What is read of the header (RFC 7515, section 4.1). Keys that come with the assertion, or places
/// where one could be fetched, are never looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Whether a member is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// An encoded JSON object, none of whose members that are read occurs twice.
fn object<T: DeserializeOwned>(encoded: &str) -> Result<T, AssertionError> {
    let malformed = AssertionError::Malformed;
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed)?;
    // serde would read a struct from an array as well, member by member.
    if !json.starts_with(b"{") {
        return Err(malformed);
    }
    serde_json::from_slice(&json).map_err(|_| malformed)
}

fn is_assertion(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let subtype = match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        _ => typ,
    };
    ["JWT", "client-authentication+jwt"]
        .iter()
        .any(|known| subtype.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
