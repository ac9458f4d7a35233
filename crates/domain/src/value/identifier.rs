use super::{Invalid, parsed_text};

/// The identifier of the admin API that every tenant has from the start.
pub const ADMIN_API: &str = "urn:chancery:admin";

/// What Chancery keeps for itself.
const RESERVED: &str = "urn:chancery:";

/// An API's identifier: an absolute URI without a fragment (RFC 8707, section 2), at most 255
/// characters. It is the `aud` of the API's tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiIdentifier(String);

impl ApiIdentifier {
    /// Takes an identifier, or says what one is.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(Self::refused());
        };
        let scheme_is_right = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let rest_is_right = !rest.is_empty() && rest != "//" && rest.bytes().all(is_uri_byte);
        if text.len() > 255 || !scheme_is_right || !rest_is_right {
            return Err(Self::refused());
        }
        Ok(Self(text.to_owned()))
    }

    fn refused() -> Invalid {
        Invalid::new(
            "identifier",
            "must be a URI without a fragment, at most 255 characters, like https://orders.example",
        )
    }

    /// The identifier of the built-in admin API.
    pub fn admin() -> Self {
        Self(ADMIN_API.to_owned())
    }

    /// Whether this is the built-in admin API.
    pub fn is_admin(&self) -> bool {
        self.0 == ADMIN_API
    }

    /// Whether only Chancery itself may use it, in any letter case (a URN's first two parts ignore it).
    pub fn is_reserved(&self) -> bool {
        self.0
            .get(..RESERVED.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
    }
}

/// RFC 3986: unreserved, reserved but for `#`, and `%`.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

parsed_text!(ApiIdentifier, {"format": "uri", "maxLength": 255});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_uris_without_fragment() {
        for right in [
            "https://orders.example",
            "urn:example:orders",
            "https://a.example/v1?x=1",
        ] {
            assert!(ApiIdentifier::parse(right).is_ok(), "{right}");
        }
        let of_length =
            |length: usize| format!("https://{}", "a".repeat(length - "https://".len()));
        assert!(ApiIdentifier::parse(&of_length(255)).is_ok());
        let long = of_length(256);
        for wrong in [
            "",
            "orders",
            ":x",
            "1a:x",
            "https:",
            "https://",
            "https://a#b",
            "a b:c",
            "urn:ä",
            &long,
        ] {
            assert!(ApiIdentifier::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ours_are_reserved_in_any_case() {
        assert!(
            ApiIdentifier::parse("URN:Chancery:other")
                .unwrap()
                .is_reserved()
        );
        assert!(!ApiIdentifier::parse("urn:chancery").unwrap().is_reserved());
    }
}
