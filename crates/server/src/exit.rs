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
        let StoreError::Unavailable(cause) = error else {
            return Self::input(error);
        };
        let message = &cause.message;
        match cause.code.as_deref() {
            // Both may pass: a password is rotated, a database is restored. So whoever starts it tries again.
            Some("3D000") => Self::system(format!(
                "PostgreSQL says: {message}; create it (createdb), or name another in database_url"
            )),
            Some("28000" | "28P01") => Self::system(format!(
                "PostgreSQL says: {message}; check user and password in database_url, or create the user (createuser)"
            )),
            _ => Self::system(format!(
                "the database cannot be reached: {cause}; check that it runs, and its address in database_url"
            )),
        }
    }

    /// Why the server cannot start.
    pub(crate) fn start(error: &StartError) -> Self {
        match error {
            StartError::Open(OpenError::Store(store)) | StartError::TokenLog(store) => {
                Self::store(store)
            }
            StartError::Open(_) => Self::input(error),
            StartError::Install(_) => Self::system(error),
        }
    }

    /// What the application says.
    pub(crate) fn application(error: &Error) -> Self {
        match error {
            // There is no trace at a prompt to look up: what lies behind it is said here.
            Error::Unavailable(cause) | Error::Internal(cause) => Self::system(cause),
            error => Self::input(error),
        }
    }

    /// What is said.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("chancery: {}", self.sentence);
        ExitCode::from(self.status)
    }
}
