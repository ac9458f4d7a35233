//! A roll's origin and key: made at its first seal, and the same for ever.

use chancery_crypto::{NoteKey, OpenError, SealContext, Sealed};
use chancery_domain::{KeyId, TenantId};
use chancery_event_store::{Seal, SealedKey};
use chancery_projections::tenants;
use chancery_roll::{
    Hash,
    checkpoint::{Checkpoint, origin},
};

use super::{SealError, SealedRoll};
use crate::{Application, error::Error};

impl Application {
    /// Fixes origin and key of the roll of a tenant that was made just now, by the server that made it.
    /// Where that does not succeed, the sealer will.
    pub(crate) async fn begin_sealing(&self, tenant: TenantId) {
        if let Err(error) = self.seal_or_begin(tenant).await {
            tracing::warn!(%tenant, error = chancery_telemetry::causes(&error), "the first seal of a roll could not be made yet; the sealer tries again");
        }
    }

    /// The tenant's seal; its first one when it never had one.
    pub(super) async fn seal_or_begin(
        &self,
        tenant: TenantId,
    ) -> Result<(Seal, SealedRoll), SealError> {
        if let Some(attested) = self.attested(tenant).await? {
            return Ok(attested);
        }
        if !self.parts.begins_seals {
            return Err(SealError::NotBegun);
        }
        let row = tenants::get(&self.parts.store, tenant).await?;
        let slug = row.ok_or(SealError::NoRoll)?.state.slug;
        let origin = origin(&self.parts.public_url.issuer(&slug));
        let (key, pkcs8) = NoteKey::generate(&origin).map_err(Error::from)?;
        let id = KeyId::new(self.now(), self.random());
        let empty = Checkpoint {
            origin: origin.clone(),
            size: 0,
            root: Hash::empty(),
        };
        let first = Seal {
            origin,
            key: id,
            verifier_key: key.verifier().to_string(),
            size: 0,
            note: empty.sign(&key).map_err(internal)?,
            fault: None,
        };
        let context = SealContext::note_key(tenant, id);
        let sealed = self.seal_now(&context, &pkcs8).await?;
        let sealed = SealedKey {
            key: id,
            master_key_id: sealed.master_key_id,
            sealed: sealed.bytes,
        };
        let mut tx = self.parts.store.begin().await?;
        if tx.begin_seal(tenant, &first, &sealed).await? {
            tx.commit().await?;
        } else {
            // Another node was faster: its key is the roll's.
            tx.rollback().await?;
        }
        let attested = self.attested(tenant).await?;
        attested.ok_or(SealError::Failed(Error::Conflict))
    }

    /// The key that signs the roll's checkpoints, out of the vault.
    pub(crate) async fn note_key(
        &self,
        tenant: TenantId,
        seal: &Seal,
    ) -> Result<NoteKey, SealError> {
        let stored = self.parts.store.note_key(tenant, seal.key).await?;
        let stored = stored.ok_or_else(|| {
            SealError::Stopped(format!(
                "its key {} is not in the vault; put the row of `sealed_keys` back from a backup",
                seal.key
            ))
        })?;
        let sealed = Sealed {
            master_key_id: stored.master_key_id,
            bytes: stored.sealed,
        };
        let pkcs8 = self
            .parts
            .sealer
            .open(&SealContext::note_key(tenant, seal.key), &sealed)
            .map_err(|error| match error {
                // Others may have it: it is this node that was left behind.
                OpenError::UnknownMasterKey { .. } => Error::Unavailable(error.into()),
                OpenError::Corrupt => internal(error),
            })?;
        let key = NoteKey::from_pkcs8(&seal.origin, &pkcs8).map_err(Error::from)?;
        if key.verifier().to_string() != seal.verifier_key {
            return Err(SealError::Stopped(
                "the stored verifier key is not that of the key in the vault".to_owned(),
            ));
        }
        Ok(key)
    }
}

pub(super) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Internal(error.into())
}
