use super::{Invalid, parsed_text};

/// How many characters of a secret are shown after it was issued.
const LENGTH: usize = 4;

/// The last four characters of a secret, by which people tell one from another. It cannot hold more
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hint(String);

impl Hint {
    /// The hint of this text: its last four characters, and no more of it.
    pub fn of(text: &str) -> Self {
        let excess = text.chars().count().saturating_sub(LENGTH);
        Self(text.chars().skip(excess).collect())
    }

    /// Takes a hint, or says what one is.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > LENGTH {
            return Err(Invalid::new(
                "hint",
                format!("must be at most {LENGTH} characters"),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

parsed_text!(Hint, {"maxLength": LENGTH});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_the_end_of_a_secret_and_never_more() {
        assert_eq!(Hint::of("chs_abcdwxyz").as_str(), "wxyz");
        assert_eq!(Hint::of("yz").as_str(), "yz");
        assert!(serde_json::from_str::<Hint>("\"dwxyz\"").is_err());
        assert!(serde_json::from_str::<Hint>("\"wxyz\"").is_ok());
    }
}
