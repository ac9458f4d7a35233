use std::borrow::Borrow;

use super::{Invalid, parsed_text};

/// A tenant's short name in URLs: 3 to 40 of `a-z 0-9 -`, beginning with a letter. Unique for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

impl Slug {
    /// The tenant of the operators themselves.
    pub const SYSTEM: &'static str = "system";

    /// Whether this text is a slug.
    pub fn is(text: &str) -> bool {
        (3..=40).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    }

    /// Takes a slug, or says what a slug is.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !Self::is(text) {
            return Err(Invalid::new(
                "slug",
                "must be 3 to 40 of the characters a-z, 0-9 and -, and begin with a letter",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The slug of the tenant that operators belong to.
    pub fn system() -> Self {
        Self(Self::SYSTEM.to_owned())
    }

    /// Whether this is the operators' tenant.
    pub fn is_system(&self) -> bool {
        self.0 == Self::SYSTEM
    }
}

/// A slug is found by its text: both have the same hash and the same order.
impl Borrow<str> for Slug {
    fn borrow(&self) -> &str {
        &self.0
    }
}

parsed_text!(Slug, {"pattern": "^[a-z][a-z0-9-]{2,39}$"});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_plain_and_begin_with_a_letter() {
        for right in ["acme", "a-1", "umbrella-corp", &"a".repeat(40)] {
            assert!(Slug::parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "ab",
            "1ab",
            "-ab",
            "Acme",
            "a_b",
            "a b",
            "äcme",
            &"a".repeat(41),
        ] {
            assert!(Slug::parse(wrong).is_err(), "{wrong}");
        }
    }
}
