//! PostgreSQL's programs: where they are, which version, and how to get them on Debian.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian;
use crate::error::Error;
use crate::interrupts::Interrupts;

/// The oldest major version that Chancery supports.
const OLDEST: u32 = 14;

/// Debian and Ubuntu keep `<major>/bin` here, outside the search path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Debian's settings for the clusters that its packages create.
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// A directory with `initdb` and `postgres` of a supported version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    directory: PathBuf,
    version: String,
    major: u32,
}

impl Binaries {
    /// Looks on the search path, then in Debian's place. Root on Debian installs what is missing.
    pub(super) fn find_or_install(interrupts: &Interrupts) -> Result<Self, Error> {
        let find = || Self::find(&env::var_os("PATH").unwrap_or_default(), Path::new(DEBIAN));
        if let Some(found) = find() {
            return Ok(found);
        }
        if debian::can_install() {
            eprintln!("PostgreSQL is missing: installing Debian's package");
            install(interrupts)?;
            if let Some(found) = find() {
                return Ok(found);
            }
        }
        Err(Error::Unusable(format!(
            "the tests need PostgreSQL {OLDEST} or later: install it (Debian: `apt-get install \
             postgresql`) or put the directory with `initdb` and `postgres` on PATH"
        )))
    }

    fn find(search_path: &OsStr, debian: &Path) -> Option<Self> {
        let packaged = fs::read_dir(debian)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Self::in_directory(entry.path().join("bin")));
        choose(
            env::split_paths(search_path).filter_map(Self::in_directory),
            packaged,
        )
    }

    fn in_directory(directory: PathBuf) -> Option<Self> {
        if !directory.join("initdb").exists() {
            return None;
        }
        let output = Command::new(directory.join("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let (version, major) = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self {
            directory,
            version,
            major,
        })
    }

    /// The path of one program.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }

    /// As PostgreSQL says it: `15.14`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// `15`.
    pub(super) fn major(&self) -> u32 {
        self.major
    }
}

/// The first on the search path, else the newest of Debian's, that is new enough.
fn choose(
    on_path: impl Iterator<Item = Binaries>,
    packaged: impl Iterator<Item = Binaries>,
) -> Option<Binaries> {
    let mut on_path = on_path.filter(|binaries| binaries.major >= OLDEST);
    let packaged = packaged.filter(|binaries| binaries.major >= OLDEST);
    on_path
        .next()
        .or_else(|| packaged.max_by_key(|binaries| binaries.major))
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` as `15.14` and 15.
fn parse_version(said: &str) -> Option<(String, u32)> {
    let version = said
        .strip_prefix("postgres (PostgreSQL) ")?
        .split_whitespace()
        .next()?;
    let digits = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    Some((version.to_owned(), version[..digits].parse().ok()?))
}

/// Installs Debian's package, and lets it create no cluster of its own. That is settled by a file
/// of `postgresql-common`, which is therefore installed first.
fn install(interrupts: &Interrupts) -> Result<(), Error> {
    debian::update(interrupts)?;
    debian::install("postgresql-common", interrupts)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(CREATE_CLUSTER)
        .and_then(|mut file| file.write_all(b"create_main_cluster = false\n"))
        .map_err(Error::io(format!("write {CREATE_CLUSTER}")))?;
    debian::install("postgresql", interrupts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Option<Binaries> {
        let (version, major) = parse_version(&format!("postgres (PostgreSQL) {version}\n"))?;
        Some(Binaries {
            directory: PathBuf::from(&version),
            version,
            major,
        })
    }

    fn chosen(on_path: &[&str], packaged: &[&str]) -> Option<Binaries> {
        let all = |versions: &[&str]| versions.iter().copied().filter_map(of).collect::<Vec<_>>();
        choose(all(on_path).into_iter(), all(packaged).into_iter())
    }

    #[test]
    fn versions_are_read_as_they_are_printed() {
        assert_eq!(of("15.14 (Debian 15.14-0+deb12u1)"), of("15.14"));
        assert_eq!(of("19devel").map(|binaries| binaries.major), Some(19));
        assert_eq!(of("17beta1").map(|binaries| binaries.major), Some(17));
        assert_eq!(parse_version("not PostgreSQL"), None);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn the_search_path_comes_before_debians_place() {
        assert_eq!(chosen(&["14.2", "16.1"], &["17.1"]), of("14.2"));
    }

    #[test]
    fn of_debians_the_newest_by_number_is_taken() {
        assert_eq!(chosen(&[], &["9.6.24", "17.1", "15.3"]), of("17.1"));
    }

    #[test]
    fn old_versions_are_passed_over() {
        assert_eq!(chosen(&["13.9"], &["15.3"]), of("15.3"));
        assert_eq!(chosen(&["13.9"], &["9.6.24"]), None);
    }
}
