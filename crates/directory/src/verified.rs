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
        Self {
            key: DigestKey::generate(entropy),
            digests: Cache::new(capacity),
        }
    }

    /// How many secrets are remembered.
    pub(crate) fn len(&self) -> usize {
        self.digests.len()
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
            // In boxes: what most requests do not come to needs no room in each of them.
            Ok(_) => Box::pin(hasher.verify(presented, verifier)).await,
            Err(guard) => {
                let matches = Box::pin(hasher.verify(presented, verifier)).await?;
                if matches {
                    // The cache refuses where the place was given to another meanwhile: then the
                    // next request hashes again.
                    let _ = guard.insert(digest);
                }
                Ok(matches)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Arc};

    use chancery_crypto::{HashParameters, InstallationKey, SecretIssuer, SeededEntropy};

    use super::*;

    struct World {
        known: VerifiedSecrets,
        id: SecretId,
        secret: String,
        verifier: Verifier,
        hasher: SecretHasher,
    }

    impl World {
        async fn new() -> Self {
            let entropy = SeededEntropy::new(1);
            let issuer = SecretIssuer::new(&InstallationKey::generate(&entropy));
            let id = SecretId::from_bytes([1; 16]);
            let secret = issuer.mint("client_a", id.to_bytes(), &entropy);
            // One thread and nowhere to wait: two hashes at the same time are one too many.
            let cheap = HashParameters::new(8, 1, 1).unwrap();
            let hasher = SecretHasher::new(cheap, NonZeroUsize::MIN, 0);
            let verifier = hasher.hash(&secret, &entropy).await.unwrap();
            let known = VerifiedSecrets::new(8, &entropy);
            Self {
                known,
                id,
                secret: secret.reveal(),
                verifier,
                hasher,
            }
        }

        async fn verify(&self, presented: &str) -> Result<bool, HasherError> {
            let Self { known, hasher, .. } = self;
            known
                .verify(hasher, self.id, presented, &self.verifier)
                .await
        }
    }

    #[tokio::test]
    async fn a_verified_secret_needs_no_hash_again() {
        let mut world = World::new().await;
        assert_eq!(world.verify(&world.secret).await, Ok(true));
        world.verifier = Verifier::from_stored("not a hash".to_owned());
        assert_eq!(world.verify(&world.secret).await, Ok(true));
    }

    #[tokio::test]
    async fn another_text_under_a_verified_id_is_hashed_and_refused() {
        let world = World::new().await;
        assert_eq!(world.verify(&world.secret).await, Ok(true));
        assert_eq!(world.verify("chs_other").await, Ok(false));
        assert_eq!(world.verify(&world.secret).await, Ok(true));
    }

    #[tokio::test]
    async fn a_refused_secret_is_not_remembered() {
        let world = World::new().await;
        assert_eq!(world.verify("chs_other").await, Ok(false));
        assert_eq!(world.verify("chs_other").await, Ok(false));
        assert_eq!(world.verify(&world.secret).await, Ok(true));
    }

    #[tokio::test]
    async fn many_first_requests_share_one_hash() {
        let world = Arc::new(World::new().await);
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.verify(&world.secret).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(true));
        }
    }
}
