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
    if text.trim() != text {
        return Err(Invalid::new(
            "outer_space",
            "must not begin or end with white space",
        ));
    }
    Ok(text.to_owned())
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
        for (wrong, rule) in [
            ("", "empty"),
            ("  ", "empty"),
            (" a", "outer_space"),
            ("a\nb", "control_character"),
            ("a\0", "control_character"),
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
