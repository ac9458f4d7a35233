use chancery_crypto::VerifierKey;
use chancery_domain::{TenantId, value::Slug};
use serde::{Deserialize, Serialize};

use crate::hash::Hash;

/// The format that this version writes and reads.
pub const FORMAT: &str = "chancery-roll/1";
/// What the formats of all versions begin with.
const FAMILY: &str = "chancery-roll/";

/// The first line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// Whose roll it is.
    pub tenant: TenantName,
    /// The origin of its checkpoints.
    pub origin: String,
    /// The verifier key of its checkpoints. It proves nothing by itself: whoever made the file chose it.
    #[serde(with = "as_text")]
    pub key: VerifierKey,
    /// The number of the first entry in the file.
    pub from: u64,
    /// The number of the last one, which was the head when the export began.
    pub to: u64,
    /// The roots of the complete subtrees that cover the entries before `from`, left to right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<Hash>,
    /// The signed checkpoint of size `to`.
    pub checkpoint: String,
}

/// A tenant, in the header of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantName {
    /// Its id.
    pub id: TenantId,
    /// Its name in URLs.
    pub slug: Slug,
}

/// Why the header of a file cannot be read: it is not an export, or not one for this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is nothing.
    #[error("the file is empty; an export begins with a line that says {FORMAT}")]
    Empty,
    /// The first line is not one of an export.
    #[error(
        "this is not an export of a roll: its first line should be a JSON object with \"format\":\"{FORMAT}\""
    )]
    NotAnExport,
    /// It is an export in another format.
    #[error(
        "this export has the format {0}, and this binary reads {FORMAT}; read it with the version of chancery that wrote it"
    )]
    OtherFormat(String),
    /// The first line is one of an export, but cannot be used.
    #[error("the header of the export cannot be read: {0}")]
    Unreadable(String),
}

impl Header {
    /// Reads the first line of a file, without its newline.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(line: &[u8]) -> Result<Self, HeaderError> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        if line.is_empty() {
            return Err(HeaderError::Empty);
        }
        let named = serde_json::from_slice(line);
        let Format { format } = named.map_err(|_| HeaderError::NotAnExport)?;
        if !format.starts_with(FAMILY) {
            return Err(HeaderError::NotAnExport);
        }
        if format != FORMAT {
            return Err(HeaderError::OtherFormat(format));
        }
        serde_json::from_slice(line).map_err(|error| HeaderError::Unreadable(error.to_string()))
    }

    /// What in a header that can be read cannot be true.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        if self.from == 0 || self.to < self.from || self.to > crate::tree::MAX_SIZE {
            return Some("`from` and `to` are not the numbers of a first and a last entry");
        }
        if self.prefix.len() != (self.from - 1).count_ones() as usize {
            return Some("`prefix` has not as many hashes as `from` needs");
        }
        None
    }

    /// The line, without a newline.
    ///
    /// # Errors
    /// Never for headers that can be made.
    pub(super) fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A value as its text.
pub(crate) mod as_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D, T>(from: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: Display>,
    {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}
