use super::{
    frontier::Frontier,
    subtree::cover,
    tile::{MissingTile, Tile, TileId, Tiles, complete},
};
use crate::hash::Hash;

/// A tree that grows, and says which tiles to store.
#[derive(Clone, Debug, Default)]
pub struct GrowingTree {
    size: u64,
    /// Its size when the tiles that have grown were last taken.
    stored: u64,
    /// Of each level, from the lowest, the hashes of its last tile as long as that is not full.
    edge: Vec<Vec<Hash>>,
    /// What has grown since it was last stored.
    grown: Tiles,
}

impl GrowingTree {
    /// Goes on with a tree of this size, whose [`TileId::edge`] was loaded.
    ///
    /// # Errors
    /// [`MissingTile`], for a tile that is not there or has fewer hashes than the tree.
    pub fn resume(size: u64, tiles: &Tiles) -> Result<Self, MissingTile> {
        let mut tree = Self {
            size,
            stored: size,
            ..Self::default()
        };
        for id in TileId::edge(size) {
            let needed = id.width(size);
            let hashes = tiles.get(&id).and_then(|tile| tile.hashes().get(..needed));
            let hashes = hashes.ok_or(MissingTile { tile: id, needed })?;
            tree.level(id.level).extend_from_slice(hashes);
        }
        Ok(tree)
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            let edge = self.level(level);
            edge.push(hash);
            if edge.len() < Tile::HASHES {
                break;
            }
            let full = std::mem::take(edge);
            hash = complete(&full);
            let index = (self.size >> (8 * (u32::from(level) + 1))) - 1;
            let id = TileId { level, index };
            self.grown.extend(Tile::new(full).map(|tile| (id, tile)));
        }
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        self.frontier().root()
    }

    /// The same tree without its tiles.
    pub fn frontier(&self) -> Frontier {
        // Whatever covers the tree lies in the last tiles, greatest subtree first.
        let mut subtrees = Vec::new();
        for hashes in self.edge.iter().rev() {
            let mut rest = &hashes[..];
            for subtree in cover(0, hashes.len() as u64) {
                let (left, right) = rest.split_at(rest.len().min(1 << subtree.level));
                subtrees.push(complete(left));
                rest = right;
            }
        }
        Frontier::resume(self.size, subtrees).unwrap_or_default()
    }

    /// The tiles that are new or have grown since they were last taken, full ones and those at the
    /// edge, in the order of levels and numbers.
    pub fn take_grown(&mut self) -> Tiles {
        let mut grown = std::mem::take(&mut self.grown);
        let stored = std::mem::replace(&mut self.stored, self.size);
        for id in TileId::edge(self.size) {
            if id.width(stored) < id.width(self.size) {
                let tile = Tile::new(self.level(id.level).clone());
                grown.extend(tile.map(|tile| (id, tile)));
            }
        }
        grown
    }

    fn level(&mut self, level: u8) -> &mut Vec<Hash> {
        let level = usize::from(level);
        if self.edge.len() <= level {
            self.edge.resize_with(level + 1, Vec::new);
        }
        &mut self.edge[level]
    }
}
