use std::collections::BTreeSet;

use super::{
    MAX_SIZE,
    frontier::root_of,
    subtree::{Subtree, cover},
    tile::{MissingTile, TileId, Tiles},
};
use crate::hash::Hash;

/// Which hashes a root or a proof consists of, and from which tiles they are computed: first load the
/// [`tiles`](Plan::tiles), then ask for the [`hashes`](Plan::hashes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(Vec<Vec<Subtree>>);

impl Plan {
    /// The root of a tree of this size: one hash; none for an empty tree.
    pub fn root(size: u64) -> Self {
        let all = cover(0, size);
        Self(if all.is_empty() {
            Vec::new()
        } else {
            vec![all]
        })
    }

    /// The roots of the complete subtrees that cover a tree of this size, left to right: what an
    /// export that begins after them carries as its prefix.
    pub fn subtrees(size: u64) -> Self {
        Self(
            cover(0, size)
                .into_iter()
                .map(|subtree| vec![subtree])
                .collect(),
        )
    }

    /// The inclusion proof of the leaf `index` in a tree of this size (RFC 6962, section 2.1.1). The
    /// leaf of entry *n* of a roll is *n* − 1. None: the tree has no such leaf.
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size || size > MAX_SIZE {
            return None;
        }
        let nodes = ct_merkle::indices_for_inclusion_proof(size, index);
        Some(Self::of_nodes(&nodes, size))
    }

    /// The proof that the tree of size `old` is the beginning of the one of size `new` (RFC 6962,
    /// section 2.1.2). Empty where nothing is to be shown: from an empty tree, and to the same one.
    /// None: the tree has not so many leaves.
    pub fn consistency(old: u64, new: u64) -> Option<Self> {
        if old > new || new > MAX_SIZE {
            return None;
        }
        if old == 0 || old == new {
            return Some(Self(Vec::new()));
        }
        let nodes = ct_merkle::indices_for_consistency_proof(old, new - old);
        Some(Self::of_nodes(&nodes, new))
    }

    /// The nodes of the library, which counts them from left to right (RFC 9420, appendix C): the
    /// number of trailing ones is the level, what stands before them the number within it. At the
    /// right edge of the tree a node may be incomplete.
    fn of_nodes(nodes: &[u64], size: u64) -> Self {
        let leaves = |node: &u64| {
            let level = node.trailing_ones();
            let from = (node >> (level + 1)) << level;
            cover(from, size.min(from + (1 << level)))
        };
        Self(nodes.iter().map(leaves).collect())
    }

    /// The tiles that it takes, each once, in the order of levels and numbers.
    pub fn tiles(&self) -> BTreeSet<TileId> {
        self.0
            .iter()
            .flatten()
            .map(|subtree| subtree.tile())
            .collect()
    }

    /// The hashes, in their order.
    ///
    /// # Errors
    /// [`MissingTile`].
    pub fn hashes(&self, tiles: &Tiles) -> Result<Vec<Hash>, MissingTile> {
        let hash = |subtrees: &Vec<Subtree>| {
            let roots = subtrees.iter().map(|subtree| subtree.root(tiles));
            let roots = roots.collect::<Result<Vec<_>, _>>()?;
            Ok(root_of(&roots).unwrap_or_else(Hash::empty))
        };
        self.0.iter().map(hash).collect()
    }
}
