//! One server for one SQLite database: limits are counted in it, and each would count for itself.

use std::fs::{File, TryLockError};

use chancery_event_store::files;

use crate::{
    config::{Config, DatabaseUrl, data_dir},
    exit::Failure,
};

/// A lock that holds as long as this is kept, and no longer than the process lives. On PostgreSQL there is none: it is
/// for several servers.
pub(crate) fn alone(config: &Config) -> Result<Option<File>, Failure> {
    let DatabaseUrl::Sqlite { path } = &config.database else {
        return Ok(None);
    };
    data_dir::prepare(&config.data_dir).map_err(Failure::input)?;
    let mut lock = path.as_os_str().to_owned();
    lock.push(".served");
    let locked = match files::open_or_make(lock.as_ref()) {
        Ok(file) => file.try_lock().map(|()| file),
        Err(error) => Err(TryLockError::Error(error)),
    };
    match locked {
        Ok(file) => Ok(Some(file)),
        // It passes when the other one stops, so whoever starts this one tries again.
        Err(TryLockError::WouldBlock) => Err(Failure::system(format!(
            "another server serves {}, and SQLite is for one; stop that one first, or use PostgreSQL",
            path.display()
        ))),
        // What cannot be made here cannot be opened either, and then it is said why.
        Err(TryLockError::Error(error)) => {
            let path = lock.display();
            tracing::warn!(%error, %path, "it cannot be seen whether another server serves the same database");
            Ok(None)
        }
    }
}
