//! What was sealed long ago is looked at again, a little at a time.

use chancery_domain::TenantId;
use chancery_roll::{
    line,
    tree::{Plan, Tile, TileId, verify_inclusion},
};

use super::{SealError, SealedRoll, tree};
use crate::{Application, error::Error};

/// How many tiles of leaves one round looks at.
const ROUND: usize = 8;

/// How many seals one round holds against what this node has seen of them: one page along an index.
const SEEN: u32 = 2_000;

/// How many of those one round looks at closely, because they are not what was seen: where seals have moved on,
/// there are proofs to verify, and something to remember.
const CLOSELY: usize = 200;

/// For how many tenants one round looks whether their seals are still there.
const KEYS: u32 = 500;

/// Where a patrol is. It goes round for ever, from tenant to tenant.
#[derive(Clone, Debug, Default)]
pub struct Patrol {
    tenant: Option<TenantId>,
    /// The next tile of this tenant, when it is not through with it.
    tile: Option<u64>,
    /// The tenant up to which seals were compared with what this node has seen.
    seen: Option<TenantId>,
    /// The last tenant whose seal was looked for.
    gone: Option<TenantId>,
}

impl Application {
    /// Compares some two thousand sealed entries with what was sealed of them, and goes on from there
    /// the next time. A difference stops the sealing of that tenant.
    ///
    /// # Errors
    /// [`Error`] when the store cannot be read; the next round tries again.
    pub async fn patrol(&self, at: &mut Patrol) -> Result<(), Error> {
        self.compare_seen(at).await?;
        for _ in 0..ROUND {
            let (Some(tenant), Some(tile)) = (at.tenant, at.tile) else {
                let next = self.parts.store.platform_sealed(at.tenant, 1).await?;
                let Some((tenant, _)) = next.first() else {
                    // Round again, the next time.
                    (at.tenant, at.tile) = (None, None);
                    return Ok(());
                };
                (at.tenant, at.tile) = (Some(*tenant), Some(0));
                // Whoever took the mark away that something waits to be sealed does not keep it from that.
                if let Err(SealError::Failed(error)) = self.seal_some(*tenant).await {
                    return Err(error);
                }
                continue;
            };
            at.tile = match self.inspect_or_stop(tenant, tile).await {
                Ok(more) => more.then_some(tile + 1),
                Err(SealError::Failed(error)) => return Err(error),
                Err(SealError::Stopped(_) | SealError::NoRoll | SealError::NotBegun) => None,
            };
        }
        Ok(())
    }

    /// Compares many of the seals that are stored with what this node has seen of them, and looks for rolls
    /// that have lost theirs, whether they grow or not. What is as it was seen costs a comparison of texts.
    async fn compare_seen(&self, at: &mut Patrol) -> Result<(), Error> {
        let stored = self.parts.store.platform_seals_after(at.seen, SEEN).await?;
        let is_last = stored.len() < SEEN as usize;
        let end = stored.last().filter(|_| !is_last).map(|seal| seal.tenant);
        let mut other = self.parts.witness.other(stored, (at.seen, end)).await?;
        let cut = other.get(CLOSELY).is_some();
        other.truncate(CLOSELY);
        // Where there were more, the next round goes on after the last of these.
        at.seen = if cut { other.last().copied() } else { end };
        let keys = self.parts.store.platform_seals_gone(at.gone, KEYS).await?;
        let is_full = keys.len() == KEYS as usize;
        at.gone = keys.last().filter(|_| is_full).map(|(tenant, _)| *tenant);
        let gone = keys.into_iter().filter(|(_, gone)| *gone);
        for tenant in other.into_iter().chain(gone.map(|(tenant, _)| tenant)) {
            match self.sealed_roll(tenant).await {
                // What is found is told where it is found.
                Ok(_) | Err(SealError::Stopped(_) | SealError::NoRoll | SealError::NotBegun) => {}
                Err(SealError::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks at everything that is sealed of a roll; `each` hears of how many entries.
    pub(super) async fn inspect_all(
        &self,
        sealed: &SealedRoll,
        each: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), SealError> {
        for tile in 0.. {
            let more = self.inspect(sealed, tile).await?;
            each(Tile::HASHES as u64);
            if !more {
                break;
            }
        }
        Ok(())
    }

    async fn inspect_or_stop(&self, tenant: TenantId, tile: u64) -> Result<bool, SealError> {
        let Some(sealed) = self.sealed_roll(tenant).await? else {
            return Ok(false);
        };
        match self.inspect(&sealed, tile).await {
            Err(SealError::Stopped(fault)) => {
                self.stop_sealing(tenant, &fault).await?;
                Err(SealError::Stopped(fault))
            }
            seen => seen,
        }
    }

    /// Compares the entries of one tile of leaves with it, and it with the signed root. Gives whether
    /// there are more.
    async fn inspect(&self, sealed: &SealedRoll, number: u64) -> Result<bool, SealError> {
        let (tenant, checkpoint) = (sealed.tenant, &sealed.checkpoint);
        let id = TileId {
            level: 0,
            index: number,
        };
        let width = id.width(checkpoint.size);
        if width == 0 {
            return Ok(false);
        }
        let tiles = tree::load(&self.parts.store, tenant, [id].into()).await?;
        let leaves = tiles.get(&id).and_then(|tile| tile.hashes().get(..width));
        let gone = || {
            SealError::Stopped(format!(
                "tile {number} of the leaves is not stored as far as it was sealed"
            ))
        };
        let entries = self
            .compare_leaves(tenant, number, leaves.ok_or_else(gone)?)
            .await?;

        // The proof of one of its leaves is made of all the others, so it binds the whole tile.
        let first = number * Tile::HASHES as u64;
        let (Some(plan), Some(entry)) = (Plan::inclusion(first, checkpoint.size), entries.first())
        else {
            return Err(gone());
        };
        let proof = self.planned(tenant, &plan).await?;
        let text = line::write(entry);
        verify_inclusion(
            text.as_bytes(),
            first,
            checkpoint.size,
            checkpoint.root,
            &proof,
        )
        .map_err(|_| {
            SealError::Stopped(format!(
                "the entries {} to {} are not those of the root that was signed",
                first + 1,
                first + width as u64
            ))
        })?;
        Ok(first + (width as u64) < checkpoint.size)
    }
}
