//! The hashes of the tree (RFC 6962, section 2.1).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash of the tree. As text, base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Self::LEN]);

/// A text or bytes that are no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 hash: it should be 32 bytes, or their 44 characters of base64")]
pub struct InvalidHash;

impl Hash {
    /// How many bytes it has.
    pub const LEN: usize = 32;

    /// The root of a tree without a leaf.
    pub fn empty() -> Self {
        Self(Sha256::new().finalize().into())
    }

    /// The leaf of an entry: the hash of 0x00 and its line, without the newline.
    pub fn leaf(line: &[u8]) -> Self {
        Self(
            Sha256::new_with_prefix([0])
                .chain_update(line)
                .finalize()
                .into(),
        )
    }

    /// The node above two others: the hash of 0x01 and both.
    pub fn node(left: Self, right: Self) -> Self {
        let hasher = Sha256::new_with_prefix([1]);
        Self(
            hasher
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        )
    }

    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidHash)?;
        bytes.try_into().map(Self).map_err(|_| InvalidHash)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        // RFC 6962, section 2.1: MTH({}) = SHA-256().
        assert_eq!(
            Hash::empty().to_string(),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn a_leaf_is_no_node() {
        let (a, b) = (Hash::leaf(b"a"), Hash::leaf(b"b"));
        let both = [a.0, b.0].concat();
        assert_ne!(Hash::node(a, b), Hash::leaf(&both));
        assert_ne!(Hash::node(a, b), Hash::node(b, a));
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = Hash::leaf(b"a");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let text = hash.to_string();
        for wrong in [
            "",
            &text[..43],
            &text[4..],
            &format!("{text}\n"),
            &text.replace('=', ""),
        ] {
            assert_eq!(wrong.parse::<Hash>(), Err(InvalidHash), "{wrong}");
        }
    }
}
