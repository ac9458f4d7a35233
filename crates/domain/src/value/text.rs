use super::{Invalid, parsed_text};

fn parse(text: &str, max: usize) -> Result<String, Invalid> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Err(Invalid::new("empty", "must not be empty"));
    }
    if length > max {
        return Err(Invalid::new(
            "too_long",
            format!("must be at most {max} characters, and has {length}"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(
            "control_character",
            "must not contain control characters",
        ));
    }
    if text.chars().any(turns_direction) {
        return Err(Invalid::new(
            "bidi_control",
            "must not contain characters that turn the direction of the text around them (U+202A to U+202E, U+2066 to U+2069)",
        ));
    }
    if text.chars().all(shows_nothing) {
        return Err(Invalid::new(
            "invisible",
            "must contain a character that can be seen",
        ));
    }
    if text.trim() != text {
        return Err(Invalid::new(
            "outer_space",
            "must not begin or end with white space",
        ));
    }
    Ok(text.to_owned())
}

/// Embeddings, overrides and isolates: with them a text reads as another, and so may what stands beside it.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// White space, and what Unicode calls default ignorable: alone it shows as nothing, though within a text it
/// has its uses.
fn shows_nothing(character: char) -> bool {
    character.is_whitespace()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text, or says which rule it breaks.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                parse(text, $max).map(Self)
            }
        }

        parsed_text!($name, {"minLength": 1, "maxLength": $max});
    };
}

text!(
    /// What people call a tenant: 1 to 100 characters.
    DisplayName,
    100
);
text!(
    /// What people call an API: 1 to 100 characters.
    ApiName,
    100
);
text!(
    /// What people call a client: 1 to 100 characters.
    ClientName,
    100
);
text!(
    /// What something is for: 1 to 500 characters.
    Description,
    500
);
text!(
    /// What people call one of a client's secrets: 1 to 100 characters.
    Label,
    100
);
text!(
    /// Why somebody did something: 1 to 500 characters.
    Reason,
    500
);

impl Reason {
    /// Why a secret is revoked where its client authenticates in another way from now on.
    pub(crate) fn other_auth_method() -> Self {
        Self("the client authenticates in another way".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clean_text() {
        assert!(ClientName::parse("Orders – nightly 🌙").is_ok());
        assert!(ClientName::parse(&"🌙".repeat(100)).is_ok());
        // What joins, varies or marks within a text that can be seen.
        for right in [
            "👩\u{200d}💻",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
            "חשבון\u{200f}",
        ] {
            assert!(ClientName::parse(right).is_ok(), "{right:?}");
        }
        for (wrong, rule) in [
            ("", "empty"),
            ("  ", "empty"),
            (" a", "outer_space"),
            ("a\nb", "control_character"),
            ("a\0", "control_character"),
            ("\u{200b}", "invisible"),
            ("\u{2060}\u{3164} \u{feff}", "invisible"),
            ("\u{202e}", "bidi_control"),
            ("Acme \u{202e}moc", "bidi_control"),
            ("\u{2066}Acme\u{2069}", "bidi_control"),
            (&*"x".repeat(101), "too_long"),
        ] {
            assert_eq!(
                ClientName::parse(wrong).unwrap_err().rule,
                rule,
                "{wrong:?}"
            );
        }
    }
}
