//! A token before anything of it is believed.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::{InvalidToken, Profile};
use crate::{Algorithm, base64url, claims::Payload};

/// The parts of a JWS in its compact form (RFC 7515, section 7.1).
pub(super) struct Presented<'a> {
    /// Header and payload, as they were signed.
    pub(super) message: &'a [u8],
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) payload: Payload,
    pub(super) json: String,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Option<Text<'a>>,
    kid: Option<String>,
    /// Whether it is there, whatever it is: a list without anything in it must not be, nor null.
    #[serde(default, deserialize_with = "there")]
    crit: bool,
}

/// Borrowed where it has no escapes, also where it is optional.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

impl<'a> Presented<'a> {
    /// Takes a token apart. Keys that the header carries or points to are not even read.
    pub(super) fn read(token: &'a str, profile: Profile) -> Result<Self, InvalidToken> {
        let unreadable = InvalidToken::Unreadable;
        let (message, signature) = token.rsplit_once('.').ok_or(unreadable)?;
        let (header, payload) = message.split_once('.').ok_or(unreadable)?;
        // Text once, so that it is not looked through for each name and each claim.
        let text = |part: &str| base64url::decode_text(part).ok_or(unreadable);

        let header = text(header)?;
        let header: Header<'_> = serde_json::from_str(&header).map_err(|_| unreadable)?;
        if header.crit {
            return Err(InvalidToken::Critical);
        }
        if !profile.accepts_type(header.typ.as_ref().map(|typ| &*typ.0)) {
            return Err(InvalidToken::WrongType);
        }
        let algorithm = Algorithm::named(&header.alg).ok_or(InvalidToken::WrongAlgorithm)?;
        let json = text(payload)?;
        Ok(Self {
            message: message.as_bytes(),
            signature: base64url::decode(signature).ok_or(unreadable)?,
            algorithm,
            key_id: header.kid,
            payload: serde_json::from_str(&json).map_err(|_| unreadable)?,
            json,
        })
    }
}
