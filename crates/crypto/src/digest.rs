//! What a node remembers of a secret that it has verified.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::mac;

/// A key made when the process starts and lost when it ends. With it a node recognises a secret
/// that Argon2id has already accepted, at the price of one HMAC. Digests mean nothing to another
/// process, and a copy of this node's memory without this key gives no way to try secrets out.
pub struct DigestKey(hmac::Key);

/// The keyed digest of one secret. Equality takes the same time wherever two digests differ; there
/// is no `Hash` and no order, so a digest cannot become the key of a map, whose look-up would not.
#[derive(Clone)]
pub struct Digest([u8; mac::MAC_LEN]);

impl DigestKey {
    /// A new key for this process.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut_slice());
        Self(mac::key(bytes.as_slice()))
    }

    /// The digest of a secret as it was presented.
    pub fn digest(&self, presented: &str) -> Digest {
        Digest(mac::sign(&self.0, &[presented.as_bytes()]))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn recognises_the_secret_and_only_it() {
        let key = DigestKey::generate(&SeededEntropy::new(1));
        assert_eq!(key.digest("chs_one"), key.digest("chs_one"));
        assert_ne!(key.digest("chs_one"), key.digest("chs_onf"));
        assert_ne!(key.digest("chs_one"), key.digest(""));
    }

    #[test]
    fn means_nothing_to_another_process() {
        let (here, there) = (
            DigestKey::generate(&SeededEntropy::new(1)),
            DigestKey::generate(&SeededEntropy::new(2)),
        );
        assert_ne!(here.digest("chs_one"), there.digest("chs_one"));
    }

    #[test]
    fn prints_nothing() {
        let key = DigestKey::generate(&SeededEntropy::new(1));
        assert_eq!(
            format!("{key:?} {:?}", key.digest("a")),
            "DigestKey(…) Digest(…)"
        );
    }
}
