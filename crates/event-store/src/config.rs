use std::{fmt, path::PathBuf, time::Duration};

/// Which of the two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A PostgreSQL database.
    Postgres,
    /// An SQLite file.
    Sqlite,
}

/// Where the store is. `Debug` leaves the PostgreSQL URL out, since there may be a password in it.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A file, created when it is not there; its directory must exist.
    Sqlite(PathBuf),
    /// A `postgres://` URL of a database, which must exist.
    Postgres(String),
}

impl StoreLocation {
    /// Which store it is.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}

/// Where the store is, and how much of it one process takes.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Where the store is.
    pub location: StoreLocation,
    /// The most connections: all of them on PostgreSQL, the readers on SQLite, which has one writer.
    pub max_connections: u32,
    /// On SQLite another database, whose tables are read under the name `beside` within the same
    /// transactions. It must exist, and is not written.
    pub beside: Option<PathBuf>,
    /// How long a caller waits for a free connection before it is told that the store is unavailable.
    pub acquire_timeout: Duration,
}

impl StoreConfig {
    /// The store at this place, with 16 connections and 10 s of patience.
    pub fn new(location: StoreLocation) -> Self {
        Self {
            location,
            max_connections: 16,
            beside: None,
            acquire_timeout: Duration::from_secs(10),
        }
    }
}
