//! The master key: where it is kept, and its first making.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chancery_crypto::{Entropy, MasterKey, MasterKeyError, MasterKeyId};
use zeroize::Zeroizing;

use super::{
    Config, DatabaseUrl,
    generated_keys::{GeneratedKeys, NEXT_KEY_FILE},
    private_file,
};

/// The generated key's file in the data directory.
pub(super) const KEY_FILE: &str = "master.key";

/// More than any key file holds.
const LIMIT: u64 = 4096;

/// Where the master key is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MasterKeySource {
    /// In the configuration itself.
    Inline(InlineKey),
    /// In a file that its owner made.
    File(PathBuf),
    /// In `master.key` in this directory, made on the first start.
    GenerateIn(PathBuf),
}

/// A key as it was written, known to be readable. `Debug` does not show it.
#[derive(PartialEq, Eq)]
pub(crate) struct InlineKey(Zeroizing<String>);

/// The master keys of an installation.
#[derive(Debug)]
pub(crate) struct MasterKeys {
    /// The one that seals.
    pub(crate) current: MasterKey,
    /// The one that sealed before, while rows are re-sealed.
    pub(crate) previous: Option<MasterKey>,
}

/// There is no usable master key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySourceError {
    /// The configured text is not a key.
    #[error("`master_key`: {0}")]
    Inline(#[from] MasterKeyError),
    /// The file cannot be read.
    #[error("the master key file {} cannot be read: {error}; {}", path.display(), to_be_read(error))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds no key.
    #[error("the master key file {}: {error}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: MasterKeyError,
    },
    /// The file cannot be made.
    #[error("the master key file {} cannot be created: {error}; run this as the server's user, or as root", path.display())]
    Uncreatable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody can be kept from changing the keys meanwhile.
    #[error("{} cannot be locked, so nothing was changed: {error}; run this as the server's user, or as root, on a file system that has locks", path.display())]
    Unlockable {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Somebody else has changed the files.
    #[error("{} holds the master key {found} and not {expected}: somebody changed it meanwhile, so no key was replaced; run this again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The key that it holds.
        found: MasterKeyId,
        /// The key that it held.
        expected: MasterKeyId,
    },
    /// What nothing was ever sealed in.
    #[error("{} is no SQLite database: correct database_url, or move the file away to begin a new one", .0.display())]
    NoDatabase(PathBuf),
    /// A database without its key. A new one would not open it.
    #[error(
        "the database {} was sealed with a master key, and {} is gone: put that file back, or set \
         master_key or master_key_file to the key", database.display(), key_file.display()
    )]
    Lost {
        /// The database.
        database: PathBuf,
        /// Where the key should be.
        key_file: PathBuf,
    },
}

impl Config {
    /// Reads the master keys. The current one is made where there is none and the embedded database
    /// is not there either; [`super::data_dir::prepare`] comes before.
    pub(crate) fn master_keys(&self, entropy: &dyn Entropy) -> Result<MasterKeys, KeySourceError> {
        Ok(MasterKeys {
            current: self.master_key.open(&self.database, entropy)?,
            previous: self
                .master_key_previous_file
                .as_deref()
                .map(read)
                .transpose()?,
        })
    }
}

/// What to do about a key's file that cannot be read. A new key opens nothing that is there.
fn to_be_read(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give the file to this user, or run this as the server's user"
        }
        _ => {
            "give the path of the servers' own key; only where nothing was sealed yet make one, with `openssl rand -base64 32`"
        }
    }
}

/// The files in which a running process looks again for a master key that it does not have.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles(Vec<PathBuf>);

impl KeyFiles {
    /// The keys that they hold now. What cannot be read is passed over: the key is missing then, and
    /// whoever needs it says so.
    pub(crate) fn keys(&self) -> Vec<MasterKey> {
        self.0.iter().filter_map(|path| read(path).ok()).collect()
    }
}

impl Config {
    /// Where a process looks for a master key that it does not have.
    pub(crate) fn key_files(&self) -> KeyFiles {
        let own = match &self.master_key {
            MasterKeySource::Inline(_) => Vec::new(),
            MasterKeySource::File(path) => vec![path.clone()],
            MasterKeySource::GenerateIn(directory) => {
                vec![directory.join(KEY_FILE), directory.join(NEXT_KEY_FILE)]
            }
        };
        let previous = self.master_key_previous_file.clone();
        KeyFiles(own.into_iter().chain(previous).collect())
    }

    /// The generated key's files; none where the key is configured.
    pub(crate) fn generated_keys(&self) -> Option<GeneratedKeys> {
        match &self.master_key {
            MasterKeySource::GenerateIn(directory) => Some(GeneratedKeys::of(directory)),
            _ => None,
        }
    }
}

impl MasterKeySource {
    fn open(
        &self,
        database: &DatabaseUrl,
        entropy: &dyn Entropy,
    ) -> Result<MasterKey, KeySourceError> {
        match self {
            Self::Inline(key) => Ok(MasterKey::from_base64(&key.0)?),
            Self::File(path) => read(path),
            Self::GenerateIn(directory) => {
                read_or_generate(&directory.join(KEY_FILE), database, entropy)
            }
        }
    }
}

fn read_or_generate(
    path: &Path,
    database: &DatabaseUrl,
    entropy: &dyn Entropy,
) -> Result<MasterKey, KeySourceError> {
    // First the database, then the key: a process that starts beside this one makes them in the
    // other order, so a database that was seen has its key by now.
    let database = existing(database);
    match read(path) {
        Err(KeySourceError::Unreadable { error, .. })
            if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    if let Some(database) = database {
        if !is_sqlite(&database) {
            return Err(KeySourceError::NoDatabase(database));
        }
        return Err(KeySourceError::Lost {
            database,
            key_file: path.to_owned(),
        });
    }
    let key = MasterKey::generate(entropy);
    let text = Zeroizing::new(format!("{}\n", *key.to_base64()));
    match private_file::create(path, text.as_bytes()) {
        Ok(true) => Ok(key),
        // Another process was faster; its key is the installation's.
        Ok(false) => read(path),
        Err(error) => Err(KeySourceError::Uncreatable {
            path: path.to_owned(),
            error,
        }),
    }
}

pub(super) fn read(path: &Path) -> Result<MasterKey, KeySourceError> {
    let content = private_file::read(path, LIMIT)
        .map(Zeroizing::new)
        .map_err(|error| KeySourceError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
    std::str::from_utf8(&content)
        .map_err(|_| MasterKeyError::NotBase64)
        .and_then(MasterKey::from_base64)
        .map_err(|error| KeySourceError::NotAKey {
            path: path.to_owned(),
            error,
        })
}

/// The embedded database's file, if anything was ever written to it.
fn existing(database: &DatabaseUrl) -> Option<PathBuf> {
    match database {
        DatabaseUrl::Sqlite { path } => {
            let written = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
            written.then(|| path.clone())
        }
        DatabaseUrl::Postgres(_) => None,
    }
}

/// Whether the file begins as a database of SQLite does. What cannot be read is for whoever opens it to tell.
fn is_sqlite(path: &Path) -> bool {
    const HEADER: &[u8; 16] = b"SQLite format 3\0";
    let mut begin = [0; HEADER.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut begin)) {
        Ok(()) => begin == *HEADER,
        Err(error) => error.kind() != io::ErrorKind::UnexpectedEof,
    }
}

impl FromStr for InlineKey {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        MasterKey::from_base64(text)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InlineKey(***)")
    }
}
