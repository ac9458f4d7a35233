//! The `charset` of a body: it is read as UTF-8, and what says that it is to be read in another way must come
//! out the same.

use crate::parameters::Malformed;

/// Checks the parameters of a `Content-Type` for a charset that would read this body in another way.
///
/// A form, and JSON, have none by their registrations; some libraries name one all the same, and several that
/// of ISO 8859-1 for a form of ASCII alone.
pub(crate) fn check<'a>(
    parameters: impl Iterator<Item = &'a [u8]>,
    body: &[u8],
) -> Result<(), Malformed> {
    for parameter in parameters {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        if !name.eq_ignore_ascii_case(b"charset") {
            continue;
        }
        let value = parts.next().unwrap_or_default().trim_ascii();
        let is = |names: &[&str]| {
            let named = |name: &&str| unquoted(value).eq_ignore_ascii_case(name.as_bytes());
            names.iter().any(named)
        };
        let reads_alike = is(&["utf-8", "utf8"])
            || is(&["us-ascii", "iso-8859-1", "windows-1252"]) && is_ascii(body);
        if !reads_alike {
            return Err(Malformed::Charset);
        }
    }
    Ok(())
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"");
    let inner = inner.and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

/// Whether every character is ASCII, those too that a form has percent-encoded.
fn is_ascii(body: &[u8]) -> bool {
    let is_beyond =
        |pair: &[u8]| pair[0] == b'%' && matches!(pair[1], b'8'..=b'9' | b'A'..=b'F' | b'a'..=b'f');
    body.is_ascii() && !body.windows(2).any(is_beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(parameters: &str, body: &str) -> Result<(), Malformed> {
        check(parameters.split(';').map(str::as_bytes), body.as_bytes())
    }

    #[test]
    fn what_reads_alike_is_read() {
        for (parameters, body) in [
            ("", "scope=\u{e4}"),
            (" charset=utf-8", "scope=%C3%A4"),
            (" Charset=\"UTF-8\"", "\u{e4}"),
            ("boundary=x;charset=utf8 ", "scope=%c3%a4"),
            (" charset=ISO-8859-1", "scope=a%20b"),
            ("charset=us-ascii", "{\"scope\": \"\\u00e4\"}"),
            ("profile=charset", "x"),
        ] {
            assert_eq!(checked(parameters, body), Ok(()), "{parameters} {body}");
        }
    }

    #[test]
    fn what_would_be_read_in_another_way_is_not() {
        for (parameters, body) in [
            ("charset=utf-16", "x"),
            ("charset=", "x"),
            ("charset", "x"),
            ("charset=utf-8;charset=utf-16", "x"),
            ("charset=iso-8859-1", "scope=\u{e4}"),
            ("charset=iso-8859-1", "scope=%E4"),
            ("charset=us-ascii", "scope=%c3%a4"),
            ("charset=utf-7", "+AGE-"),
        ] {
            assert_eq!(
                checked(parameters, body),
                Err(Malformed::Charset),
                "{parameters} {body}"
            );
        }
    }
}
