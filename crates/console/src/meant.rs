//! Why something is done, and that it is meant.

use chancery_application::Error;
use chancery_domain::{Faults, Invalid, value::Reason};

use crate::fields::Fields;

/// The reason that a form gives.
pub(crate) fn reason(fields: &Fields) -> Result<Reason, Error> {
    let mut faults = Faults::default();
    let reason = given(fields, &mut faults);
    faults.finish(reason).map_err(Error::Invalid)
}

/// The reason for what cannot be undone, which is typed out, too.
pub(crate) fn reason_for_good(fields: &Fields, word: &str) -> Result<Reason, Error> {
    let mut faults = Faults::default();
    let reason = given(fields, &mut faults);
    let typed = faults.take("confirm", typed_out(fields, word));
    let both = reason.zip(typed).map(|(reason, ())| reason);
    faults.finish(both).map_err(Error::Invalid)
}

/// What cannot be undone is typed out.
pub(crate) fn for_good(fields: &Fields, word: &str) -> Result<(), Error> {
    let mut faults = Faults::default();
    let typed = faults.take("confirm", typed_out(fields, word));
    faults.finish(typed).map_err(Error::Invalid)
}

fn given(fields: &Fields, faults: &mut Faults) -> Option<Reason> {
    let text = fields.get("reason").unwrap_or_default();
    faults.take("reason", Reason::parse(text))
}

fn typed_out(fields: &Fields, word: &str) -> Result<(), Invalid> {
    let typed = fields.get("confirm").map(as_seen);
    if typed == Some(as_seen(word)) {
        return Ok(());
    }
    let message = format!("must be `{word}`, typed out, since this cannot be undone");
    Err(Invalid::new("confirm", message))
}

/// A text without what nobody sees and so nobody can type: a page shows white space as one space, however much of it
/// there is, and some characters as nothing.
fn as_seen(text: &str) -> String {
    let is_seen = |character: &char| !matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let seen: String = text.chars().filter(is_seen).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_need_not_be_typed() {
        let typed = |text: &str, word: &str| {
            typed_out(&Fields::default().with("confirm", text), word).is_ok()
        };
        assert!(typed("Nightly billing", "Nightly  \u{a0}bil\u{200b}ling"));
        assert!(typed(" acme ", "acme"));
        for wrong in ["", "acm", "Acme", "a cme", "acme2"] {
            assert!(!typed(wrong, "acme"), "{wrong}");
        }
        assert!(typed_out(&Fields::default(), "acme").is_err());
    }
}
