//! Tiles: how a tree is stored (C2SP tlog-tiles). A tile holds up to 256 hashes side by side of every
//! eighth level; all between can be computed from it.

use std::collections::BTreeMap;

use super::subtree::Subtree;
use crate::hash::Hash;

/// How many levels of the tree a tile spans.
pub(super) const HEIGHT: u8 = 8;

/// Where a tile stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0: its hashes are leaves; 1: they are the roots of full tiles of level 0; and so on.
    pub level: u8,
    /// How many tiles of the level stand to its left.
    pub index: u64,
}

/// Hashes side by side: 256 when it is full, fewer at the right edge of the tree. As a tree grows, its
/// last tiles grow with it; what a tile holds never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile(Vec<Hash>);

/// Bytes that are no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored tile has {0} bytes, which is not 1 to 256 hashes of 32 bytes")]
pub struct TileError(usize);

/// A tile that is needed is not there, or not as far as it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tile {} of level {} is not stored with {needed} hashes, which a tree of this size has",
    .tile.index,
    .tile.level
)]
pub struct MissingTile {
    /// Which one.
    pub tile: TileId,
    /// How many hashes of it are needed.
    pub needed: usize,
}

/// Tiles that were loaded, to compute with. One that holds more than is needed serves as well.
pub type Tiles = BTreeMap<TileId, Tile>;

impl TileId {
    /// How many hashes it holds in a tree of this size: 0 to 256.
    pub fn width(self, size: u64) -> usize {
        let hashes = size.checked_shr(u32::from(self.level) * u32::from(HEIGHT));
        let before = self.index.saturating_mul(Tile::HASHES as u64);
        let left = hashes.unwrap_or(0).saturating_sub(before);
        usize::try_from(left).map_or(Tile::HASHES, |left| left.min(Tile::HASHES))
    }

    /// The tiles at the right edge of a tree of this size that are not full: what it takes to let it
    /// grow.
    pub fn edge(size: u64) -> Vec<Self> {
        let level_of = |level: u8| {
            let hashes = size.checked_shr(u32::from(level) * u32::from(HEIGHT))?;
            let index = hashes / Tile::HASHES as u64;
            (hashes % Tile::HASHES as u64 != 0).then_some(Self { level, index })
        };
        (0..=u8::try_from(u64::BITS).unwrap_or(u8::MAX) / HEIGHT)
            .filter_map(level_of)
            .collect()
    }
}

impl Tile {
    /// How many hashes a full tile has.
    pub const HASHES: usize = 1 << HEIGHT;

    /// The tile with these hashes, if they are 1 to 256.
    pub(super) fn new(hashes: Vec<Hash>) -> Option<Self> {
        (1..=Self::HASHES)
            .contains(&hashes.len())
            .then_some(Self(hashes))
    }

    /// Reads a tile as [`Tile::to_bytes`] wrote it.
    ///
    /// # Errors
    /// [`TileError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TileError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
        let tile = Self::new(hashes.iter().copied().map(Hash::from_bytes).collect());
        tile.filter(|_| rest.is_empty())
            .ok_or(TileError(bytes.len()))
    }

    /// Its hashes, one after another.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(Hash::as_bytes).copied().collect()
    }

    /// Its hashes.
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Whether it will not grow any more.
    pub fn is_full(&self) -> bool {
        self.0.len() == Self::HASHES
    }

    /// Whether it is what an earlier state of the same tile can have become.
    pub fn extends(&self, earlier: &Self) -> bool {
        self.0.starts_with(&earlier.0)
    }
}

impl Subtree {
    /// The tile that its root can be computed from.
    pub(super) fn tile(self) -> TileId {
        let rise = self.level % HEIGHT;
        TileId {
            level: self.level / HEIGHT,
            index: (self.index << rise) / Tile::HASHES as u64,
        }
    }

    /// Its root.
    pub(super) fn root(self, tiles: &Tiles) -> Result<Hash, MissingTile> {
        let width = 1 << (self.level % HEIGHT);
        // Less than 256, since the tile holds all of it.
        let first = usize::try_from((self.index * width) % Tile::HASHES as u64).unwrap_or(0);
        let range = first..first + usize::try_from(width).unwrap_or(Tile::HASHES);
        let missing = MissingTile {
            tile: self.tile(),
            needed: range.end,
        };
        let tile = tiles.get(&self.tile()).ok_or(missing)?;
        tile.0.get(range).map(complete).ok_or(missing)
    }
}

/// The root above hashes whose number is a power of two.
pub(super) fn complete(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::empty(),
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Hash::node(complete(left), complete(right))
        }
    }
}
