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
    if fields.get("confirm") == Some(word) {
        return Ok(());
    }
    let message = format!("must be `{word}`, typed out, since this cannot be undone");
    Err(Invalid::new("confirm", message))
}
