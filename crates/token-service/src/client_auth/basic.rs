//! The `Authorization: Basic` header (RFC 7617) with the encoding of RFC 6749, section 2.3.1.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    form,
    parameters::{Malformed, PresentedSecret},
};

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    Basic {
        client_id: String,
        secret: PresentedSecret,
    },
    /// A scheme that no client authenticates with here.
    OtherScheme,
}

/// Reads the header's value.
pub(crate) fn parse(header: &[u8]) -> Result<Authorization, Malformed> {
    let (scheme, credentials) = match header.iter().position(|byte| *byte == b' ') {
        Some(at) => (&header[..at], header[at..].trim_ascii()),
        None => (header, &header[header.len()..]),
    };
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(Authorization::OtherScheme);
    }
    let pair = BASE64.decode(credentials).map_err(|_| Malformed::Basic)?;
    let colon = pair
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Malformed::Basic)?;
    let client_id = part(&pair[..colon])?;
    let secret = PresentedSecret::new(part(&pair[colon + 1..])?);
    Ok(Authorization::Basic { client_id, secret })
}

/// Ids and secrets have no character that form encoding would change, so many clients leave it out:
/// what is not encoded is taken as it is.
fn part(encoded: &[u8]) -> Result<String, Malformed> {
    let text = match form::decode(encoded) {
        Ok(text) => text.into_owned(),
        Err(_) => String::from_utf8(encoded.to_vec()).map_err(|_| Malformed::Basic)?,
    };
    if text.contains('\0') {
        Err(Malformed::Basic)
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn basic(client_id: &str, secret: &str) -> Result<Authorization, Malformed> {
        let secret = PresentedSecret::new(secret.to_owned());
        Ok(Authorization::Basic {
            client_id: client_id.to_owned(),
            secret,
        })
    }

    fn header(scheme: &str, pair: &[u8]) -> Result<Authorization, Malformed> {
        parse(format!("{scheme} {}", BASE64.encode(pair)).as_bytes())
    }

    #[test]
    fn id_and_secret_are_form_encoded() {
        for (pair, id, secret) in [
            ("client_a:chs_1", "client_a", "chs_1"),
            ("client%5Fa:a%3Ab+c", "client_a", "a:b c"),
            ("client_a:a:b", "client_a", "a:b"),
            ("client_a:", "client_a", ""),
            (":", "", ""),
            ("client_a:100%", "client_a", "100%"),
            ("a%ff:ä", "a%ff", "ä"),
        ] {
            assert_eq!(
                header("Basic", pair.as_bytes()),
                basic(id, secret),
                "{pair}"
            );
        }
    }

    #[test]
    fn the_scheme_has_no_case_and_the_padding_is_optional() {
        for text in ["Basic YTpi", "basic YTpi", "BASIC   YTpi ", "Basic YTpi"] {
            assert_eq!(parse(text.as_bytes()), basic("a", "b"), "{text}");
        }
        for text in ["Basic YTpiYg==", "Basic YTpiYg"] {
            assert_eq!(parse(text.as_bytes()), basic("a", "bb"), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "Basic",
            "Basic ",
            "Basic YQ==",
            "Basic not base64",
            "Basic YTpi=",
            "Basic _w==",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed::Basic), "{text}");
        }
        for pair in [&b"a:\xff"[..], b"\xff:a", b"a\0:b", b"a:%00"] {
            assert_eq!(header("Basic", pair), Err(Malformed::Basic), "{pair:?}");
        }
        for text in ["", " ", "Bearer x", "Basically YTpi", "Digest a=b"] {
            assert_eq!(
                parse(text.as_bytes()),
                Ok(Authorization::OtherScheme),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header: Vec<u8>) {
            let _ = parse(&header);
        }

        #[test]
        fn no_pair_panics(pair: Vec<u8>) {
            let _ = header("Basic", &pair);
        }
    }
}
