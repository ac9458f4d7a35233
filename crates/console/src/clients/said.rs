//! What the application says of credentials, for programs, in the words of these pages: a secret by how it ends, a moment
//! to the second, a form by its name.

use chancery_domain::{SecretId, Timestamp, secret_rotation::SecretRotation};

use crate::{show, stop::capitalised};

/// What the admin API calls something, and what it is called here.
const CALLED: &[(&str, &str)] = &[
    (
        "deferSecretRetirement gives it more time",
        "on the client's page it can be given more time",
    ),
    ("a later expiresAt", "a later end"),
];

/// The same text, to be read here.
pub(super) fn here(text: &str, secrets: &SecretRotation) -> String {
    let words: Vec<_> = text.split(' ').map(|word| one(word, secrets)).collect();
    let text = words.join(" ");
    let text = CALLED
        .iter()
        .fold(text, |text, (there, here)| text.replace(there, here));
    if text.starts_with('…') {
        sentence(text)
    } else {
        capitalised(&text)
    }
}

fn sentence(text: String) -> String {
    if text.ends_with('.') {
        text
    } else {
        text + "."
    }
}

fn one(word: &str, secrets: &SecretRotation) -> String {
    let bare = word.trim_end_matches([';', ',', ':']);
    let rest = &word[bare.len()..];
    let hint = bare.parse::<SecretId>().ok();
    let hint = hint.and_then(|id| secrets.secrets.get(&id));
    match (hint, bare.parse::<Timestamp>()) {
        (Some(secret), _) => format!("…{}{rest}", secret.hint),
        (None, Ok(at)) => format!("{} UTC{rest}", show::second(at)),
        (None, Err(_)) => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_are_told_is_told_in_words() {
        let secrets = SecretRotation::default();
        let said = |text: &str| here(text, &secrets);
        assert_eq!(
            said(
                "it retires at 2026-11-30T06:29:36.911487Z; deferSecretRetirement gives it more time"
            ),
            "It retires at 2026-11-30 06:29:36 UTC; on the client's page it can be given more time."
        );
        assert_eq!(said("was it; used 3 times"), "Was it; used 3 times.");
    }
}
