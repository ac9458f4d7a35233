//! Proof by a secret. The order is that of rising cost: one HMAC turns away what was never issued,
//! before anything is looked up; Argon2id comes last, and once for each secret.

use std::sync::Arc;

use chancery_crypto::{HasherError, SecretHasher, SecretIssuer, Verifier};
use chancery_directory::{ClientEntry, Directory, Stamp, TenantEntry, Unavailable};
use chancery_domain::{ClientId, SecretId, Timestamp};

use super::{Credentials, Denial};

/// A client that has proved who it is, on the view that it was proved on. Whether it may obtain a
/// token is another question: see [`super::admit`].
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) tenant: Arc<TenantEntry>,
    pub(crate) client: Arc<ClientEntry>,
    /// The secret that proved it: the token's `credential_id`.
    pub(crate) credential: SecretId,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProofError {
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Hasher(#[from] HasherError),
}

/// What a proof needs.
pub(crate) struct Prover<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) issuer: &'a SecretIssuer,
    pub(crate) hasher: &'a SecretHasher,
    /// Whether the view may not be older than this request. Otherwise it is what this node saw
    /// last, and what follows must be held against the roll.
    pub(crate) fresh: bool,
}

impl Proof {
    /// The state of the tenant's roll that the whole view is of; none where it changed while the
    /// view was read.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        (self.tenant.stamp == self.client.stamp).then_some(self.tenant.stamp)
    }
}

impl Prover<'_> {
    /// Proves that whoever sent these credentials to this tenant's endpoint is the client.
    pub(crate) async fn prove(
        &self,
        slug: &str,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Proof, ProofError> {
        let secret = credentials.secret.as_str();
        let credential = self
            .issuer
            .check(&credentials.client_id, secret)
            .map(SecretId::from_bytes)
            .map_err(|_| Denial::NotIssued)?;
        // Only ids of ours were ever part of a tag, so this cannot fail for a genuine secret.
        let id: ClientId = credentials
            .client_id
            .parse()
            .map_err(|_| Denial::NotIssued)?;
        let mut tenant = if self.fresh {
            self.directory.tenant(slug).await?
        } else {
            self.directory.tenant_seen(slug).await?
        }
        .ok_or(Denial::NoTenant)?;
        let client = self
            .directory
            .client(&tenant, id)
            .await?
            .ok_or(Denial::NoClient)?;
        if client.stamp != tenant.stamp {
            // The client's entry is newer: its tenant has to be as new.
            tenant = self.directory.tenant(slug).await?.ok_or(Denial::NoTenant)?;
        }
        let verifier = accepted(&client, credential, now)?;
        if !self
            .directory
            .verify_secret(self.hasher, credential, secret, verifier)
            .await?
        {
            return Err(Denial::Mismatch.into());
        }
        Ok(Proof {
            tenant,
            client,
            credential,
        })
    }
}

/// What the secret is matched against, if it is accepted now.
pub(crate) fn accepted(
    client: &ClientEntry,
    credential: SecretId,
    now: Timestamp,
) -> Result<&Verifier, Denial> {
    let secret = client
        .secrets
        .secrets
        .get(&credential)
        .ok_or(Denial::NoSecret)?;
    let state = secret.state(now);
    if !state.is_accepted() {
        return Err(Denial::SecretState(state));
    }
    client.verifiers.get(&credential).ok_or(Denial::NoSecret)
}
