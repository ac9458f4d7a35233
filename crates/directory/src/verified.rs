//! Secrets that this node has verified: the second time costs no Argon2.

use chancery_crypto::{Digest, DigestKey, Entropy, HasherError, SecretHasher, Verifier};
use chancery_domain::SecretId;
use quick_cache::sync::Cache;

/// Keyed digests of verified secrets, by secret id. They stand apart from the entries, so a refill
/// does not forget them: the verifier of a secret id never changes, and whether the secret is still
/// accepted is asked of the entry before.
pub(crate) struct VerifiedSecrets {
    key: DigestKey,
    digests: Cache<SecretId, Digest>,
}

impl VerifiedSecrets {
    pub(crate) fn new(capacity: usize, entropy: &dyn Entropy) -> Self {
        Self { key: DigestKey::generate(entropy), digests: Cache::new(capacity) }
    }

    /// Whether the presented text is the secret. Requests that bring the same secret for the first
    /// time wait for one Argon2id among them; a failed one is not remembered.
    pub(crate) async fn verify(
        &self,
        hasher: &SecretHasher,
        secret: SecretId,
        presented: &str,
        verifier: &Verifier,
    ) -> Result<bool, HasherError> {
        let digest = self.key.digest(presented);
        match self.digests.get_value_or_guard_async(&secret).await {
            Ok(known) if known == digest => Ok(true),
            Ok(_) => hasher.verify(presented, verifier).await,
            Err(guard) => {
                let verified = hasher.verify(presented, verifier).await?;
                if verified {
                    // The cache refuses where the place was given to another meanwhile: then the
                    // next request hashes again.
                    let _ = guard.insert(digest);
                }
                Ok(verified)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use chancery_crypto::{HashParameters, InstallationKey, SecretIssuer, SeededEntropy};

    use super::*;

    struct World {
        verified: VerifiedSecrets,
        id: SecretId,
        secret: String,
        verifier: Verifier,
    }

    async fn world() -> World {
        let entropy = SeededEntropy::new(1);
        let issuer = SecretIssuer::new(&InstallationKey::generate(&entropy));
        let id = SecretId::from_bytes([1; 16]);
        let secret = issuer.mint("client_a", id.to_bytes(), &entropy);
        let verifier = hasher(1, 1).hash(&secret, &entropy).await.unwrap();
        let verified = VerifiedSecrets::new(8, &entropy);
        World { verified, id, secret: secret.reveal(), verifier }
    }

    fn hasher(threads: usize, waiting: usize) -> SecretHasher {
        let cheap = HashParameters::new(8, 1, 1).unwrap();
        SecretHasher::new(cheap, NonZeroUsize::new(threads).unwrap(), waiting)
    }

    #[tokio::test]
    async fn a_verified_secret_needs_no_hash_again() {
        let World { verified, id, secret, verifier } = world().await;
        assert_eq!(verified.verify(&hasher(1, 0), id, &secret, &verifier).await, Ok(true));
        let useless = Verifier::from_stored("not a hash".to_owned());
        assert_eq!(verified.verify(&hasher(1, 0), id, &secret, &useless).await, Ok(true));
    }

    #[tokio::test]
    async fn another_text_under_a_verified_id_is_hashed_and_refused() {
        let World { verified, id, secret, verifier } = world().await;
        verified.verify(&hasher(1, 0), id, &secret, &verifier).await.unwrap();
        assert_eq!(verified.verify(&hasher(1, 0), id, "chs_other", &verifier).await, Ok(false));
        assert_eq!(verified.verify(&hasher(1, 0), id, &secret, &verifier).await, Ok(true));
    }

    #[tokio::test]
    async fn a_refused_secret_is_not_remembered() {
        let World { verified, id, secret, verifier } = world().await;
        assert_eq!(verified.verify(&hasher(1, 0), id, "chs_other", &verifier).await, Ok(false));
        assert_eq!(verified.verify(&hasher(1, 0), id, "chs_other", &verifier).await, Ok(false));
        assert_eq!(verified.verify(&hasher(1, 0), id, &secret, &verifier).await, Ok(true));
    }

    #[tokio::test]
    async fn many_first_requests_share_one_hash() {
        let World { verified, id, secret, verifier } = world().await;
        let verified = std::sync::Arc::new(verified);
        // One thread and nowhere to wait: a second hash at the same time would be refused.
        let hasher = hasher(1, 0);
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let (verified, hasher) = (verified.clone(), hasher.clone());
                let (secret, verifier) = (secret.clone(), verifier.clone());
                tokio::spawn(async move { verified.verify(&hasher, id, &secret, &verifier).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(true));
        }
    }
}
