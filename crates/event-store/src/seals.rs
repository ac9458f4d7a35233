//! What seals the rolls: for each tenant an origin and a key for ever, the tiles of its tree, and the
//! latest signed checkpoint. What tiles and notes say is not this crate's to understand.

use chancery_domain::{KeyId, TenantId, Timestamp};

use crate::{
    error::StoreError,
    execute, fetch_all, fetch_optional,
    query::Reads,
    store::Store,
    tx::Tx,
    vault::{NOTE_KEY, SealedKey},
};

/// A page of the tenants that have a key for seals, and how many seals each has. The count is there so that both
/// stores look each one up: a join they would rather answer by reading every seal.
const SEALS_GONE: &str = "SELECT k.tenant_id, (SELECT COUNT(*) FROM seals s WHERE s.tenant_id = k.tenant_id)
   FROM (SELECT tenant_id FROM sealed_keys WHERE purpose = $1 AND tenant_id > $2 ORDER BY tenant_id LIMIT $3) k";

/// A page of seals, each with the head of its roll. The head is looked up one by one, as above.
const SEALS_AFTER: &str = "SELECT s.tenant_id, s.origin, s.verifier_key, s.size, s.note, (SELECT t.head FROM tenant_log t WHERE t.tenant_id = s.tenant_id)
   FROM seals s WHERE s.tenant_id > $1 ORDER BY s.tenant_id LIMIT $2";

/// A seal as it is stored, to be compared with what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSeal {
    /// Whose.
    pub tenant: TenantId,
    /// The log's name.
    pub origin: String,
    /// The key that signs, as a verifier key.
    pub verifier_key: String,
    /// How many entries are sealed.
    pub size: i64,
    /// The checkpoint: a signed note.
    pub note: String,
    /// The last entry that the roll says it has; none where there is no roll.
    pub head: Option<i64>,
}

/// How far a tenant's roll is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The log's name in its checkpoints, fixed at the first seal.
    pub origin: String,
    /// The key that signs them: its private half is in the vault.
    pub key: KeyId,
    /// Its public half, as a verifier key.
    pub verifier_key: String,
    /// How many entries are sealed.
    pub size: i64,
    /// The checkpoint of this size: a signed note.
    pub note: String,
    /// What was found to be not as it was sealed. Nothing more is sealed since then.
    pub fault: Option<String>,
}

/// Where a tile stands in its tree, and the hashes that it holds.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TileRow {
    /// How many tiles high it stands.
    pub level: i64,
    /// How many tiles of the level stand to its left.
    pub number: i64,
    /// Its hashes, side by side.
    pub hashes: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct SealRow {
    origin: String,
    key_id: String,
    verifier_key: String,
    size: i64,
    note: String,
    fault: Option<String>,
}

/// How far the tenant's roll is sealed; `None` before its first seal.
pub async fn seal(on: impl Reads<'_>, tenant: TenantId) -> Result<Option<Seal>, StoreError> {
    let row = fetch_optional!(
        on,
        SealRow,
        "SELECT origin, key_id, verifier_key, size, note, fault FROM seals WHERE tenant_id = $1",
        tenant.to_string()
    )?;
    row.map(|row| {
        Ok(Seal {
            key: row.key_id.parse().map_err(|_| {
                StoreError::Corrupt(format!(
                    "the seal of {tenant} names `{}`, which is no key",
                    row.key_id
                ))
            })?,
            origin: row.origin,
            verifier_key: row.verifier_key,
            size: row.size,
            note: row.note,
            fault: row.fault,
        })
    })
    .transpose()
}

/// Those of the tenant's tiles at these levels and numbers that are stored.
pub async fn tiles(
    on: impl Reads<'_>,
    tenant: TenantId,
    places: &[(i64, i64)],
) -> Result<Vec<TileRow>, StoreError> {
    let mut connection = on.source().connection().await?;
    let mut found = Vec::with_capacity(places.len());
    for (level, number) in places {
        found.extend(fetch_optional!(
            &mut connection,
            TileRow,
            "SELECT level, number, hashes FROM tiles WHERE tenant_id = $1 AND level = $2 AND number = $3",
            tenant.to_string(),
            *level,
            *number
        )?);
    }
    Ok(found)
}

impl Store {
    /// So many tenants with entries that are not sealed, those first that wait the longest. Left out
    /// are those whose sealing was stopped.
    pub async fn platform_unsealed(&self, limit: u32) -> Result<Vec<TenantId>, StoreError> {
        let rows = fetch_all!(
            self,
            (String,),
            "SELECT t.tenant_id FROM tenant_log t LEFT JOIN seals s ON s.tenant_id = t.tenant_id
              WHERE t.unsealed_since IS NOT NULL AND s.fault IS NULL
              ORDER BY t.unsealed_since, t.tenant_id LIMIT $1",
            i64::from(limit)
        )?;
        rows.iter().map(|(tenant,)| tenant_id(tenant)).collect()
    }

