//! What always holds of the parsers, whatever a client sends. The fuzz targets call these with bytes that
//! they make up, the tests with those that were found.
//!
//! It is compiled for the tests of this crate, so that it is true before it is fuzzed, and with the feature
//! `fuzzing`, which the workspace in `fuzz/` alone turns on: the parsers stay private.

#![expect(
    clippy::missing_panics_doc,
    reason = "each panics where its law does not hold, which is what it is for"
)]

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chancery_crypto::PresentedAssertion;
use chancery_domain::Timestamp;
use serde_json::{Map, Value};

use crate::{
    client_auth::{
        assertion::{self, Once},
        basic::{self, Authorization},
    },
    form, json_body,
    parameters::{Malformed, Parameters, PresentedSecret},
};

/// The moment at which assertions are judged, in seconds.
const NOW: i64 = 1_800_000_000;
/// The issuer that they have to be for.
const ISSUER: &str = "https://as.example/t/acme";

/// A body that says that it is a form.
pub fn form(body: &[u8]) {
    match form::parse(body) {
        Ok(read) => is_read_again(&read),
        Err(error) => can_be_said(&error),
    }
}

/// A body that says that it is JSON.
pub fn json(body: &[u8]) {
    let read = match json_body::parse(body) {
        Ok(read) => read,
        Err(error) => return can_be_said(&error),
    };
    is_read_again(&read);
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        panic!("it is no object to others");
    };
    for (name, read) in texts(&read) {
        let other = members
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default();
        assert_eq!(read.unwrap_or_default(), other, "{name}");
    }
}

/// An `Authorization` header.
pub fn basic(header: &[u8]) {
    let (client_id, secret) = match basic::parse(header) {
        Ok(Authorization::Basic { client_id, secret }) => (client_id, secret),
        Ok(Authorization::OtherScheme) => return,
        Err(error) => return can_be_said(&error),
    };
    assert!(!client_id.contains('\0') && !secret.as_str().contains('\0'));
    let pair = format!("{}:{}", encoded(&client_id), encoded(secret.as_str()));
    let again = basic::parse(format!("Basic {}", STANDARD.encode(pair)).as_bytes());
    assert_eq!(again, Ok(Authorization::Basic { client_id, secret }));
}

/// An assertion as it comes; and one whose header and claims are the first line and the rest, so that what
/// is below the encoding is reached as well.
pub fn assertion(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    judge(text);
    if let Some((header, claims)) = text.split_once('\n') {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        judge(&format!("{header}.{claims}.c2lnbmF0dXJl"));
    }
}

fn judge(text: &str) {
    let Ok(presented) = PresentedAssertion::parse(text) else {
        return;
    };
    let claims = presented.unverified();
    let said = text
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    // A claim that nobody reads may be a number that is too large for others.
    let Some(Ok(said)) = said.map(|said| serde_json::from_slice::<Value>(&said)) else {
        return;
    };
    assert!(said.is_object(), "its claims are no object to others");
    for (name, read) in [
        ("iss", &claims.iss),
        ("sub", &claims.sub),
        ("aud", &claims.aud),
        ("jti", &claims.jti),
    ] {
        assert_eq!(said[name], **read, "{name}");
    }
    assert_eq!(said["exp"].as_i64(), Some(claims.exp));

    let now = Timestamp::from_micros(NOW * 1_000_000);
    let once = Once::of(claims);
    if let Ok(client) = assertion::judge(claims, None, ISSUER, now) {
        assert_eq!(claims.sub, client.to_string());
        assert_eq!(claims.iss, claims.sub);
        assert_eq!(claims.aud, ISSUER);
        assert!(
            (NOW - 29..=NOW + 330).contains(&claims.exp),
            "{}",
            claims.exp
        );
        assert!((1..=128).contains(&once.jti.chars().count()));
        assert!(once.until.seconds() > claims.exp);
    }
}

/// What was read is the same when it is sent once more, either way.
fn is_read_again(read: &Parameters) {
    let mut pairs = Vec::new();
    let mut members = Map::new();
    for (name, value) in texts(read) {
        if let Some(value) = value {
            pairs.push(format!("{name}={}", encoded(value)));
            members.insert(name.to_owned(), value.into());
        }
    }
    for audience in &read.audiences {
        assert!(!audience.is_empty() && !audience.contains('\0'));
        pairs.push(format!("resource={}", encoded(audience)));
    }
    members.insert("resource".to_owned(), read.audiences.clone().into());
    assert_eq!(form::parse(pairs.join("&").as_bytes()).as_ref(), Ok(read));
    let json = Value::Object(members).to_string();
    assert_eq!(json_body::parse(json.as_bytes()).as_ref(), Ok(read));
}

fn texts(read: &Parameters) -> [(&'static str, Option<&str>); 8] {
    [
        ("grant_type", read.grant_type.as_deref()),
        ("scope", read.scope.as_deref()),
        ("client_id", read.client_id.as_deref()),
        (
            "client_secret",
            read.client_secret.as_ref().map(PresentedSecret::as_str),
        ),
        (
            "client_assertion",
            read.client_assertion.as_ref().map(PresentedSecret::as_str),
        ),
        (
            "client_assertion_type",
            read.client_assertion_type.as_deref(),
        ),
        (
            "refresh_token",
            read.refresh_token.as_ref().map(PresentedSecret::as_str),
        ),
        ("token", read.token.as_ref().map(PresentedSecret::as_str)),
    ]
}

/// Form-encoded, every byte of it.
fn encoded(text: &str) -> String {
    let escaped = |byte: u8| ['%', digit(byte >> 4), digit(byte & 15)];
    text.bytes().flat_map(escaped).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or_default()
}

/// An error is short, and has no character that an `error_description` must not contain (RFC 6749,
/// section 5.2).
fn can_be_said(error: &Malformed) {
    let text = error.to_string();
    let allowed = |byte| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~');
    assert!(text.len() < 200 && text.bytes().all(allowed), "{text}");
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// What the targets begin with, and what they have found.
    #[test]
    fn the_laws_hold_for_every_seed() {
        for (name, law) in [
            ("form", form as fn(&[u8])),
            ("basic", basic),
            ("json", json),
            ("assertion", assertion),
        ] {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../fuzz/seeds")
                .join(name);
            let mut count = 0;
            for seed in fs::read_dir(seeds).unwrap() {
                law(&fs::read(seed.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 2, "{name} has {count} seeds");
        }
    }

    /// A seed that is refused at once would leave the rest of the parser to luck.
    #[test]
    fn one_assertion_among_the_seeds_is_taken() {
        let seed = include_str!("../../../fuzz/seeds/assertion/taken");
        let (header, claims) = seed.split_once('\n').unwrap();
        let part = |part: &str| URL_SAFE_NO_PAD.encode(part);
        let text = format!("{}.{}.c2ln", part(header), part(claims));
        let presented = PresentedAssertion::parse(&text).unwrap();
        let now = Timestamp::from_micros(NOW * 1_000_000);
        assertion::judge(presented.unverified(), None, ISSUER, now).unwrap();
    }
}
