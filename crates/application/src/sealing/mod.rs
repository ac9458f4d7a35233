//! The sealer: each tenant's roll as one Merkle tree (RFC 6962), its size and root signed.
//!
//! What is sealed is deterministic: the same entries give the same tiles, the same root and, since
//! Ed25519 has no chance in it, the same note. So any node and the command line may seal, at the same
//! time too: the first one writes, the others compare. What does not fit what was sealed before stops
//! the sealing of that tenant, until somebody has found out why.

mod accept;
mod attest;
mod export;
mod key;
mod patrol;
mod proofs;
mod step;
mod tree;
mod witness;

use std::collections::BTreeMap;

use chancery_crypto::VerifierKey;
use chancery_domain::TenantId;
use chancery_event_store::{StoreError, seal};
use chancery_roll::checkpoint::{Checkpoint, SignedCheckpoint};

use crate::{Application, error::Error};

pub use accept::{Accepted, NotAccepted};
pub use export::{ExportFailure, Exported};
pub use patrol::Patrol;
pub use proofs::{ConsistencyProof, InclusionProof, Leaf};
pub use witness::{Seen, Witness, WitnessError};

/// How many tenants a round seals before the next look for what is not sealed.
const ROUND: u32 = 100;

/// What a round of sealing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealRound {
    /// Tenants whose rolls are sealed further than before.
    pub sealed: usize,
    /// Tenants whose sealing was stopped now, or failed and will be tried again.
    pub failed: usize,
    /// Whether there may be more to do at once.
    pub more: bool,
}

/// A roll as far as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRoll {
    /// Whose it is.
    pub tenant: TenantId,
    /// The key that signs its checkpoints; its name is the log's origin.
    pub key: VerifierKey,
    /// The latest checkpoint, its signature verified.
    pub checkpoint: Checkpoint,
    /// The same as a signed note.
    pub note: SignedCheckpoint,
    /// Why nothing more is sealed, if that is so.
    pub fault: Option<String>,
}

/// Why a roll is not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no roll of such a tenant.
    #[error("there is no such tenant")]
    NoRoll,
    /// What is stored is not what was sealed: an alarm. Nothing more is sealed in this roll.
    #[error("sealing has stopped, because the roll is not as it was sealed: {0}")]
    Stopped(String),
    /// It was never sealed, and it is not this process that may begin.
    #[error(
        "the roll was never sealed. Its first seal fixes the name of its log, which follows from the server's public URL, so a server makes it: start `chancery serve`, and try again"
    )]
    NotBegun,
    /// It could not be done now.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<StoreError> for SealError {
    fn from(error: StoreError) -> Self {
        match error {
            // An entry whose columns nobody of us wrote.
            StoreError::Corrupt(what) => Self::Stopped(what),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRoll => Self::NotFound { what: "tenant" },
            SealError::Failed(error) => error,
            stopped @ (SealError::Stopped(_) | SealError::NotBegun) => {
                Self::Internal(Box::new(stopped))
            }
        }
    }
}

/// What a step of sealing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The roll was sealed up to its head before.
    Nothing,
    /// It is now.
    Whole,
    /// It is sealed further than before, and has more.
    Further,
    /// Somebody else was faster; nothing was found against it.
    Overtaken,
}

impl Application {
    /// Waits until something has changed on this node that is not sealed yet.
    pub async fn changed(&self) {
        self.unsealed.notified().await;
    }

    /// Seals rolls that have entries which are not sealed, those first that wait the longest: of each
    /// at most some thousand entries, so that a great one does not keep the others waiting.
    ///
    /// # Errors
    /// [`Error`] when it cannot be seen what there is to seal.
    pub async fn seal_rolls(&self) -> Result<SealRound, Error> {
        let waiting = self.parts.store.platform_unsealed(ROUND).await?;
        let mut round = SealRound {
            more: waiting.len() == ROUND as usize,
            ..SealRound::default()
        };
        for tenant in waiting {
            match self.seal_some(tenant).await {
                Ok(Step::Nothing) => {}
                Ok(Step::Whole) => round.sealed += 1,
                Ok(Step::Further) => {
                    round.sealed += 1;
                    round.more = true;
                }
                Ok(Step::Overtaken) => round.more = true,
                Err(SealError::Stopped(_) | SealError::NoRoll | SealError::NotBegun) => {
                    round.failed += 1;
                }
                Err(SealError::Failed(error)) => {
                    tracing::warn!(%tenant, error = chancery_telemetry::causes(&error), "the roll could not be sealed; the next round tries again");
                    round.failed += 1;
                }
            }
        }
        // What failed waits still: to begin again at once would be to try nothing else.
        round.more &= round.failed == 0;
        Ok(round)
    }

    /// Seals a tenant's roll up to what its head is now.
    ///
    /// # Errors
    /// [`SealError`].
    pub async fn seal_roll(&self, tenant: TenantId) -> Result<SealedRoll, SealError> {
        let head = self
            .parts
            .store
            .head(tenant)
            .await?
            .ok_or(SealError::NoRoll)?;
        loop {
            let done = matches!(self.seal_some(tenant).await?, Step::Nothing | Step::Whole);
            let sealed = self.sealed_roll(tenant).await?.ok_or(SealError::NoRoll)?;
            if done || sealed.checkpoint.size >= head.unsigned_abs() {
                return Ok(sealed);
            }
        }
    }

    /// One step, and the alarm when there is cause for it.
    async fn seal_some(&self, tenant: TenantId) -> Result<Step, SealError> {
        match self.seal_step(tenant).await {
            Err(SealError::Stopped(fault)) => {
                self.stop_sealing(tenant, &fault).await?;
                Err(SealError::Stopped(fault))
            }
            done => done,
        }
    }

    /// Nothing more is sealed in this roll, on any node. Gives whether nobody has said so before.
    async fn stop_sealing(&self, tenant: TenantId, fault: &str) -> Result<bool, Error> {
        // Whoever asks for a checkpoint may be anybody, and must not make the server write again and again.
        let stored = seal(&self.parts.store, tenant).await?;
        if stored.is_none_or(|seal| seal.fault.is_some()) {
            return Ok(false);
        }
        let mut tx = self.parts.store.begin().await?;
        let first = tx.stop_sealing(tenant, fault).await?;
        tx.commit().await?;
        if first {
            alarm(tenant, fault);
        }
        Ok(first)
    }

    /// So many tenants whose sealing was stopped, each with what was found: what the database says, and
    /// what this node has found that contradicts what it has seen.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn stopped_seals(&self, limit: u32) -> Result<BTreeMap<TenantId, String>, Error> {
        let stored = self.parts.store.platform_seal_faults(limit).await?;
        let mut faults: BTreeMap<_, _> = stored.into_iter().collect();
        faults.extend(self.parts.witness.faults());
        Ok(faults)
    }
}

fn alarm(tenant: TenantId, fault: &str) {
    tracing::error!(
        %tenant,
        fault,
        "ALARM: a roll is not as it was sealed; nothing more is sealed in it. Verify an export with a checkpoint that you kept"
    );
}
