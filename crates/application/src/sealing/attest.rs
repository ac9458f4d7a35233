//! What is stored of a seal, compared with itself and with what this node has seen.

use chancery_crypto::VerifierKey;
use chancery_domain::TenantId;
use chancery_event_store::{Seal, seal};
use chancery_roll::{
    checkpoint::SignedCheckpoint,
    tree::{Plan, verify_consistency},
};

use super::{SealError, SealedRoll, alarm, witness::Seen};
use crate::Application;

/// What to do about a seal that contradicts what a node has seen.
const WHAT_TO_DO: &str = "Somebody has changed the database, or it is an older copy. If you have put an older copy back yourself, say so on this node: `chancery audit accept --tenant` with the tenant's slug, or `--all`. If not, keep the database as it is, and verify an export of a copy with checkpoints that were kept elsewhere";

impl Application {
    /// A roll as far as it is sealed; none before its first seal.
    ///
    /// # Errors
    /// [`SealError::Stopped`], when the stored checkpoint is not one of this roll, or contradicts what this
    /// node has signed or seen: an alarm.
    pub async fn sealed_roll(&self, tenant: TenantId) -> Result<Option<SealedRoll>, SealError> {
        let seal = self.attested(tenant).await?;
        Ok(seal.map(|(_, sealed)| sealed))
    }

    /// The tenant's seal as it is stored, and what it says.
    pub(crate) async fn attested(
        &self,
        tenant: TenantId,
    ) -> Result<Option<(Seal, SealedRoll)>, SealError> {
        let witness = &self.parts.witness;
        // What was seen comes first: whatever is stored was stored after that.
        let mut seen = witness.recall(tenant).await?;
        let (stored, attested) = loop {
            let stored = seal(&self.parts.store, tenant).await?;
            let attested = match &stored {
                None => self
                    .never_sealed(tenant, seen.as_ref())
                    .await
                    .map(|()| None),
                Some(seal) => self.follows(tenant, seal, seen.as_ref()).await.map(Some),
            };
            if matches!(attested, Err(SealError::Stopped(_))) {
                // These were several looks. What changed between them is nobody's fault: another node made the
                // first seal, or somebody has accepted what is stored.
                let now = witness.recall(tenant).await?;
                let moved = seal(&self.parts.store, tenant).await?;
                let same =
                    moved.as_ref().map(|seal| &seal.note) == stored.as_ref().map(|seal| &seal.note);
                if now != seen || !same {
                    seen = now;
                    continue;
                }
            }
            break (stored, attested);
        };
        match attested {
            Ok(sealed) => {
                if let Some(sealed) = &sealed {
                    witness.keep(tenant, sealed.into()).await?;
                }
                if witness.found(tenant, None) {
                    tracing::warn!(%tenant, "the seal agrees with what this node has seen again");
                }
                Ok(stored.zip(sealed))
            }
            Err(SealError::Stopped(fault)) => {
                // The database may have no place any more to say so: then this node's memory has.
                let new = witness.found(tenant, Some(&fault));
                if !self.stop_sealing(tenant, &fault).await? && new {
                    alarm(tenant, &fault);
                }
                Err(SealError::Stopped(fault))
            }
            Err(error) => Err(error),
        }
    }

    /// A roll without a seal must be one that never had one.
    async fn never_sealed(&self, tenant: TenantId, seen: Option<&Seen>) -> Result<(), SealError> {
        if let Some(seen) = seen {
            return Err(SealError::Stopped(format!(
                "its seal is not in the database, and this node has seen one of {} entries. {WHAT_TO_DO}",
                seen.checkpoint().size
            )));
        }
        if self.parts.store.was_sealed(tenant).await? {
            return Err(SealError::Stopped(
                "its seal is not in the database, where its key or its tiles still are. Put the tenant's row of `seals` back from a backup; a new key is never made for a roll that had one".to_owned(),
            ));
        }
        Ok(())
    }

    /// A seal must be one, and the continuation of what was seen.
    async fn follows(
        &self,
        tenant: TenantId,
        seal: &Seal,
        seen: Option<&Seen>,
    ) -> Result<SealedRoll, SealError> {
        let sealed = verified(tenant, seal)?;
        // The head comes after the seal, and only grows.
        let head = self.parts.store.head(tenant).await?.unwrap_or_default();
        if head < seal.size {
            return Err(SealError::Stopped(format!(
                "its seal covers {} entries, and the roll says that it has {head}",
                seal.size
            )));
        }
        let Some(seen) = seen else {
            return Ok(sealed);
        };
        let (before, now) = (seen.checkpoint(), &sealed.checkpoint);
        let contradicts = |what: String| Err(SealError::Stopped(format!("{what}. {WHAT_TO_DO}")));
        if seen.key != sealed.key {
            return contradicts(format!(
                "its seals are signed with {}, and this node knows {} as the key of this roll",
                sealed.key, seen.key
            ));
        }
        if now.size < before.size {
            return contradicts(format!(
                "its seal covers {} entries, and this node has seen one of {}",
                now.size, before.size
            ));
        }
        if before.size == now.size && before.root == now.root {
            return Ok(sealed);
        }
        // Seals of one size need no hashes to be compared, and have none that make them agree.
        let plan = Plan::consistency(before.size, now.size);
        let proof = match &plan {
            Some(plan) => self.planned(tenant, plan).await?,
            None => Vec::new(),
        };
        let (old, new) = ((before.size, before.root), (now.size, now.root));
        match verify_consistency(old, new, &proof) {
            Ok(()) => Ok(sealed),
            Err(_) => contradicts(format!(
                "its seal of {} entries does not go on from the one of {} that this node has seen: entries among those were changed",
                now.size, before.size
            )),
        }
    }

    /// What this node has seen last of a roll, for as long as what is stored contradicts it.
    pub(super) async fn last_good(
        &self,
        tenant: TenantId,
        fault: &str,
    ) -> Result<Option<SealedRoll>, SealError> {
        let seen = self.parts.witness.recall(tenant).await?;
        Ok(seen.map(|Seen { key, note }| SealedRoll {
            tenant,
            key,
            checkpoint: note.claim().clone(),
            note,
            fault: Some(fault.to_owned()),
        }))
    }
}

/// What is stored of a seal, when it is one.
pub(super) fn verified(tenant: TenantId, seal: &Seal) -> Result<SealedRoll, SealError> {
    let stopped = |what: &str| SealError::Stopped(what.to_owned());
    let key: VerifierKey = seal
        .verifier_key
        .parse()
        .map_err(|_| stopped("the stored verifier key is none"))?;
    let note = SignedCheckpoint::parse(&seal.note)
        .map_err(|_| stopped("the stored checkpoint is none"))?;
    let checkpoint = note
        .verify(&key)
        .map_err(|_| stopped("the stored checkpoint is not signed with the roll's key"))?
        .clone();
    if checkpoint.origin != seal.origin
        || key.name() != seal.origin
        || i64::try_from(checkpoint.size) != Ok(seal.size)
    {
        return Err(stopped(
            "the stored checkpoint is of another roll or another size",
        ));
    }
    Ok(SealedRoll {
        tenant,
        key,
        checkpoint,
        note,
        fault: seal.fault.clone(),
    })
}
