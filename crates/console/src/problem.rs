//! What is wrong with a form, to be shown in it.

use chancery_application::Error;
use chancery_domain::{Fault, Faults};

use crate::stop::{Stop, overtaken, sentence};

/// What is wrong with a form.
#[derive(Debug)]
pub(crate) struct Problem {
    /// In a sentence.
    pub(crate) text: String,
    /// What is wrong with its fields.
    pub(crate) faults: Vec<Fault>,
    /// Whether it is right in itself, and was made from what is not so any more.
    pub(crate) is_overtaken: bool,
}

impl Problem {
    /// What whoever sent the form can mend in it; anything else is a page of its own.
    pub(crate) fn of(error: Error) -> Result<Self, Stop> {
        let text = sentence(&error);
        match error {
            Error::Invalid(faults) => Ok(faults.into()),
            Error::Previewed { cause, .. } => Self::of(*cause),
            Error::Refused(_)
            | Error::Guarded { .. }
            | Error::Conflict
            | Error::CommandReused
            | Error::NotFound { .. }
            | Error::NoApi(_)
            | Error::Forbidden { .. } => Ok(Self {
                text,
                faults: Vec::new(),
                is_overtaken: false,
            }),
            Error::Changed { what, .. } => Ok(Self::overtaken(what)),
            error => Err(error.into()),
        }
    }

    /// Somebody was faster.
    pub(crate) fn overtaken(what: &str) -> Self {
        Self {
            text: overtaken(what),
            faults: Vec::new(),
            is_overtaken: true,
        }
    }

    /// What is wrong with the field of this name.
    pub(crate) fn at(&self, name: &str) -> Option<&str> {
        let found = self.faults.iter().find(|fault| fault.path == name);
        found.map(|fault| fault.invalid.message.as_str())
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let text = match faults.len() {
            1 => "One value cannot be used as it is.".to_owned(),
            count => format!("{count} values cannot be used as they are."),
        };
        Self {
            text,
            faults: faults.into_vec(),
            is_overtaken: false,
        }
    }
}
