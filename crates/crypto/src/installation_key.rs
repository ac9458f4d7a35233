//! The installation's own key, under which secrets are marked as ours.

use std::fmt;

use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// 32 random bytes made when the installation is, and kept sealed under the master key. It is not
/// the master key, so that secrets outlive a change of master key.
pub struct InstallationKey(Zeroizing<[u8; 32]>);

/// An opened installation key has the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the installation key has {found} bytes and must have 32; restore it from a backup")]
pub struct InstallationKeyError {
    /// How many bytes there were.
    pub found: usize,
}

impl InstallationKey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(key.as_mut_slice());
        Self(key)
    }

    /// The key as it was opened by [`crate::Sealer::open`].
    pub fn from_opened(bytes: &[u8]) -> Result<Self, InstallationKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(InstallationKeyError { found: bytes.len() });
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// The bytes to seal with [`crate::Sealer::seal`]; they go nowhere else.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn survives_storage_and_refuses_other_lengths() {
        let key = InstallationKey::generate(&SeededEntropy::new(1));
        let again = InstallationKey::from_opened(key.as_bytes()).unwrap();
        assert_eq!(key.as_bytes(), again.as_bytes());
        assert_eq!(
            InstallationKey::from_opened(&[0; 31]).unwrap_err(),
            InstallationKeyError { found: 31 }
        );
        assert_eq!(format!("{key:?}"), "InstallationKey(…)");
    }
}
