use std::fmt;

use chancery_domain::{DecodeError, StreamId};
use cqrs_es::persist::PersistenceError;

use crate::{postgres, sqlite, unique::UniqueRule};

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or cannot work now: connection, time-out, lock, disk. Nothing is
    /// known to be wrong with the request; the same one may succeed later. After a failed commit it
    /// is not known whether it took place.
    #[error("the store is unavailable, try again later: {0}")]
    Unavailable(Cause),
    /// A unique rule would be broken.
    #[error("the store refuses a second {rule}")]
    Unique {
        /// Which rule.
        rule: UniqueRule,
    },
    /// An event that this binary cannot read. Whoever needs it stops here.
    #[error("{event} cannot be read: {cause}")]
    Poison {
        /// Which event.
        event: EventName,
        /// What is wrong with it.
        cause: DecodeError,
    },
    /// The store holds what was never written by Chancery.
    #[error("the store is damaged: {0}; restore it from a backup and verify the roll")]
    Corrupt(String),
    /// The store's schema is older than this binary.
    #[error("the store has schema {found} and this binary needs {needed}; run `chancery migrate`")]
    SchemaOlder {
        /// The store's schema; 0 when it is empty.
        found: i64,
        /// The schema of this binary.
        needed: i64,
    },
    /// The store's schema is newer than this binary.
    #[error("the store has schema {found} and this binary knows only {known}; use a newer binary")]
    SchemaNewer {
        /// The store's schema.
        found: i64,
        /// The schema of this binary.
        known: i64,
    },
    /// A migration was applied with another text than this binary has.
    #[error(
        "migration {version} ({name}) was applied with another text; use the binary that applied it"
    )]
    SchemaChanged {
        /// The migration's number.
        version: i64,
        /// The migration's name.
        name: String,
    },
    /// The store is of a kind or a version that Chancery does not work on.
    #[error("{0}")]
    Unsupported(String),
    /// A value was sealed under a master key that the installation has left. Nothing is written.
    #[error(
        "the installation is sealed under the master key {current} now, and this process still seals under {found}; send the request again, and configure the new key if that does not help"
    )]
    MasterKeyLeft {
        /// The key that it was sealed under.
        found: String,
        /// The key that the installation is sealed under.
        current: String,
    },
    /// The caller broke a rule of this crate: a defect. Nothing is written.
    #[error("a defect: {0}")]
    Misuse(String),
    /// Anything else that a database can say: a defect.
    #[error("the store failed: {0}")]
    Failed(Cause),
}

/// What the database said: its code, if it gave one, and its message. Its details are left out, since a database may
/// repeat the row there, and what it says of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The SQLSTATE, the extended SQLite code, or [`FOREIGN`].
    pub code: Option<String>,
    /// The message.
    pub message: String,
}

/// The code of a file of SQLite's that belongs to another user.
pub const FOREIGN: &str = "EACCES";

impl StoreError {
    /// Whether it waited for a lock for too long, or a statement took too long, which may be the same.
    pub fn has_waited(&self) -> bool {
        let Self::Unavailable(cause) = self else {
            return false;
        };
        // SQLSTATE: a lock that was not to be had, a statement that was cancelled.
        matches!(cause.code.as_deref(), Some("55P03" | "57014"))
    }
}

/// How many characters of a message are kept.
const MESSAGE: usize = 400;

impl Cause {
    /// That there was no answer for so long.
    pub(crate) fn late(after: std::time::Duration) -> Self {
        Self {
            code: None,
            message: format!("no answer within {} s", after.as_secs()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " (code {code})"),
            None => Ok(()),
        }
    }
}

/// Which event, by the stream that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// The kind of aggregate, as stored.
    pub aggregate_type: String,
    /// The aggregate's id, as stored.
    pub aggregate_id: String,
    /// The event's number in the stream.
    pub sequence: i64,
}

impl EventName {
    pub(crate) fn new(stream: StreamId, sequence: i64) -> Self {
        Self {
            aggregate_type: stream.aggregate_type().to_string(),
            aggregate_id: stream.aggregate_id(),
            sequence,
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "event {} of {}/{}",
            self.sequence, self.aggregate_type, self.aggregate_id
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let cause = |error: &dyn fmt::Display| Cause {
            code: None,
            message: said(None, &error.to_string()),
        };
        match &error {
            E::Database(fault) => of_database(fault.as_ref()),
            E::Io(_)
            | E::Tls(_)
            | E::Protocol(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => Self::Unavailable(cause(&error)),
            _ => Self::Failed(cause(&error)),
        }
    }
}

fn of_database(fault: &dyn sqlx::error::DatabaseError) -> StoreError {
    if let Some(rule) = UniqueRule::of(fault) {
        return StoreError::Unique { rule };
    }
    let code = fault.code().map(std::borrow::Cow::into_owned);
    let cause = Cause {
        code: code.clone(),
        message: said(code.as_deref(), fault.message()),
    };
    let code = code.as_deref().unwrap_or_default();
    let of_sqlite = fault
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some();
    let (unavailable, damaged) = if of_sqlite {
        (sqlite::is_unavailable(code), sqlite::is_damage(code))
    } else {
        (postgres::is_unavailable(code), postgres::is_damage(code))
    };
    if unavailable {
        StoreError::Unavailable(cause)
    } else if damaged {
        StoreError::Corrupt(cause.to_string())
    } else {
        StoreError::Failed(cause)
    }
}

/// What a database said, but for a value: PostgreSQL repeats one that cannot be what it should be (SQLSTATE class 22), in
/// some place of its message and whole.
fn said(code: Option<&str>, message: &str) -> String {
    if code.is_some_and(|code| code.len() == 5 && code.starts_with("22")) {
        return "a value is not what it should be".to_owned();
    }
    message.chars().take(MESSAGE).collect()
}

impl From<PersistenceError> for StoreError {
    fn from(error: PersistenceError) -> Self {
        match error {
            PersistenceError::ConnectionError(cause) | PersistenceError::UnknownError(cause) => {
                match cause.downcast::<sqlx::Error>() {
                    Ok(cause) => (*cause).into(),
                    Err(cause) => Self::Failed(Cause {
                        code: None,
                        message: said(None, &cause.to_string()),
                    }),
                }
            }
            other => Self::Failed(Cause {
                code: None,
                message: said(None, &other.to_string()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_the_database_repeats_is_not_told() {
        for (code, message) in [
            ("22P02", "invalid input syntax for type bigint: \"hunter2\""),
            ("22003", "value \"hunter2\" is out of range for type bigint"),
            (
                "22007",
                "ung\u{fc}ltige Eingabesyntax f\u{fc}r Typ date: \u{bb}hunter2\u{ab}",
            ),
        ] {
            let said = said(Some(code), message);
            assert_eq!(said, "a value is not what it should be");
        }
        // A name is told.
        let message = "function lower() does not exist";
        assert_eq!(said(Some("42883"), message), message);
        assert_eq!(said(None, message), message);
        let long = "\u{e9}".repeat(2 * MESSAGE);
        assert_eq!(said(Some("42883"), &long).chars().count(), MESSAGE);
    }
}
