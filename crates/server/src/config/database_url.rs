//! Where the database is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;
use zeroize::Zeroizing;

use super::private_file;

/// One of the two stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// A file of this machine.
    Sqlite {
        /// Relative to the working directory, or absolute.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres(PostgresUrl),
}

/// A connection URL, perhaps with a password, which `Debug` and `Display` leave out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl(Zeroizing<String>);

/// Neither of the two. The text is not repeated: there may be a password in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DatabaseUrlError {
    #[error(
        "must begin with sqlite:// or postgres://, as in sqlite:///var/lib/chancery/chancery.db or postgres://chancery@db.example.com/chancery"
    )]
    Scheme,
    #[error(
        "must name a file, as in sqlite:///var/lib/chancery/chancery.db, and take no parameters"
    )]
    SqlitePath,
    #[error("cannot be kept in memory; leave it out to keep it in the data directory")]
    Memory,
    #[error(
        "is not a PostgreSQL URL; write postgres://user:password@host:5432/database, with characters that mean something in a URL written as %40 and the like"
    )]
    Postgres,
}

impl DatabaseUrl {
    /// Where nothing is configured: the embedded database.
    pub(super) fn within(data_dir: &Path) -> Self {
        Self::Sqlite {
            path: data_dir.join("chancery.db"),
        }
    }
}

/// Why a file with a password cannot be used beside a URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    /// There is nothing that would ask for one.
    #[error("is for PostgreSQL, and database_url is a file; remove it")]
    NotPostgres,
    /// There are two.
    #[error("is set, and database_url has a password too; take it out of the URL")]
    Two,
}

/// Why a password cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordFileError {
    /// The file cannot be read.
    #[error("the file with the database's password, {}, cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It holds no password.
    #[error("the file with the database's password, {}, must hold one line of text", .0.display())]
    NoPassword(PathBuf),
}

/// How long a password may be, in bytes.
const MOST: u64 = 4_096;

impl DatabaseUrl {
    /// Whether a password from elsewhere belongs to it.
    pub(super) fn takes_password(&self) -> Result<(), PasswordError> {
        let Self::Postgres(url) = self else {
            return Err(PasswordError::NotPostgres);
        };
        // It was parsed when it was read.
        let has_one = Url::parse(&url.0).is_ok_and(|url| {
            url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
        });
        if has_one {
            return Err(PasswordError::Two);
        }
        Ok(())
    }
}

impl PostgresUrl {
    /// The whole URL with the password that stands in a file, for the one who connects. Never print it.
    pub(crate) fn with_password_of(
        &self,
        path: &Path,
    ) -> Result<Zeroizing<String>, PasswordFileError> {
        let content =
            private_file::read(path, MOST + 1).map_err(|error| PasswordFileError::Unreadable {
                path: path.to_owned(),
                error,
            })?;
        let content = Zeroizing::new(content);
        let wrong = || PasswordFileError::NoPassword(path.to_owned());
        let text = str::from_utf8(&content).map_err(|_| wrong())?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        let password = line.strip_suffix('\r').unwrap_or(line);
        if password.is_empty() || password.contains(['\n', '\0']) || text.len() as u64 > MOST {
            return Err(wrong());
        }
        let mut url = Url::parse(&self.0).map_err(|_| wrong())?;
        url.query_pairs_mut().append_pair("password", password);
        Ok(Zeroizing::new(url.into()))
    }

