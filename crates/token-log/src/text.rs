//! What strangers write, made fit to be kept.

use std::borrow::Cow;

use chancery_crypto::could_be_secret;

/// The most characters of a client's id as it was sent.
const CLIENT: usize = 64;
/// The most characters of a user agent.
const USER_AGENT: usize = 200;

/// What stands in the place of something that could be a secret.
const MASKED: &str = "(masked)";

pub(crate) fn client(text: Cow<'_, str>) -> Cow<'_, str> {
    fit(text, CLIENT)
}

/// What a program says of itself, fit to be kept: cut, without control characters, and masked where it could be
/// a secret.
pub fn user_agent(text: Cow<'_, str>) -> Cow<'_, str> {
    fit(text, USER_AGENT)
}

fn fit(text: Cow<'_, str>, most: usize) -> Cow<'_, str> {
    if could_be_secret(&text) {
        return MASKED.into();
    }
    // One byte for each character, and nothing to replace: nearly always so.
    if text.len() <= most && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text;
    }
    text.chars()
        .take(most)
        .map(|c| if is_seen(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Whether a character is no more than what it looks like: some are not seen, and some turn the text around them.
fn is_seen(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_is_kept() {
        let id = "client_01kabc";
        assert_eq!(client(id.into()), id);
        assert_eq!(user_agent("curl/8.1".into()), "curl/8.1");
        assert_eq!(client("größe".into()), "größe");
        let unlucky = "client_01k9eyjrp6e0fv6mz5f3c2chsr";
        assert_eq!(client(unlucky.into()), unlucky);
    }

    #[test]
    fn what_could_be_a_secret_is_masked_wherever_it_stands() {
        for text in [
            "chs_abc",
            "CHS_abc",
            "x chr_abc",
            "eyJhbGciOi",
            "Bearer eyJh",
        ] {
            assert_eq!(client(text.into()), MASKED, "{text}");
            assert_eq!(user_agent(text.into()), MASKED, "{text}");
        }
        // Also past the place where the text would be cut.
        let late = format!("{}chs_abc", "x".repeat(100));
        assert_eq!(client(late.into()), MASKED);
    }

    #[test]
    fn a_long_text_is_cut_by_characters_and_control_characters_are_replaced() {
        assert_eq!(client("ü".repeat(100).into()), "ü".repeat(64));
        assert_eq!(user_agent("a".repeat(300).into()), "a".repeat(200));
        assert_eq!(client("a\0b\n".into()), "a\u{fffd}b\u{fffd}");
        let turned = user_agent("\u{202e}live\u{202c}\u{200b}".into());
        assert_eq!(turned, "\u{fffd}live\u{fffd}\u{fffd}");
    }
}
