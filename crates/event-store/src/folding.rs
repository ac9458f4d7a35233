//! The write-ahead log of SQLite goes into its file.

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{error::StoreError, sqlite};

/// A connection that writes what the write-ahead log has into the file, and nothing else.
///
/// SQLite does it with the commit that finds the log long, and whoever comes meanwhile waits for some thousand pages
/// and the disk. What was done beside it before leaves the commit little.
pub struct Folding {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl Folding {
    pub(crate) fn new(options: &SqliteConnectOptions) -> Self {
        Self {
            options: options.clone().create_if_missing(false),
            connection: None,
        }
    }

    /// Writes what is in the log now, as far as nobody reads what was in the file before. Nobody waits for it.
    ///
    /// # Errors
    /// [`StoreError`]: it stays in the log, where it is as safe.
    pub async fn fold(&mut self) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options).await?,
        };
        sqlite::fold(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl std::fmt::Debug for Folding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Folding")
    }
}