    /// When the first entry of any roll was recorded that is not sealed, and nothing is in the way.
    pub async fn platform_unsealed_since(&self) -> Result<Option<Timestamp>, StoreError> {
        let oldest = fetch_optional!(
            self,
            (i64,),
            "SELECT t.unsealed_since FROM tenant_log t LEFT JOIN seals s ON s.tenant_id = t.tenant_id
              WHERE t.unsealed_since IS NOT NULL AND s.fault IS NULL ORDER BY t.unsealed_since LIMIT 1"
        )?;
        Ok(oldest.map(|(at,)| Timestamp::from_micros(at)))
    }

    /// So many tenants whose sealing was stopped, each with what was found.
    pub async fn platform_seal_faults(
        &self,
        limit: u32,
    ) -> Result<Vec<(TenantId, String)>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, String),
            "SELECT tenant_id, fault FROM seals WHERE fault IS NOT NULL ORDER BY tenant_id LIMIT $1",
            i64::from(limit)
        )?;
        rows.into_iter()
            .map(|(tenant, fault)| Ok((tenant_id(&tenant)?, fault)))
            .collect()
    }

    /// Whether there is anything of a seal that the tenant's roll had: its key in the vault, or a tile.
    pub async fn was_sealed(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let found = fetch_optional!(
            self,
            (i64,),
            "SELECT CAST(1 AS BIGINT) FROM sealed_keys WHERE tenant_id = $1 AND purpose = $2
             UNION ALL SELECT CAST(1 AS BIGINT) FROM tiles WHERE tenant_id = $1 LIMIT 1",
            tenant.to_string(),
            NOTE_KEY
        )?;
        Ok(found.is_some())
    }

    /// So many tenants past this one that have a key for seals, each with whether its seal is gone. What it
    /// costs does not depend on how many there are.
    pub async fn platform_seals_gone(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, bool)>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, i64),
            SEALS_GONE,
            NOTE_KEY,
            after.map(|tenant| tenant.to_string()).unwrap_or_default(),
            i64::from(limit)
        )?;
        let mut found: Vec<_> = rows
            .into_iter()
            .map(|(tenant, seals)| Ok((tenant_id(&tenant)?, seals == 0)))
            .collect::<Result<_, StoreError>>()?;
        // The page is the first by their order; within it the stores keep none.
        found.sort_unstable();
        Ok(found)
    }

    /// So many seals past this tenant's, in the order of the tenants' ids, as they are stored. What it costs does
    /// not depend on how many there are.
    pub async fn platform_seals_after(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<StoredSeal>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, String, String, i64, String, Option<i64>),
            SEALS_AFTER,
            after.map(|tenant| tenant.to_string()).unwrap_or_default(),
            i64::from(limit)
        )?;
        rows.into_iter()
            .map(|(tenant, origin, verifier_key, size, note, head)| {
                Ok(StoredSeal {
                    tenant: tenant_id(&tenant)?,
                    origin,
                    verifier_key,
                    size,
                    note,
                    head,
                })
            })
            .collect()
    }

    /// How the database goes about [`Store::platform_seals_gone`]: the lines of its plan.
    #[cfg(feature = "testing")]
    pub async fn explain_seals_gone(
        &self,
        after: TenantId,
        limit: u32,
    ) -> Result<String, StoreError> {
        let bound = [NOTE_KEY.to_owned(), after.to_string()];
        self.explain_seals(SEALS_GONE, &bound, limit).await
    }

    /// How the database goes about [`Store::platform_seals_after`].
    #[cfg(feature = "testing")]
    pub async fn explain_seals_after(
        &self,
        after: TenantId,
        limit: u32,
    ) -> Result<String, StoreError> {
        self.explain_seals(SEALS_AFTER, &[after.to_string()], limit)
            .await
    }

    #[cfg(feature = "testing")]
    async fn explain_seals(
        &self,
        sql: &str,
        bound: &[String],
        limit: u32,
    ) -> Result<String, StoreError> {
        use crate::query::Connection;
        let limit = i64::from(limit);
        let lines: Vec<String> = match self.source().connection().await? {
            Connection::Postgres(mut held) => {
                let sql = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}");
                let query = bound
                    .iter()
                    .fold(sqlx::query_as(&sql), sqlx::query::QueryAs::bind);
                let rows: Vec<(String,)> = query.bind(limit).fetch_all(&mut *held).await?;
                rows.into_iter().map(|(line,)| line).collect()
            }
            Connection::Sqlite(mut held) => {
                let sql = format!("EXPLAIN QUERY PLAN {sql}");
                let query = bound
                    .iter()
                    .fold(sqlx::query_as(&sql), sqlx::query::QueryAs::bind);
                let rows: Vec<(i64, i64, i64, String)> =
                    query.bind(limit).fetch_all(&mut *held).await?;
                rows.into_iter().map(|(.., line)| line).collect()
            }
        };
        Ok(lines.join("\n"))
    }

    /// So many tenants past this one whose rolls are sealed, with how far.
    pub async fn platform_sealed(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, i64),
            "SELECT tenant_id, size FROM seals WHERE tenant_id > $1 AND size > 0 AND fault IS NULL
              ORDER BY tenant_id LIMIT $2",
            after.map(|tenant| tenant.to_string()).unwrap_or_default(),
            i64::from(limit)
        )?;
        rows.into_iter()
            .map(|(tenant, size)| Ok((tenant_id(&tenant)?, size)))
            .collect()
    }
}

