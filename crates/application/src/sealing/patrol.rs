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

/// Where a patrol is. It goes round for ever, from tenant to tenant.
#[derive(Clone, Debug, Default)]
pub struct Patrol {
    tenant: Option<TenantId>,
    /// The next tile of this tenant, when it is not through with it.
    tile: Option<u64>,
}

impl Application {
    /// Compares some two thousand sealed entries with what was sealed of them, and goes on from there
    /// the next time. A difference stops the sealing of that tenant.
    ///
    /// # Errors
    /// [`Error`] when the store cannot be read; the next round tries again.
    pub async fn patrol(&self, at: &mut Patrol) -> Result<(), Error> {
        for _ in 0..ROUND {
            let (Some(tenant), Some(tile)) = (at.tenant, at.tile) else {
                let next = self.parts.store.platform_sealed(at.tenant, 1).await?;
                let Some((tenant, _)) = next.first() else {
                    // Round again, the next time.
                    *at = Patrol::default();
                    return Ok(());
                };
                (at.tenant, at.tile) = (Some(*tenant), Some(0));
                continue;
            };
            at.tile = match self.inspect_or_stop(tenant, tile).await {
                Ok(more) => more.then_some(tile + 1),
                Err(SealError::Failed(error)) => return Err(error),
                Err(SealError::Stopped(_) | SealError::NoRoll) => None,
            };
        }
        Ok(())
    }

    /// Looks at everything that is sealed of a roll.
    pub(super) async fn inspect_all(
        &self,
        tenant: TenantId,
        each: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), SealError> {
        let mut tile = 0;
        while self.inspect_or_stop(tenant, tile).await? {
            each(Tile::HASHES as u64);
            tile += 1;
        }
        Ok(())
    }

    async fn inspect_or_stop(&self, tenant: TenantId, tile: u64) -> Result<bool, SealError> {
        match self.inspect(tenant, tile).await {
            Err(SealError::Stopped(fault)) => {
                self.stop_sealing(tenant, &fault).await?;
                Err(SealError::Stopped(fault))
            }
            seen => seen,
        }
    }

    /// Compares the entries of one tile of leaves with it, and it with the signed root. Gives whether
    /// there are more.
    async fn inspect(&self, tenant: TenantId, number: u64) -> Result<bool, SealError> {
        let Some(SealedRoll { checkpoint, .. }) = self.sealed_roll(tenant).await? else {
            return Ok(false);
        };
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
