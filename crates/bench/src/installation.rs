//! An installation of its own for a benchmark: a directory, a database, and the server on it, which can be
//! stopped and started again.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chancery_event_store::{
    StoreLocation,
    sqlx::{self, Connection as _, PgConnection},
};
use tempfile::TempDir;
use url::Url;

use crate::{
    error::Error,
    process::{Process, free_address},
};

/// A master key that belongs to benchmarks alone.
pub(crate) fn master_key() -> String {
    STANDARD.encode([7_u8; 32])
}

pub(crate) struct Installation {
    server: PathBuf,
    directory: TempDir,
    /// On PostgreSQL.
    database: Option<Url>,
    pub(crate) address: SocketAddr,
}

impl Installation {
    /// Nothing yet: the first start makes it. On PostgreSQL a database with this name is made beside the one
    /// that is given, in the place of an older one.
    pub(crate) fn new(server: &Path, postgres: Option<&str>, name: &str) -> Result<Self, Error> {
        let database = postgres.map(|url| make_database(url, name)).transpose()?;
        Ok(Self {
            server: server.to_owned(),
            directory: tempfile::tempdir().map_err(Error::io("make a directory"))?,
            database,
            address: free_address()?,
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn location(&self) -> StoreLocation {
        match &self.database {
            Some(url) => StoreLocation::Postgres(url.to_string()),
            None => StoreLocation::Sqlite(self.directory().join("chancery.db")),
        }
    }

    /// Starts the server and waits until it listens; `durability` is `before_response` or `async`.
    pub(crate) fn serve(&self, durability: &str) -> Result<Process, Error> {
        let mut command = self.command(&["serve", "--listen", &self.address.to_string()]);
        command.env("CHANCERY_ACTIVITY__DURABILITY", durability);
        Process::start(&mut command, self.address)
    }

    /// Compares every row with the roll: an error when one differs.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut command = self.command(&["projections", "check", "--json"]);
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("check the read models"))?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            Err(Error::Wrong(format!("the read models differ: {said}")))
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.server);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.directory())
            .current_dir(self.directory())
            .env("CHANCERY_MASTER_KEY", master_key())
            .env("CHANCERY_LOG__LEVEL", "warn");
        if let Some(url) = &self.database {
            command.env("CHANCERY_DATABASE_URL", url.as_str());
        }
        command
    }
}

/// A new database on the server of this URL.
fn make_database(url: &str, name: &str) -> Result<Url, Error> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::Wrong(format!("a database for this benchmark: {error}"))
    };
    let mut made = Url::parse(url).map_err(|error| wrong(&error))?;
    made.set_path(name);
    let work = async {
        let mut connection = PgConnection::connect(url).await?;
        for sql in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            sqlx::query(&sql).execute(&mut connection).await?;
        }
        connection.close().await
    };
    crate::runtime()?
        .block_on(work)
        .map_err(|error: sqlx::Error| wrong(&error))?;
    Ok(made)
}
