//! The Merkle tree of RFC 6962, section 2.1. Leaf 0 is entry 1 of the roll.
//!
//! [`Frontier`] is the tree of whoever reads on and on: a few hashes, whatever the size.
//! [`GrowingTree`] is the sealer's: it says which [`Tile`]s to store. [`Plan`] says which of them a
//! root or a proof is made of, and makes it.

mod frontier;
mod growing;
mod plan;
mod proof;
mod subtree;
mod tile;

pub use frontier::Frontier;
pub use growing::GrowingTree;
pub use plan::Plan;
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use tile::{MissingTile, Tile, TileError, TileId, Tiles};

/// The most leaves a tree can have: numbers of the roll are 64 bits with a sign.
pub const MAX_SIZE: u64 = i64::MAX.cast_unsigned();
