//! How a command ends when it does not succeed: one sentence, and a status that programs can read.

use std::{fmt::Display, process::ExitCode};

use chancery_application::{Error, OpenError};
use chancery_event_store::StoreError;

use crate::platform::StartError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    sentence: String,
}

impl Failure {
    /// Unusable input: status 2.
    pub(crate) fn input(error: impl Display) -> Self {
        Self {
            status: 2,
            sentence: error.to_string(),
        }
    }

    /// The answer is no: status 1.
    pub(crate) fn refused(error: impl Display) -> Self {
        Self {
            status: 1,
            sentence: error.to_string(),
        }
    }

    /// The system is not reachable: status 3.
    pub(crate) fn system(error: impl Display) -> Self {
        Self {
            status: 3,
            sentence: error.to_string(),
        }
    }

    /// What the store says: out of reach, or unusable as it is.
    pub(crate) fn store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::system(error),
            error => Self::input(error),
        }
    }

    /// Why the server cannot start.
    pub(crate) fn start(error: &StartError) -> Self {
        match error {
            StartError::Open(OpenError::Store(store)) => Self::store(store),
            StartError::Open(_) => Self::input(error),
            StartError::Install(_) => Self::system(error),
        }
    }

    /// What the application says.
    pub(crate) fn application(error: &Error) -> Self {
        match error {
            Error::Unavailable(_) | Error::Internal(_) => Self::system(error),
            error => Self::input(error),
        }
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("chancery: {}", self.sentence);
        ExitCode::from(self.status)
    }
}
