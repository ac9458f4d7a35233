//! The one door for chance.

mod stock;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

pub use self::stock::Stock;

/// A source of random bytes. Everything that is made at random is made from one of these, so that
/// tests can repeat it; the exception is a signing key, whose generation the cryptographic library
/// keeps to itself.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice with random bytes. There is no error: a value is never made without
    /// chance, so an implementation that has none must not return.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// `N` random bytes.
    ///
    /// ```
    /// use chancery_crypto::{Entropy, SystemEntropy};
    /// let entropy: &dyn Entropy = &SystemEntropy::new();
    /// let id: [u8; 16] = entropy.bytes();
    /// ```
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The generator of the cryptographic library, which the operating system seeds.
///
/// # Panics
///
/// `fill` panics when the generator fails. The library itself stops the process when the operating
/// system gives no seed, so this is not expected to be seen; were it to happen, the request that
/// asked ends without an answer, which is the only honest end: no key, secret or nonce may be made
/// from a buffer of zeros.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// The system's generator.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Entropy for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "no value may be made without chance, and no caller could do better than stop"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .fill(bytes)
            .expect("the system's random number generator failed; nothing can be made safely");
    }
}

/// Chance that repeats itself: HMAC-SHA256 in counter mode. The same seed gives the same bytes to
/// the same sequence of calls. For tests only (feature `testing`): who knows the seed knows every
/// secret.
#[cfg(any(test, feature = "testing"))]
pub struct SeededEntropy {
    key: aws_lc_rs::hmac::Key,
    calls: std::sync::atomic::AtomicU64,
}

#[cfg(any(test, feature = "testing"))]
impl SeededEntropy {
    /// The sequence that belongs to this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            key: crate::mac::key(&seed.to_be_bytes()),
            calls: std::sync::atomic::AtomicU64::new(0),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Each call has a number of its own, so two threads never get the same bytes.
        let call = self
            .calls
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        for (block, chunk) in (0_u64..).zip(bytes.chunks_mut(crate::mac::MAC_LEN)) {
            let mac = crate::mac::sign(&self.key, &[&call.to_be_bytes(), &block.to_be_bytes()]);
            chunk.copy_from_slice(&mac[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(entropy: &dyn Entropy) -> [u8; 80] {
        entropy.bytes()
    }

    #[test]
    fn a_seed_repeats_itself_and_no_other() {
        let (first, again, other) = (
            SeededEntropy::new(7),
            SeededEntropy::new(7),
            SeededEntropy::new(8),
        );
        let bytes = drawn(&first);
        assert_eq!(bytes, drawn(&again));
        assert_ne!(bytes, drawn(&other));
        assert_ne!(
            bytes,
            drawn(&first),
            "the second call differs from the first"
        );
        assert_ne!(
            bytes[..32],
            bytes[32..64],
            "the second block from the first"
        );
    }

    #[test]
    fn the_system_fills_everything_and_never_repeats() {
        let system = SystemEntropy::new();
        assert_ne!(drawn(&system), drawn(&system));
        assert_ne!(drawn(&system)[64..], [0; 16]);
    }
}
