//! Why a configuration cannot be used. Each is one sentence that says what to do, and none repeats
//! a secret.

use std::io;
use std::path::PathBuf;

use chancery_crypto::MasterKeyError;

use super::activity::{DurabilityError, RetentionError};
use super::address::ListenError;
use super::database_url::DatabaseUrlError;
use super::failure_limit::FailureLimitError;
use super::ip_range::IpRangeError;
use super::keys::{self, KEYS, Key};
use super::log::{LogFormatError, LogLevelError};
use super::origin::Origin;
use super::public_url::PublicUrlError;
use super::telemetry::{OtlpEndpointError, SamplingError};

/// The configuration cannot be used. All of it is unusable input: exit status 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A key that does not exist.
    #[error("unknown key `{key}` ({origin}): {hint}")]
    UnknownKey {
        /// As a key of the file would be written.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What may have been meant.
        hint: String,
    },
    /// A value that cannot be read.
    #[error("`{key}` ({origin}): {problem}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The file could not be read.
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {}, line {line}, is not TOML: {problem}", path.display())]
    FileSyntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The parser's words, without the line itself.
        problem: String,
    },
    /// Two master keys.
    #[error("`master_key` ({inline}) and `master_key_file` ({file}) are both set; keep one")]
    TwoMasterKeys {
        /// Where the one came from.
        inline: Origin,
        /// Where the other came from.
        file: Origin,
    },
    /// One of two files.
    #[error("`{given}` is set and `{missing}` is not; TLS needs both")]
    HalfTls {
        /// The key that is set.
        given: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// PostgreSQL without a master key.
    #[error(
        "PostgreSQL needs a master key that every node shares: make one with \
         `openssl rand -base64 32`, and set CHANCERY_MASTER_KEY to it or master_key_file to a \
         file that holds it"
    )]
    NoMasterKey,
}

/// What is wrong with one value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("is empty; give it a value or remove it")]
    Empty,
    #[error("is not UTF-8")]
    NotUnicode,
    #[error("must be text, in quotes")]
    NotText,
    #[error("must be a list of texts, as in [\"10.0.0.0/8\"]")]
    NotList,
    #[error("must be true or false")]
    NotBoolean,
    #[error(transparent)]
    DatabasePassword(#[from] super::database_url::PasswordError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    PublicUrl(#[from] PublicUrlError),
    #[error(transparent)]
    Database(#[from] DatabaseUrlError),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Durability(#[from] DurabilityError),
    #[error(transparent)]
    Retention(#[from] RetentionError),
    #[error(transparent)]
    AddressFailures(#[from] FailureLimitError),
    #[error(transparent)]
    Range(#[from] IpRangeError),
    #[error(transparent)]
    OtlpEndpoint(#[from] OtlpEndpointError),
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    #[error(transparent)]
    LogFormat(#[from] LogFormatError),
    #[error(transparent)]
    LogLevel(#[from] LogLevelError),
}

impl ConfigError {
    pub(super) fn unknown_key(key: String, origin: Origin) -> Self {
        // Speak as the writer did: of variables in the environment, of keys elsewhere.
        let spell = |key: &Key| match origin {
            Origin::Environment { .. } => keys::variable(key.name),
            _ => key.name.to_owned(),
        };
        let hint = Key::nearest(&key).map_or_else(
            || {
                let known: Vec<_> = KEYS.iter().map(spell).collect();
                format!("there are {}", known.join(", "))
            },
            |key| format!("did you mean `{}`?", spell(key)),
        );
        Self::UnknownKey { key, origin, hint }
    }
}
