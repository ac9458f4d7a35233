//! Verifiers: what is stored of a secret, and the bounded pool that makes and matches them.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use chancery_telemetry::{Counter, Family, Histogram};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::secret::ClientSecret;

/// The cost of Argon2id (RFC 9106).
///
/// The default is 8 MiB, one pass, one lane: a few milliseconds. The recommendations for passwords
/// do not apply, because a secret has 256 random bits and no dictionary holds it; what the hash must
/// give is that a stolen verifier cannot be turned back, and cheap hashes keep token traffic alive
/// when a node starts cold. The parameters travel with every hash, so a change of configuration
/// holds for new secrets and leaves the old ones good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashParameters(Params);

/// The costs cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the costs of Argon2id are out of range: {memory_kib} KiB, {iterations} iterations, {lanes} \
     lanes; give at least one iteration, one lane, and 8 KiB for each lane"
)]
pub struct HashParametersError {
    /// Memory in KiB, as given.
    pub memory_kib: u32,
    /// Passes over the memory, as given.
    pub iterations: u32,
    /// Lanes, as given.
    pub lanes: u32,
}

impl HashParameters {
    /// `memory_kib` is at least 8 for each lane; `iterations` and `lanes` are at least 1.
    pub fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, HashParametersError> {
        Params::new(memory_kib, iterations, lanes, None)
            .map(Self)
            .map_err(|_| HashParametersError {
                memory_kib,
                iterations,
                lanes,
            })
    }
}

impl Default for HashParameters {
    #[expect(
        clippy::expect_used,
        reason = "the constants are in range, as the tests show"
    )]
    fn default() -> Self {
        Self::new(8 * 1024, 1, 1).expect("the defaults are in range")
    }
}

/// An Argon2id hash as a PHC string: algorithm, costs, salt and output. It is kept in the vault and
/// nowhere else; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(Box<str>);

impl Verifier {
    /// A verifier as it was stored. Whether it can be read shows when it is used.
    pub fn from_stored(phc: String) -> Self {
        Self(phc.into())
    }

    /// The PHC string, to be stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// A secret could not be hashed or matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// All threads work and the queue is full: answer 503 and let the client come again.
    #[error("too many secrets are waiting to be verified; try again shortly")]
    Busy,
    /// The stored verifier is not an Argon2id hash that this version reads.
    #[error("the stored verifier of this secret cannot be read; rotate the secret")]
    UnreadableVerifier,
    /// The work could not be done: no memory, or the process is stopping.
    #[error("the secret could not be hashed: out of memory, or the process is stopping")]
    Failed,
}

/// Makes and matches verifiers on a bounded number of threads.
///
/// At most `threads` hashes run at a time and at most `waiting` more wait, in order; what comes
/// beyond is refused at once. A place belongs to the work and not to the caller: a request that
/// goes away leaves its hash running in its place, so dropped requests cannot pile work up.
#[derive(Debug, Clone)]
pub struct SecretHasher {
    parameters: HashParameters,
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    /// How many places and how many threads there are.
    size: (usize, usize),
    counted: Arc<Counted>,
}

/// What the pool counts.
#[derive(Debug)]
struct Counted {
    waits: Histogram,
    hashes: Histogram,
    refused: Counter,
}

impl SecretHasher {
    /// A hasher with room for `threads` hashes at work and `waiting` more behind them.
    pub fn new(parameters: HashParameters, threads: NonZeroUsize, waiting: usize) -> Self {
        let threads = threads.get().min(Semaphore::MAX_PERMITS);
        let places = threads.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            parameters,
            places: Arc::new(Semaphore::new(places)),
            threads: Arc::new(Semaphore::new(threads)),
            size: (places, threads),
            counted: Arc::new(Counted {
                waits: Histogram::of_durations(),
                hashes: Histogram::of_durations(),
                refused: Counter::default(),
            }),
        }
    }

    /// The verifier of a new secret, with a salt of 16 random bytes.
    pub async fn hash(
        &self,
        secret: &ClientSecret,
        entropy: &dyn Entropy,
    ) -> Result<Verifier, HasherError> {
        let salt: [u8; 16] = entropy.bytes();
        let secret = Zeroizing::new(secret.as_str().to_owned());
        let params = self.parameters.0.clone();
        let hash = self
            .run(move || {
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_with_salt(secret.as_bytes(), &salt)
            })
            .await?;
        // Salt, output and costs are in range, so only memory can have been missing.
        let hash = hash.map_err(|_| HasherError::Failed)?;
        Ok(Verifier(hash.to_string().into()))
    }

    /// Whether the presented text is the secret that the verifier was made of. The costs are those
    /// of the verifier, and the comparison takes the same time wherever the outputs differ.
    pub async fn verify(&self, presented: &str, verifier: &Verifier) -> Result<bool, HasherError> {
        let hash = PasswordHash::new(&verifier.0).map_err(|_| HasherError::UnreadableVerifier)?;
        if hash.algorithm != argon2::ARGON2ID_IDENT || hash.salt.is_none() || hash.hash.is_none() {
            return Err(HasherError::UnreadableVerifier);
        }
        let presented = Zeroizing::new(presented.to_owned());
        let answer = self
            .run(move || Argon2::default().verify_password(presented.as_bytes(), &hash))
            .await?;
        match answer {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(password_hash::Error::OutOfMemory) => Err(HasherError::Failed),
            Err(_) => Err(HasherError::UnreadableVerifier),
        }
    }

    /// What the pool has counted, and how many wait and work now.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a pool has far fewer than 2^52 places"
    )]
    pub fn families(&self) -> Vec<Family> {
        let (places, threads) = self.size;
        let taken = places.saturating_sub(self.places.available_permits());
        let working = threads.saturating_sub(self.threads.available_permits());
        let waiting = taken.saturating_sub(working);
        vec![
            Family::gauge(
                "chancery.secret.hash.working",
                "{secret}",
                "Secrets that are being hashed with Argon2id.",
                working as f64,
            ),
            Family::gauge(
                "chancery.secret.hash.waiting",
                "{secret}",
                "Secrets that wait to be hashed.",
                waiting as f64,
            ),
            Family::histogram(
                "chancery.secret.hash.wait.duration",
                "s",
                "How long secrets waited to be hashed.",
                self.counted.waits.distribution(),
            ),
            Family::histogram(
                "chancery.secret.hash.duration",
                "s",
                "How long it took to hash a secret.",
                self.counted.hashes.distribution(),
            ),
            Family::sum(
                "chancery.secret.hash.refused",
                "{secret}",
                "Secrets that were not hashed because too many waited.",
                self.counted.refused.get(),
            ),
        ]
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HasherError> {
        let asked = Instant::now();
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.counted.refused.one();
            return Err(HasherError::Busy);
        };
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(|_| HasherError::Failed)?;
        let counted = Arc::clone(&self.counted);
        spawn_blocking(move || {
            let begun = Instant::now();
            counted.waits.took(begun - asked);
            let done = work();
            counted.hashes.took(begun.elapsed());
            drop((thread, place));
            done
        })
        .await
        .map_err(|_| HasherError::Failed)
    }
}

#[cfg(test)]
mod tests;
