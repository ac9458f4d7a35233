//! Text of others, in our answers and logs.

use std::fmt;

use chancery_crypto::could_be_secret;

/// The most characters of a text of others that are repeated.
const MOST: usize = 64;

/// What stands in the place of something that could be a secret.
const MASKED: &str = "`(masked)`";

/// A text that somebody sent, cut short, with everything replaced that an `error_description` must
/// not contain (RFC 6749, section 5.2), and without what looks like a secret.
pub(crate) struct Shown<'a>(&'a str);

pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown(text)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if could_be_secret(self.0) {
            return f.write_str(MASKED);
        }
        let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
        f.write_str("`")?;
        for c in self.0.chars().take(MOST) {
            fmt::Write::write_char(f, if allowed(c) { c } else { '?' })?;
        }
        f.write_str(if self.0.chars().nth(MOST).is_some() {
            "...`"
        } else {
            "`"
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn others_text_is_cut_and_cleaned() {
        assert_eq!(shown("orders:read").to_string(), "`orders:read`");
        for secret in ["a chs_0123", "CHR_0123", "eyJhbGciOi"] {
            assert_eq!(shown(secret).to_string(), MASKED);
        }
        assert_eq!(shown("a\"b\\c\nä").to_string(), "`a?b?c??`");
        assert_eq!(
            shown(&"x".repeat(64)).to_string(),
            format!("`{}`", "x".repeat(64))
        );
        assert_eq!(
            shown(&"ä".repeat(65)).to_string(),
            format!("`{}...`", "?".repeat(64))
        );
    }

    proptest! {
        #[test]
        fn nothing_else_gets_through(text in "\\PC*|.*") {
            let text = shown(&text).to_string();
            prop_assert!(text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
            prop_assert!(text.len() <= MOST + 5);
        }
    }
}
