//! Ids, secrets and keys: made once, before the command that needs them.

use chancery_crypto::{Algorithm, ClientSecret, SealContext, Sealed, SigningKey};
use chancery_domain::{
    ClientId, KeyId, SecretId, TenantId, Timestamp,
    key_ring::NewKey,
    secret_rotation::{KeptSecret, NewSecret},
    tenant::{AuthMethod, SigningAlgorithm},
};

use crate::{Application, error::Error};

/// A secret that was just issued: the only moment at which its text is known.
pub struct IssuedSecret {
    /// Its id.
    pub id: SecretId,
    /// Its text; `None` when a retry of the command is answered, since it was shown once.
    pub plaintext: Option<ClientSecret>,
    /// Its last four characters.
    pub hint: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl Application {
    /// So many random bytes, through the one door.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.parts.entropy.bytes()
    }

    /// A new secret for a client, hashed or sealed as its way to authenticate needs it.
    pub(crate) async fn mint_secret(
        &self,
        tenant: TenantId,
        client: ClientId,
        method: AuthMethod,
    ) -> Result<(ClientSecret, NewSecret), Error> {
        let parts = &self.parts;
        let secret = SecretId::new(parts.clock.now(), self.random());
        let plaintext = parts
            .secrets
            .mint(&client.to_string(), secret.to_bytes(), &*parts.entropy);
        let kept = match method {
            AuthMethod::ClientSecretJwt => {
                let context = SealContext::client_secret(tenant, secret);
                let sealed = self.seal_now(&context, plaintext.as_bytes()).await?;
                KeptSecret::Sealed {
                    master_key_id: sealed.master_key_id,
                    sealed: sealed.bytes,
                }
            }
            // For a client that signs with keys the decision refuses it.
            AuthMethod::ClientSecret | AuthMethod::PrivateKeyJwt => {
                let verifier = parts.hasher.hash(&plaintext, &*parts.entropy).await?;
                KeptSecret::Verifier(verifier.as_str().to_owned())
            }
        };
        let new = NewSecret {
            secret,
            hint: plaintext.hint().to_owned(),
            kept,
        };
        Ok((plaintext, new))
    }

    /// Seals under the master key that the installation is sealed under at this moment: one that another process
    /// has just left would be refused.
    pub(crate) async fn seal_now(
        &self,
        context: &SealContext,
        plaintext: &[u8],
    ) -> Result<Sealed, Error> {
        self.follow_master_key().await?;
        let parts = &self.parts;
        Ok(parts.sealer.seal(context, plaintext, &*parts.entropy)?)
    }

    /// A new signing key for a tenant, sealed.
    pub(crate) async fn mint_key(
        &self,
        tenant: TenantId,
        algorithm: SigningAlgorithm,
    ) -> Result<NewKey, Error> {
        let parts = &self.parts;
        let key = KeyId::new(parts.clock.now(), self.random());
        let kid = key.to_string();
        // An RSA key takes some hundred milliseconds.
        let generated = tokio::task::spawn_blocking({
            let kid = kid.clone();
            move || SigningKey::generate(crypto_algorithm(algorithm), &kid)
        });
        let (signing, pkcs8) = generated.await??;
        let context = SealContext::signing_key(tenant, &kid);
        let sealed = self.seal_now(&context, &pkcs8).await?;
        Ok(NewKey {
            key,
            algorithm,
            public_jwk: serde_json::from_value(serde_json::to_value(signing.public_jwk())?)?,
            master_key_id: sealed.master_key_id,
            sealed: sealed.bytes,
        })
    }
}

/// The domain's name of an algorithm as the cryptography's.
pub(crate) fn crypto_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Es256 => Algorithm::Es256,
        SigningAlgorithm::Rs256 => Algorithm::Rs256,
        SigningAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}
