//! Checkpoints and proofs for those who may read the roll, and the latest checkpoint for everybody.

use chancery_domain::{Faults, Invalid, TenantId, value::Slug};
use chancery_event_store::entries_page;
use chancery_projections::tenants;
use chancery_roll::{Hash, line, tree::Plan};

use super::{SealError, SealedRoll};
use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
};

/// That an entry is in a tree (RFC 6962, section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's number in the roll. Its leaf is one less, since leaves are counted from 0.
    pub seq: u64,
    /// The tree's size.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// The hashes that lead from the leaf to the root.
    pub hashes: Vec<Hash>,
}

/// What stands for an entry in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The entry in its canonical form (RFC 8785), as an export has it, without a newline.
    pub line: String,
    /// SHA-256 of a byte 0 and that line.
    pub hash: Hash,
}

/// That a tree is the beginning of a later one (RFC 6962, section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The earlier tree's size.
    pub from: u64,
    /// The later tree's size.
    pub to: u64,
    /// The earlier tree's root.
    pub from_root: Hash,
    /// The later tree's root.
    pub to_root: Hash,
    /// The hashes that lead to both roots.
    pub hashes: Vec<Hash>,
}

impl Application {
    /// The latest checkpoint of a tenant's roll, which is sealed further first where it has grown. Where
    /// sealing was stopped, the last one before.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn checkpoint(&self, caller: &Caller, tenant: TenantId) -> Result<SealedRoll, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.sealed_now(tenant).await
    }

    /// The proof that entry `seq` is in the tree of this size.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] where there is no such entry or no
    /// tree of this size.
    pub async fn inclusion_proof(
        &self,
        caller: &Caller,
        tenant: TenantId,
        (seq, size): (u64, u64),
    ) -> Result<InclusionProof, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.require_size(tenant, "size", size).await?;
        let index = seq.checked_sub(1);
        let plan = index
            .and_then(|index| Plan::inclusion(index, size))
            .ok_or_else(|| {
                invalid(
                    "seq",
                    format!("must be the number of an entry of this tree, which has 1 to {size}"),
                )
            })?;
        Ok(InclusionProof {
            seq,
            size,
            root: self.root(tenant, size).await?,
            hashes: self.planned(tenant, &plan).await?,
        })
    }

    /// What stands for entry `seq` in the tree: what a proof begins with.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn leaf(&self, caller: &Caller, tenant: TenantId, seq: u64) -> Result<Leaf, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let before = i64::try_from(seq).unwrap_or(i64::MAX).saturating_sub(1);
        let found = entries_page(&self.parts.store, tenant, before, 1).await?;
        let found = found
            .into_iter()
            .find(|entry| entry.tenant_seq == before + 1);
        let entry = found.ok_or(Error::NotFound { what: "entry" })?;
        let line = line::write(&entry);
        Ok(Leaf {
            hash: Hash::leaf(line.as_bytes()),
            line,
        })
    }

    /// The proof that the tree of size `from` is the beginning of that of size `to`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] where there are no such trees.
    pub async fn consistency_proof(
        &self,
        caller: &Caller,
        tenant: TenantId,
        (from, to): (u64, u64),
    ) -> Result<ConsistencyProof, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.require_size(tenant, "to", to).await?;
        let plan = Plan::consistency(from, to).ok_or_else(|| {
            invalid(
                "from",
                format!("must not be greater than `to`, which is {to}"),
            )
        })?;
        Ok(ConsistencyProof {
            from,
            to,
            from_root: self.root(tenant, from).await?,
            to_root: self.root(tenant, to).await?,
            hashes: self.planned(tenant, &plan).await?,
        })
    }

    /// The latest checkpoint as everybody may see it. None: there is no such tenant. Whoever asks causes
    /// no work but a tenant's very first seal.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn published_checkpoint(&self, slug: &Slug) -> Result<Option<SealedRoll>, Error> {
        let Some((tenant, _)) = tenants::by_slug(&self.parts.store, slug).await? else {
            return Ok(None);
        };
        match self.sealed_roll(tenant).await {
            Ok(Some(sealed)) if sealed.checkpoint.size > 0 => Ok(Some(sealed)),
            Ok(_) | Err(SealError::Stopped(_)) => self.sealed_now(tenant).await.map(Some),
            Err(error) => Err(error.into()),
        }
    }

    /// As far as one step goes; where sealing was stopped, as far as it went; where what is stored
    /// contradicts what this node has seen, what it has seen.
    async fn sealed_now(&self, tenant: TenantId) -> Result<SealedRoll, Error> {
        match self.seal_some(tenant).await {
            Ok(_) | Err(SealError::Stopped(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let sealed = match self.sealed_roll(tenant).await {
            Err(SealError::Stopped(fault)) => match self.last_good(tenant, &fault).await? {
                Some(seen) => Ok(Some(seen)),
                None => Err(SealError::Stopped(fault)),
            },
            sealed => sealed,
        };
        sealed?.ok_or(Error::NotFound { what: "tenant" })
    }

    async fn require_size(&self, tenant: TenantId, path: &str, size: u64) -> Result<(), Error> {
        let mut sealed = self
            .sealed_roll(tenant)
            .await?
            .map(|sealed| sealed.checkpoint.size);
        if sealed.is_none_or(|sealed| sealed < size) {
            sealed = Some(self.sealed_now(tenant).await?.checkpoint.size);
        }
        match sealed {
            Some(sealed) if size <= sealed => Ok(()),
            sealed => {
                let sealed = sealed.unwrap_or_default();
                Err(invalid(
                    path,
                    format!("must be at most {sealed}, which is how much of the roll is sealed"),
                ))
            }
        }
    }

    async fn root(&self, tenant: TenantId, size: u64) -> Result<Hash, Error> {
        let root = self.planned(tenant, &Plan::root(size)).await?;
        Ok(root.first().copied().unwrap_or_else(Hash::empty))
    }
}

fn invalid(path: &str, message: String) -> Error {
    let mut faults = Faults::default();
    faults.add(path, Invalid::new("out_of_range", message));
    Error::Invalid(faults)
}
