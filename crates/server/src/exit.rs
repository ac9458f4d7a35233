//! How a command ends when it does not succeed: one sentence, and a status that programs can read.

use std::{fmt::Display, process::ExitCode};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    sentence: String,
}

impl Failure {
    /// Unusable input: status 2.
    pub(crate) fn input(error: impl Display) -> Self {
        Self { status: 2, sentence: error.to_string() }
    }

    /// The system is not reachable: status 3.
    pub(crate) fn system(error: impl Display) -> Self {
        Self { status: 3, sentence: error.to_string() }
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("chancery: {}", self.sentence);
        ExitCode::from(self.status)
    }
}