impl Tx {
    /// The tenant's first seal: its origin, its key and a checkpoint. False: it has one already, which
    /// stays; this transaction must not be committed then.
    pub async fn begin_seal(
        &mut self,
        tenant: TenantId,
        seal: &Seal,
        key: &SealedKey,
    ) -> Result<bool, StoreError> {
        let made = execute!(
            self,
            "INSERT INTO seals (tenant_id, origin, key_id, verifier_key, size, note) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id) DO NOTHING",
            tenant.to_string(),
            &*seal.origin,
            seal.key.to_string(),
            &*seal.verifier_key,
            seal.size,
            &*seal.note
        )?;
        if made == 0 {
            return Ok(false);
        }
        self.keep_sealed_key(tenant, NOTE_KEY, key).await?;
        Ok(true)
    }

    /// From a seal that was read to a later checkpoint, and with it the lock of the tenant's seal. False:
    /// somebody else has moved it, or sealing was stopped.
    pub async fn advance_seal(
        &mut self,
        tenant: TenantId,
        from: &Seal,
        to: i64,
        note: &str,
    ) -> Result<bool, StoreError> {
        let moved = execute!(
            self,
            "UPDATE seals SET size = $4, note = $5
              WHERE tenant_id = $1 AND size = $2 AND note = $3 AND verifier_key = $6 AND fault IS NULL",
            tenant.to_string(),
            from.size,
            &*from.note,
            to,
            note,
            &*from.verifier_key
        )?;
        if moved == 0 {
            return Ok(false);
        }
        // Whoever appends meanwhile holds this row, and has moved the head when it is let go.
        execute!(
            self,
            "UPDATE tenant_log SET unsealed_since = NULL WHERE tenant_id = $1 AND head = $2",
            tenant.to_string(),
            to
        )?;
        Ok(true)
    }

    /// Stores a tile, or what it has become. The caller has compared it with what was there.
    pub async fn put_tile(&mut self, tenant: TenantId, tile: &TileRow) -> Result<(), StoreError> {
        execute!(
            self,
            "INSERT INTO tiles (tenant_id, level, number, hashes) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, level, number) DO UPDATE SET hashes = excluded.hashes",
            tenant.to_string(),
            tile.level,
            tile.number,
            &*tile.hashes
        )?;
        Ok(())
    }

    /// Stops the sealing of a tenant; the first fault stays. Gives whether this is it.
    pub async fn stop_sealing(
        &mut self,
        tenant: TenantId,
        fault: &str,
    ) -> Result<bool, StoreError> {
        let stopped = execute!(
            self,
            "UPDATE seals SET fault = $2 WHERE tenant_id = $1 AND fault IS NULL",
            tenant.to_string(),
            fault
        )?;
        Ok(stopped > 0)
    }

    /// Lets the sealing of a tenant go on, because its whole roll was found as it was sealed. Gives
    /// whether it was stopped.
    pub async fn resume_sealing(&mut self, tenant: TenantId) -> Result<bool, StoreError> {
        let resumed = execute!(
            self,
            "UPDATE seals SET fault = NULL WHERE tenant_id = $1 AND fault IS NOT NULL",
            tenant.to_string()
        )?;
        Ok(resumed > 0)
    }
}

fn tenant_id(text: &str) -> Result<TenantId, StoreError> {
    text.parse().map_err(|_| {
        StoreError::Corrupt(format!(
            "there is a roll of `{text}`, which is no tenant's id"
        ))
    })
}
