//! The master key: the one secret that an installation is configured with.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::mac;

const LEN: usize = 32;

/// Written with padding, read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// 32 bytes that seal every private key of the installation. `Debug` shows the id alone.
///
/// The bytes themselves seal nothing: the sealing key and the id are derived from them, each by
/// HMAC-SHA256 over a label of its own, so that neither says anything about the other.
pub struct MasterKey(Zeroizing<[u8; LEN]>);

/// Names a master key without revealing it: 16 hexadecimal digits. Stored beside whatever the key
/// has sealed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MasterKeyId(String);

/// The configured master key cannot be used. The text of it is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Nothing but white space.
    #[error(
        "the master key is empty; it must be 32 bytes in base64, as `openssl rand -base64 32` makes"
    )]
    Empty,
    /// Not base64 (RFC 4648, section 4).
    #[error(
        "the master key is not base64; it must be 32 bytes in standard base64, as \
         `openssl rand -base64 32` makes"
    )]
    NotBase64,
    /// Base64 of another number of bytes.
    #[error("the master key has {found} bytes and must have 32; check that it was copied whole")]
    WrongLength {
        /// How many bytes there were.
        found: usize,
    },
}

impl MasterKey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; LEN]);
        entropy.fill(key.as_mut_slice());
        Self(key)
    }

    /// The key as it stands in a configuration or a file: standard base64 with or without padding,
    /// white space around it allowed.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(MasterKeyError::Empty);
        }
        let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| MasterKeyError::NotBase64)?);
        let mut key = Zeroizing::new([0; LEN]);
        if bytes.len() != LEN {
            return Err(MasterKeyError::WrongLength { found: bytes.len() });
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    /// The text for the key file.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.0.as_slice()))
    }

    /// The key's name.
    pub fn id(&self) -> MasterKeyId {
        let mac = self.derive("chancery master key id 1");
        let mut name = [0; 8];
        name.copy_from_slice(&mac[..8]);
        MasterKeyId(format!("{:016x}", u64::from_be_bytes(name)))
    }

    /// The key that seals.
    pub(crate) fn sealing_key(&self) -> Zeroizing<[u8; mac::MAC_LEN]> {
        self.derive("chancery sealing key 1")
    }

    fn derive(&self, label: &str) -> Zeroizing<[u8; mac::MAC_LEN]> {
        let key = mac::key(self.0.as_slice());
        Zeroizing::new(mac::sign(&key, &[label.as_bytes()]))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl MasterKeyId {
    /// The sixteen digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn refused(text: &str) -> MasterKeyError {
        MasterKey::from_base64(text).unwrap_err()
    }

    #[test]
    fn survives_its_file() {
        let key = MasterKey::generate(&SeededEntropy::new(1));
        let text = key.to_base64();
        for written in [
            text.to_string(),
            format!("  {}\r\n", *text),
            text.trim_end_matches('=').to_owned(),
        ] {
            assert_eq!(MasterKey::from_base64(&written).unwrap().id(), key.id());
        }
    }

    #[test]
    fn says_what_is_wrong_with_it() {
        assert_eq!(refused(""), MasterKeyError::Empty);
        assert_eq!(refused(" \n"), MasterKeyError::Empty);
        assert_eq!(refused("not base64!"), MasterKeyError::NotBase64);
        assert_eq!(refused(&"é".repeat(22)), MasterKeyError::NotBase64);
        assert_eq!(
            refused("c2hvcnQ="),
            MasterKeyError::WrongLength { found: 5 }
        );
        assert_eq!(
            refused(&"A".repeat(44)),
            MasterKeyError::WrongLength { found: 33 }
        );
        // The last digit carries bits that belong to no byte.
        assert_eq!(
            refused(&ZEROS.replace("A=", "B=")),
            MasterKeyError::NotBase64
        );
    }

    // Computed by another program: the id is stored beside everything that was sealed.
    #[test]
    fn the_id_does_not_change() {
        let key = MasterKey::from_base64(ZEROS).unwrap();
        assert_eq!(key.id().as_str(), "0976958f28b8aa12");
    }

    #[test]
    fn the_id_and_the_sealing_key_have_nothing_in_common() {
        let key = MasterKey::from_base64(ZEROS).unwrap();
        assert_ne!(
            key.derive("chancery master key id 1")[..8],
            key.sealing_key()[..8]
        );
    }

    #[test]
    fn prints_its_id_alone() {
        let key = MasterKey::generate(&SeededEntropy::new(1));
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    }
}
