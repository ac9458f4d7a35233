//! What records are asked for by one word: kinds that are counted together are listed together, so that each number
//! can be checked by its link.

use chancery_application::ActivityKind as Kind;
use chancery_domain::Invalid;

/// Several kinds under one word, and what they are to people.
const GROUPS: &[(&str, &str, &[Kind])] = &[
    (
        "requests",
        "requests for tokens",
        &[
            Kind::TokenIssued,
            Kind::TokenRefreshed,
            Kind::TokenDenied,
            Kind::RefreshReused,
        ],
    ),
    (
        "denied",
        "requests that were denied",
        &[Kind::TokenDenied, Kind::RefreshReused],
    ),
    (
        "tokens",
        "tokens that left",
        &[Kind::TokenIssued, Kind::TokenRefreshed],
    ),
    (
        "console",
        "signing in and out here",
        &[
            Kind::ConsoleLinkMade,
            Kind::ConsoleSignedIn,
            Kind::ConsoleSignedOut,
        ],
    ),
    (
        "reading",
        "reading the roll and this",
        &[Kind::RollRead, Kind::ActivityRead],
    ),
];

/// The kinds that a word asks for.
pub(super) fn asked(word: &str) -> Result<Vec<Kind>, Invalid> {
    if let Some((.., kinds)) = GROUPS.iter().find(|(name, ..)| *name == word) {
        return Ok(kinds.to_vec());
    }
    word.parse().map(|kind| vec![kind]).map_err(|_| {
        let groups = GROUPS.iter().map(|(name, ..)| *name);
        let words: Vec<_> = groups.chain(Kind::ALL.map(Kind::as_str)).collect();
        Invalid::new("one_of", format!("must be one of {}", words.join(", ")))
    })
}

/// Every word, and what it is to people.
pub(super) fn words() -> impl Iterator<Item = (&'static str, String)> {
    let groups = GROUPS
        .iter()
        .map(|(name, says, _)| (*name, (*says).to_owned()));
    let kinds = Kind::ALL.into_iter();
    groups.chain(kinds.map(|kind| (kind.as_str(), kind.as_str().replace('_', " "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_offered_is_understood_and_no_other() {
        for (word, _) in words() {
            assert!(!asked(word).unwrap().is_empty(), "{word}");
        }
        assert!(asked("").is_err() && asked("token").is_err());
    }
}
