//! How a command ends when it does not succeed: one sentence, and a status that programs can read.

use std::{fmt::Display, process::ExitCode};

use chancery_application::{Error, OpenError};
use chancery_event_store::{FOREIGN, StoreError};

use crate::platform::StartError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    sentence: String,
    /// It stands in the log.
    is_logged: bool,
}

impl Failure {
    /// Unusable input: status 2.
    pub(crate) fn input(error: impl Display) -> Self {
        Self {
            status: 2,
            sentence: error.to_string(),
            is_logged: false,
        }
    }

    /// The answer is no: status 1.
    pub(crate) fn refused(error: impl Display) -> Self {
        Self {
            status: 1,
            sentence: error.to_string(),
            is_logged: false,
        }
    }

    /// The system is not reachable: status 3.
    pub(crate) fn system(error: impl Display) -> Self {
        Self {
            status: 3,
            sentence: error.to_string(),
            is_logged: false,
        }
    }

    /// What the store says: out of reach, or unusable as it is.
    pub(crate) fn store(error: &StoreError) -> Self {
        let StoreError::Unavailable(cause) = error else {
            return Self::input(error);
        };
        let message = &cause.message;
        match cause.code.as_deref() {
            // What is copied by root belongs to root; SQLite says that it cannot open a file, or may only read it.
            Some(FOREIGN | "14" | "8") => Self::input(format!(
                "{message}; run this as the server's user, or give it the data directory with all that is in it (chown -R)"
            )),
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
            StartError::Open(_) | StartError::LogLost(_) => Self::input(error),
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

    /// The same, said in the log, for a program that reads it there.
    pub(crate) fn logged(mut self) -> Self {
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("{}", self.sentence);
            self.is_logged = true;
        }
        self
    }

    /// Says it on standard error, unless it stands in the log, which is there too.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.is_logged {
            eprintln!("chancery: {}", self.sentence);
        }
        ExitCode::from(self.status)
    }
}

#[cfg(test)]
mod tests {
    use chancery_event_store::Cause;

    use super::*;

    fn unavailable(code: Option<&str>) -> Failure {
        Failure::store(&StoreError::Unavailable(Cause {
            code: code.map(ToOwned::to_owned),
            message: "a file: Permission denied (os error 13)".to_owned(),
        }))
    }

    #[test]
    fn what_belongs_to_another_user_is_not_tried_again() {
        let failure = unavailable(Some(FOREIGN));
        assert_eq!(failure.status, 2);
        assert!(failure.sentence.starts_with("a file: ") && failure.sentence.contains("chown"));
        // It may be a socket of PostgreSQL.
        assert_eq!(unavailable(None).status, 3);
    }
}
