//! `application/x-www-form-urlencoded`, read strictly: what two readers could take for two things is
//! refused.

use std::borrow::Cow;

use crate::parameters::{Malformed, Names, Parameters, is_list};

/// Reads a form.
pub(crate) fn parse(body: &[u8]) -> Result<Parameters, Malformed> {
    let mut parameters = Parameters::default();
    let mut names = Names::default();
    for pair in body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        let name = decode(name)?;
        if !is_list(&name) {
            names.first_use(&name)?;
        }
        parameters.take(&name, decode(value)?)?;
    }
    Ok(parameters)
}

/// `+` is a space, `%` and two hexadecimal digits a byte, and the bytes are UTF-8.
pub(crate) fn decode(encoded: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(encoded)
            .map(Cow::Borrowed)
            .map_err(|_| Malformed::Utf8);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes
                    .next()
                    .copied()
                    .and_then(digit)
                    .ok_or(Malformed::Escape)?;
                let low = bytes
                    .next()
                    .copied()
                    .and_then(digit)
                    .ok_or(Malformed::Escape)?;
                high << 4 | low
            }
            other => *other,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| Malformed::Utf8)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(digit: u8) -> char {
        char::from_digit(digit.into(), 16).unwrap()
    }

    #[test]
    fn spaces_have_two_spellings() {
        for body in ["scope=a+b", "scope=a%20b", "sc%6fpe=a%20b"] {
            assert_eq!(
                parse(body.as_bytes()).unwrap().scope.as_deref(),
                Some("a b"),
                "{body}"
            );
        }
    }

    #[test]
    fn empty_is_absent_and_unknown_is_ignored() {
        let parameters = parse(b"&grant_type=&scope&other=1&&client_id==x=").unwrap();
        let expected = Parameters {
            client_id: Some("=x=".to_owned()),
            ..Parameters::default()
        };
        assert_eq!(parameters, expected);
        assert_eq!(parse(b""), Ok(Parameters::default()));
    }

    #[test]
    fn audience_and_resource_are_united_and_may_be_repeated() {
        let parameters =
            parse(b"audience=a:1+b:2&resource=c:3&audience=+d:4&resource=e:5").unwrap();
        assert_eq!(parameters.audiences, ["a:1", "b:2", "c:3", "d:4", "e:5"]);
    }

    #[test]
    fn what_is_refused() {
        let repeated = |name: &str| Malformed::Repeated(name.to_owned());
        for (body, why) in [
            (&b"scope=a&scope=b"[..], repeated("scope")),
            (b"scope=a&scope=a", repeated("scope")),
            (b"scope=&scope=a", repeated("scope")),
            (b"scope=a&sc%6Fpe=b", repeated("scope")),
            (b"other=1&other=2", repeated("other")),
            (b"scope=%", Malformed::Escape),
            (b"scope=%2", Malformed::Escape),
            (b"scope=%2x", Malformed::Escape),
            (b"%zz=a", Malformed::Escape),
            (b"scope=\xff", Malformed::Utf8),
            (b"scope=%ff", Malformed::Utf8),
            (b"scope=%C3", Malformed::Utf8),
            (b"scope=a%00", Malformed::Nul),
            (b"scope=a\0", Malformed::Nul),
            (b"other%00=a", Malformed::Nul),
        ] {
            assert_eq!(parse(body), Err(why), "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>) {
            let _ = parse(&body);
        }

        #[test]
        fn no_near_miss_panics(body in "(grant_type|scope|%|&|=|\\+|%[0-9a-f]{2}|\\PC){0,30}") {
            let _ = parse(body.as_bytes());
        }

        #[test]
        fn what_is_encoded_comes_out(value in "[^\0]+") {
            let encoded: String = value.bytes().flat_map(|byte| ['%', hex(byte >> 4), hex(byte & 15)]).collect();
            let parameters = parse(format!("scope={encoded}").as_bytes()).unwrap();
            prop_assert_eq!(parameters.scope, Some(value));
        }
    }
}
