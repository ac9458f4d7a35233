//! What people type to find something: the beginning of a name, in any letter case.

use chancery_domain::Invalid;

/// The longest that anything found by its name can be, in characters.
const LONGEST: usize = 100;

/// The beginning of a name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(String);

impl Search {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`Invalid`] for nothing, and for more than a name can have.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let typed = typed.trim();
        if typed.is_empty() || typed.chars().count() > LONGEST || typed.contains(char::is_control) {
            return Err(Invalid::new(
                "search",
                format!(
                    "must be the beginning of a name: 1 to {LONGEST} characters that can be seen"
                ),
            ));
        }
        Ok(Self(folded(typed)))
    }

    /// The first text in the order of names that can match.
    pub(crate) fn begin(&self) -> &str {
        &self.0
    }

    /// The first text after all that match. Both stores compare names byte by byte, which for UTF-8
    /// is the order of the characters.
    pub(crate) fn end(&self) -> String {
        let mut text: Vec<char> = self.0.chars().collect();
        while let Some(last) = text.pop() {
            let next = match last {
                // The surrogates between are no characters.
                '\u{d7ff}' => Some('\u{e000}'),
                last => char::from_u32(u32::from(last) + 1),
            };
            if let Some(next) = next {
                text.push(next);
                return text.into_iter().collect();
            }
        }
        // Nothing is after the last character that there is but more of it.
        self.0.clone() + "\u{10ffff}"
    }

    /// Whether a folded name begins so.
    pub(crate) fn matches(&self, folded: &str) -> bool {
        folded.starts_with(&self.0)
    }
}

/// A name as it is searched for. Folded here and not by the stores, which disagree beyond ASCII; and
/// each character by itself, so that the beginning of a name folds to the beginning of its fold.
pub(crate) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_the_beginning_of_a_name_in_any_letter_case() {
        let search = Search::parse(" BÜRO ").unwrap();
        assert!(search.matches(&folded("Büro Süd")) && !search.matches(&folded("Buero")));
        assert!(Search::parse("ΟΔΟΣ").unwrap().matches(&folded("ΟΔΟΣΑ")));
        assert!(
            Search::parse("a\0b").is_err()
                && Search::parse("  ").is_err()
                && Search::parse(&"a".repeat(101)).is_err()
        );
    }

    #[test]
    fn what_matches_lies_between_begin_and_end() {
        for typed in ["a", "az", "ü", "a\u{d7ff}", "a\u{10ffff}", "\u{10ffff}"] {
            let search = Search::parse(typed).unwrap();
            let longer = format!("{typed}zzz");
            assert!(
                search.begin() <= &*longer && *longer < *search.end(),
                "{typed}"
            );
            assert!(search.end().as_bytes() > typed.as_bytes(), "{typed}");
        }
        assert_eq!(Search::parse("ab").unwrap().end(), "ac");
    }
}
