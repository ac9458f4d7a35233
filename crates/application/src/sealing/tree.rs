//! A tree's tiles, between the store's rows and the tree's own types.

use std::collections::BTreeSet;

use chancery_domain::TenantId;
use chancery_event_store::{Reads, TileRow, tiles};
use chancery_roll::tree::{Plan, Tile, TileId, Tiles};
use chancery_roll::{Hash, tree::MissingTile};

use super::SealError;
use crate::Application;

impl Application {
    /// The hashes of a plan, out of the roll's tiles.
    pub(super) async fn planned(
        &self,
        tenant: TenantId,
        plan: &Plan,
    ) -> Result<Vec<Hash>, SealError> {
        let tiles = load(&self.parts.store, tenant, plan.tiles()).await?;
        plan.hashes(&tiles).map_err(missing)
    }
}

/// Those of these tiles that are stored.
pub(super) async fn load(
    on: impl Reads<'_>,
    tenant: TenantId,
    ids: BTreeSet<TileId>,
) -> Result<Tiles, SealError> {
    let places: Vec<_> = ids.into_iter().map(place).collect();
    let rows = tiles(on, tenant, &places).await?;
    rows.iter().map(read).collect()
}

/// Level and number as the store counts them.
fn place(id: TileId) -> (i64, i64) {
    (i64::from(id.level), id.index.cast_signed())
}

fn read(row: &TileRow) -> Result<(TileId, Tile), SealError> {
    let id = TileId {
        level: u8::try_from(row.level).unwrap_or(u8::MAX),
        index: row.number.cast_unsigned(),
    };
    match Tile::from_bytes(&row.hashes) {
        Ok(tile) => Ok((id, tile)),
        Err(error) => Err(SealError::Stopped(error.to_string())),
    }
}

/// A tile as it is stored.
pub(super) fn row(id: TileId, tile: &Tile) -> TileRow {
    let (level, number) = place(id);
    TileRow {
        level,
        number,
        hashes: tile.to_bytes(),
    }
}

pub(super) fn missing(error: MissingTile) -> SealError {
    SealError::Stopped(error.to_string())
}
