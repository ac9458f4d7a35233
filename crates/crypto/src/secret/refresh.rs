//! Refresh tokens: of the same make as client secrets, and never taken for one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{ID_LEN, NotOurs, SecretIssuer};
use crate::{entropy::Entropy, hash::sha256};

/// What every refresh token matches: the regular expression for secret scanners.
pub const REFRESH_PATTERN: &str = "chr_(?:[0-7][0-9A-Za-z]{21}){4}";

pub(super) const PREFIX: &str = "chr_";
/// What the tag covers before the rest.
const KIND: &[u8] = b"refresh-token";

/// A refresh token in the clear, between its making and the one answer that hands it out. It is
/// wiped when it is dropped, and `Debug` shows nothing of it.
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// The plaintext, for the one answer that hands it out.
    pub fn reveal(mut self) -> String {
        std::mem::take(&mut *self.0)
    }

    /// What is stored of it: see [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("chr_…")
    }
}

/// What is stored of a refresh token: its SHA-256 in base64url. It has 256 random bits, so nothing
/// dearer would make it harder to guess.
pub fn fingerprint(presented: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(presented.as_bytes()))
}

impl SecretIssuer {
    /// A new refresh token for a client. The id of its family travels inside, in the clear.
    pub fn mint_refresh(
        &self,
        client_id: &str,
        family: [u8; ID_LEN],
        entropy: &dyn Entropy,
    ) -> RefreshToken {
        RefreshToken(self.marked(PREFIX, Some(KIND), client_id, family, entropy))
    }

    /// The family of the presented refresh token, when it was minted for this client by this
    /// installation. Whether it is the family's latest is another question.
    ///
    /// # Errors
    /// [`NotOurs`], at the same cost whatever is wrong.
    pub fn check_refresh(&self, client_id: &str, presented: &str) -> Result<[u8; ID_LEN], NotOurs> {
        self.recognised(PREFIX, Some(KIND), client_id, presented)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InstallationKey, SeededEntropy, SystemEntropy};

    const CLIENT: &str = "client_01jd0000000000000000000000";

    fn issuer(seed: u64) -> SecretIssuer {
        SecretIssuer::new(&InstallationKey::generate(&SeededEntropy::new(seed)))
    }

    fn minted() -> String {
        issuer(1)
            .mint_refresh(CLIENT, [9; 16], &SystemEntropy::new())
            .reveal()
    }

    #[test]
    fn what_was_minted_names_its_family_to_its_own_client_and_installation_alone() {
        let token = minted();
        assert_eq!(issuer(1).check_refresh(CLIENT, &token), Ok([9; 16]));
        assert_eq!(issuer(2).check_refresh(CLIENT, &token), Err(NotOurs));
        let other = "client_01jd0000000000000000000001";
        assert_eq!(issuer(1).check_refresh(other, &token), Err(NotOurs));
        let changed = format!(
            "{}{}",
            &token[..91],
            if token.ends_with('a') { 'b' } else { 'a' }
        );
        assert_eq!(issuer(1).check_refresh(CLIENT, &changed), Err(NotOurs));
    }

    #[test]
    fn a_refresh_token_is_never_a_secret_nor_a_secret_a_refresh_token() {
        let issuer = issuer(1);
        let token = minted();
        let secret = issuer.mint(CLIENT, [9; 16], &SystemEntropy::new()).reveal();
        for presented in [token.clone(), token.replace("chr_", "chs_")] {
            assert_eq!(issuer.check(CLIENT, &presented), Err(NotOurs));
        }
        for presented in [secret.clone(), secret.replace("chs_", "chr_")] {
            assert_eq!(issuer.check_refresh(CLIENT, &presented), Err(NotOurs));
        }
    }

    #[test]
    fn two_of_one_family_differ_and_so_do_their_fingerprints() {
        let (one, other) = (minted(), minted());
        assert_ne!(one, other);
        assert_ne!(fingerprint(&one), fingerprint(&other));
        assert_eq!(fingerprint(&one).len(), 43);
        assert!(!one.contains(&fingerprint(&one)));
    }

    #[test]
    fn the_readme_publishes_the_pattern() {
        assert!(include_str!("../../README.md").contains(REFRESH_PATTERN));
    }
}
