//! A form of a client's page that could not be done as it was sent: it is shown there once more, with what
//! was typed.

use crate::{fields::Fields, problem::Problem};

/// The forms of a client's page that somebody types into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Grants,
    Rotate,
    Issue,
    Schedule,
}

/// What was sent, and what is wrong with it.
pub(super) struct Refused {
    which: Which,
    fields: Fields,
    problem: Problem,
}

impl Refused {
    pub(super) fn new(which: Which, fields: &Fields, problem: impl Into<Problem>) -> Self {
        Self {
            which,
            fields: fields.clone(),
            problem: problem.into(),
        }
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What stands in one of the forms: what was sent, or what it is opened with.
    pub(super) fn or<'a>(
        refused: Option<&'a Self>,
        which: Which,
        opened: &'a Fields,
    ) -> (&'a Fields, Option<&'a Problem>) {
        refused
            .filter(|refused| refused.which == which)
            .map_or((opened, None), |refused| {
                (&refused.fields, Some(&refused.problem))
            })
    }
}
