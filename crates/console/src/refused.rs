//! A form of a page that has several, which could not be done as it was sent: it is shown there once more, with
//! what was typed.

use std::sync::atomic::{AtomicBool, Ordering};

use chancery_application::Error;
use maud::{Markup, html};

use crate::{fields::Fields, form, problem::Problem, stop::Stop};

/// What was sent, and what is wrong with it.
pub(crate) struct Refused {
    /// The form's name on its page.
    form: String,
    fields: Fields,
    problem: Problem,
    /// Whether the form is on the page still.
    is_shown: AtomicBool,
}

impl Refused {
    /// A form that was refused for this. What its sender cannot mend in it is a page of its own.
    pub(crate) fn by(error: Error, form: impl Into<String>, fields: &Fields) -> Result<Self, Stop> {
        if let Error::Forbidden { .. } | Error::NotFound { .. } = error {
            return Err(error.into());
        }
        Ok(Self {
            form: form.into(),
            fields: fields.clone(),
            problem: Problem::of(error)?,
            is_shown: AtomicBool::new(false),
        })
    }

    /// What stands in the form of this name, and what is wrong with it, where that is the one.
    pub(crate) fn at(&self, form: &str) -> Option<(&Fields, &Problem)> {
        (self.form == form).then_some((&self.fields, &self.problem))
    }

    /// The form of this name is on the page.
    pub(crate) fn shown(&self, form: &str) {
        if self.form == form {
            self.is_shown.store(true, Ordering::Relaxed);
        }
    }

    /// What is wrong, when the page is made and nobody can send the form from it any more.
    pub(crate) fn elsewhere(&self) -> Markup {
        html! { @if !self.is_shown.load(Ordering::Relaxed) { (form::gone(&self.problem)) } }
    }
}
