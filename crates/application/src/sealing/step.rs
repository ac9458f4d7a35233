//! One step of sealing: some more entries, their tiles, and the checkpoint above them.

use chancery_domain::{Entry, TenantId};
use chancery_event_store::{Seal, entries_page};
use chancery_roll::{
    Hash,
    checkpoint::Checkpoint,
    line::{self, Line},
    tree::{GrowingTree, Plan, Tile, TileId},
};

use super::{SealError, SealedRoll, Step, key::internal, tree};
use crate::Application;

/// How many entries are sealed in one transaction.
const STEP: u64 = 20_000;

/// How many entries are read at once.
const PAGE: u32 = 1_000;

impl Application {
    /// Seals at most so many entries more. It begins at the last tile, so that its entries are looked at
    /// once more.
    pub(super) async fn seal_step(&self, tenant: TenantId) -> Result<Step, SealError> {
        let store = &self.parts.store;
        let head = store.head(tenant).await?.unwrap_or_default();
        let head = head.unsigned_abs();
        let (seal, sealed) = self.seal_or_begin(tenant).await?;
        if let Some(fault) = seal.fault {
            return Err(SealError::Stopped(fault));
        }
        let size = sealed.checkpoint.size;
        if head <= size {
            return Ok(Step::Nothing);
        }
        let key = self.note_key(tenant, &seal).await?;
        let mut tree = self.resume(&sealed).await?;
        self.grow(tenant, &mut tree, head.min(size + STEP)).await?;
        let checkpoint = Checkpoint {
            origin: seal.origin.clone(),
            size: tree.size(),
            root: tree.root(),
        };
        let note = checkpoint.sign(&key).map_err(internal)?;
        if self.write(tenant, &seal, &mut tree, &note).await? {
            // Read again as everybody reads it, and remembered.
            self.sealed_roll(tenant).await?;
            Ok(if tree.size() == head {
                Step::Whole
            } else {
                Step::Further
            })
        } else {
            self.compare(tenant, &checkpoint).await?;
            Ok(Step::Overtaken)
        }
    }

    /// The tree as it was sealed: of its last tiles, which must add up to the signed root.
    async fn resume(&self, sealed: &SealedRoll) -> Result<GrowingTree, SealError> {
        let size = sealed.checkpoint.size;
        let edge = TileId::edge(size).into_iter().collect();
        let tiles = tree::load(&self.parts.store, sealed.tenant, edge).await?;
        let tree = GrowingTree::resume(size, &tiles).map_err(tree::missing)?;
        if tree.root() != sealed.checkpoint.root {
            return Err(SealError::Stopped(
                "the stored tiles do not add up to the root that was signed".to_owned(),
            ));
        }
        let leaves = TileId {
            level: 0,
            index: size / Tile::HASHES as u64,
        };
        if let Some(tile) = tiles.get(&leaves) {
            let width = leaves.width(size);
            self.compare_leaves(sealed.tenant, leaves.index, &tile.hashes()[..width])
                .await?;
        }
        Ok(tree)
    }

    /// Compares the entries of a tile of leaves with what was sealed of them.
    pub(super) async fn compare_leaves(
        &self,
        tenant: TenantId,
        number: u64,
        leaves: &[Hash],
    ) -> Result<Vec<Entry>, SealError> {
        let before = (number * Tile::HASHES as u64).cast_signed();
        let width = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
        let entries = entries_page(&self.parts.store, tenant, before, width).await?;
        for (place, (number, sealed)) in (before + 1..).zip(leaves).enumerate() {
            let leaf = match entries.get(place) {
                Some(entry) => leaf(tenant, number, entry)?,
                None => return Err(is_missing(number)),
            };
            if leaf != *sealed {
                return Err(SealError::Stopped(format!(
                    "entry {number} is not the one that was sealed"
                )));
            }
        }
        Ok(entries)
    }

    /// Adds the entries after the tree's last up to `to`.
    async fn grow(
        &self,
        tenant: TenantId,
        tree: &mut GrowingTree,
        to: u64,
    ) -> Result<(), SealError> {
        while tree.size() < to {
            let after = tree.size().cast_signed();
            let limit = u32::try_from(to - tree.size()).unwrap_or(PAGE).min(PAGE);
            let page = entries_page(&self.parts.store, tenant, after, limit).await?;
            if page.is_empty() {
                return Err(is_missing(after + 1));
            }
            for (number, entry) in (after + 1..).zip(&page) {
                tree.push(leaf(tenant, number, entry)?);
            }
        }
        Ok(())
    }

    /// Writes what has grown. False: somebody else has sealed since `seal` was read.
    async fn write(
        &self,
        tenant: TenantId,
        seal: &Seal,
        tree: &mut GrowingTree,
        note: &str,
    ) -> Result<bool, SealError> {
        let mut tx = self.parts.store.begin().await?;
        // With this comes the lock of the tenant's seal, so what is compared now stays so.
        if !tx
            .advance_seal(tenant, seal, tree.size().cast_signed(), note)
            .await?
        {
            tx.rollback().await?;
            return Ok(false);
        }
        let grown = tree.take_grown();
        let stored = tree::load(&mut tx, tenant, grown.keys().copied().collect()).await?;
        for (id, tile) in &grown {
            if stored.get(id).is_some_and(|stored| !tile.extends(stored)) {
                tx.rollback().await?;
                return Err(SealError::Stopped(format!(
                    "tile {} of level {} holds other hashes than its entries give",
                    id.index, id.level
                )));
            }
            tx.put_tile(tenant, &tree::row(*id, tile)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Compares with what somebody else has sealed, as far as that goes.
    async fn compare(&self, tenant: TenantId, ours: &Checkpoint) -> Result<(), SealError> {
        let Some(theirs) = self.sealed_roll(tenant).await? else {
            return Ok(());
        };
        if theirs.checkpoint.size < ours.size {
            return Ok(());
        }
        let root = self.planned(tenant, &Plan::root(ours.size)).await?;
        if root == [ours.root] {
            Ok(())
        } else {
            Err(SealError::Stopped(format!(
                "two nodes have found different entries among the first {}",
                ours.size
            )))
        }
    }
}

fn is_missing(number: i64) -> SealError {
    SealError::Stopped(format!("entry {number} is missing"))
}

/// The leaf of an entry, which must be this tenant's and have this number, and a line that an export
/// can carry.
fn leaf(tenant: TenantId, number: i64, entry: &Entry) -> Result<Hash, SealError> {
    if entry.tenant_seq != number {
        return Err(is_missing(number));
    }
    let text = line::write(entry);
    match Line::read(text.as_bytes()) {
        Ok(line) if line.tenant == tenant => Ok(line.leaf()),
        Ok(_) => Err(SealError::Stopped(format!(
            "entry {number} is another tenant's"
        ))),
        Err(fault) => Err(SealError::Stopped(format!(
            "entry {number} is no line of a roll: {fault}"
        ))),
    }
}