    /// The whole URL, for the one who connects. Never print it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            // The path is taken as it is written, so that every path can be.
            Some(("sqlite", ":memory:")) => Err(DatabaseUrlError::Memory),
            Some(("sqlite", path))
                if path.is_empty() || path.ends_with('/') || path.contains('?') =>
            {
                Err(DatabaseUrlError::SqlitePath)
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite { path: path.into() }),
            Some(("postgres" | "postgresql", _)) => match Url::parse(text) {
                Ok(url) if url.fragment().is_none() => {
                    Ok(Self::Postgres(PostgresUrl(Zeroizing::new(text.to_owned()))))
                }
                _ => Err(DatabaseUrlError::Postgres),
            },
            None if text == "sqlite::memory:" => Err(DatabaseUrlError::Memory),
            _ => Err(DatabaseUrlError::Scheme),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// User, host and database; a password is said to be there, and parameters are left out, since
/// they may hold another.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It was parsed when it was read.
        let Ok(url) = Url::parse(&self.0) else {
            return f.write_str("postgres://…");
        };
        f.write_str("postgres://")?;
        if !url.username().is_empty() || url.password().is_some() {
            f.write_str(url.username())?;
            f.write_str(if url.password().is_some() {
                ":***@"
            } else {
                "@"
            })?;
        }
        f.write_str(url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())?;
        f.write_str(if url.query().is_some() { "?…" } else { "" })
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
        text.parse()
    }

    #[test]
    fn a_file_is_relative_or_absolute_and_taken_as_written() {
        for (text, path) in [
            ("sqlite://chancery.db", "chancery.db"),
            ("sqlite://./data/chancery.db", "./data/chancery.db"),
            ("sqlite:///var/lib/chancery.db", "/var/lib/chancery.db"),
            ("sqlite:///tmp/a b%20c.db", "/tmp/a b%20c.db"),
        ] {
            assert_eq!(
                read(text).unwrap(),
                DatabaseUrl::Sqlite { path: path.into() }
            );
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, error) in [
            ("", DatabaseUrlError::Scheme),
            ("chancery.db", DatabaseUrlError::Scheme),
            ("sqlite:chancery.db", DatabaseUrlError::Scheme),
            ("mysql://db/chancery", DatabaseUrlError::Scheme),
            ("SQLITE://x", DatabaseUrlError::Scheme),
            ("sqlite://", DatabaseUrlError::SqlitePath),
            ("sqlite:///var/lib/", DatabaseUrlError::SqlitePath),
            ("sqlite://chancery.db?mode=ro", DatabaseUrlError::SqlitePath),
            ("sqlite://:memory:", DatabaseUrlError::Memory),
            ("sqlite::memory:", DatabaseUrlError::Memory),
            ("postgres://host:port/x", DatabaseUrlError::Postgres),
            ("postgres://u:p#w@host/x", DatabaseUrlError::Postgres),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for text in [
            "postgres://chancery:hunter2@db.example.com:5433/chancery?sslmode=require",
            "postgresql://chancery@db.example.com/chancery?password=hunter2",
            "postgres://:hunter2@db/chancery",
            "postgres:///chancery?host=/run/postgresql&password=hunter2",
        ] {
            let url = read(text).unwrap();
            assert!(
                !format!("{url} {url:?} {url:#?}").contains("hunter2"),
                "{url}"
            );
            let DatabaseUrl::Postgres(url) = url else {
                unreachable!()
            };
            assert_eq!(url.reveal(), text);
        }
        for text in [
            "postgre://u:hunter2@db/x",
            "postgres://u:hunter2@db:x/x",
            "postgres://u:hun#ter2@db/x",
        ] {
            let error = read(text).unwrap_err();
            assert!(!error.to_string().contains("hun"), "{error}");
        }
    }

    #[test]
    fn a_password_comes_from_a_file_and_from_one_place_only() {
        let takes = |text: &str| read(text).unwrap().takes_password();
        assert_eq!(takes("postgres://chancery@db/chancery"), Ok(()));
        assert_eq!(takes("sqlite://a.db"), Err(PasswordError::NotPostgres));
        for two in ["postgres://u:p@db/x", "postgres://u@db/x?password=p"] {
            assert_eq!(takes(two), Err(PasswordError::Two), "{two}");
        }

        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        let DatabaseUrl::Postgres(url) = read("postgres://u@db/x?sslmode=require").unwrap() else {
            unreachable!()
        };
        let with = |content: &[u8]| {
            std::fs::write(&file, content).unwrap();
            url.with_password_of(&file)
        };
        for (content, password) in [("a b&c=%#\n", "a b&c=%#"), ("x", "x"), (" y \r\n", " y ")] {
            let whole = with(content.as_bytes()).unwrap();
            let parsed = Url::parse(&whole).unwrap();
            let pairs: Vec<_> = parsed.query_pairs().collect();
            let expected = [("sslmode", "require"), ("password", password)];
            assert_eq!(
                pairs,
                expected.map(|(name, value)| (name.into(), value.into()))
            );
        }
        for wrong in [&b""[..], b"\n", b"a\nb", b"a\0", b"\xff", &[b'a'; 5_000]] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(error.contains("one line of text"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        let error = url.with_password_of(&file).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn what_is_printed_says_which_database() {
        let shown = |text: &str| read(text).unwrap().to_string();
        assert_eq!(
            shown("postgres://chancery:hunter2@db.example.com:5433/chancery?sslmode=require"),
            "postgres://chancery:***@db.example.com:5433/chancery?…"
        );
        assert_eq!(shown("postgres://db/chancery"), "postgres://db/chancery");
    }
}
