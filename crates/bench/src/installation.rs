//! An installation of its own for a benchmark: a directory, a database, and the server on it, which can be
//! stopped and started again.

use std::{
    fs::{File, read_dir},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
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
    process::{self, Process, free_address},
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
        self.serve_with(durability, &[])
    }

    /// The same with these variables.
    pub(crate) fn serve_with(
        &self,
        durability: &str,
        variables: &[(&str, &str)],
    ) -> Result<Process, Error> {
        let mut command = self.command(&["serve", "--listen", &self.address.to_string()]);
        command
            .env("CHANCERY_ACTIVITY__DURABILITY", durability)
            .envs(variables.iter().copied());
        Process::start(&mut command, self.address)
    }

    /// Compares every row with the roll: an error when one differs. Gives how long it took, and its greatest
    /// resident memory in MiB.
    pub(crate) fn check(&self) -> Result<(Duration, f64), Error> {
        let ended = process::run(&mut self.command(&["projections", "check", "--json"]))?;
        if ended.output.status.success() {
            return Ok((ended.took, ended.peak_mib));
        }
        let said = String::from_utf8_lossy(&ended.output.stdout);
        let said: String = said.chars().take(2_000).collect();
        Err(Error::Wrong(format!("the read models differ: {said}")))
    }

    /// Has the database do now what it would else do beside what is measured: all pages written, all tables
    /// vacuumed.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        match self.location() {
            StoreLocation::Postgres(url) => run_sql(
                &url,
                &["VACUUM ANALYZE".to_owned(), "CHECKPOINT".to_owned()],
            ),
            StoreLocation::Sqlite(_) => {
                sync(self.directory()).map_err(Error::io("write the database"))
            }
        }
    }

    /// Leaves nothing behind: the directory goes by itself, a database does not.
    pub(crate) fn remove(self) -> Result<(), Error> {
        let Some(database) = &self.database else {
            return Ok(());
        };
        let name = database.path().trim_start_matches('/');
        let mut beside = database.clone();
        beside.set_path("postgres");
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        run_sql(beside.as_str(), &[drop])
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

/// Has every file of a directory written to the disk.
fn sync(directory: &Path) -> std::io::Result<()> {
    for entry in read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

/// A new database on the server of this URL.
fn make_database(url: &str, name: &str) -> Result<Url, Error> {
    let mut made = Url::parse(url).map_err(Error::wrong)?;
    made.set_path(name);
    run_sql(
        url,
        &[
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ],
    )?;
    Ok(made)
}

/// Statements on a connection of their own.
fn run_sql(url: &str, statements: &[String]) -> Result<(), Error> {
    let work = async {
        let mut connection = PgConnection::connect(url).await?;
        for sql in statements {
            sqlx::query(sql).execute(&mut connection).await?;
        }
        connection.close().await
    };
    let done: Result<(), sqlx::Error> = crate::runtime()?.block_on(work);
    done.map_err(|error| Error::Wrong(format!("the database of this benchmark: {error}")))
}
