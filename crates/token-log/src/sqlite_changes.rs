//! What a batch on SQLite does to tokens that live.

use chancery_domain::Timestamp;
use chancery_event_store::{StoreError, Tx, execute, fetch_one};

use crate::{
    activity::Entry,
    operation::Operation,
    refresh::{Change, NewFamily, Rotation},
};

const IS_LATEST: &str = "SELECT count(*) FROM refresh_families
      WHERE tenant_id = $1 AND family_id = $2 AND current_hash = $3 AND revoked_at IS NULL";

const BEGIN: &str = "INSERT INTO refresh_families (tenant_id, family_id, client_id, credential_id,
            last_credential, scopes, audience, roles, began_at, expires_at, current_hash, forget_at)
     VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, max($9, $11))";

const ROTATE: &str = "UPDATE refresh_families
        SET current_hash = $3, previous_hash = current_hash, rotated_at = $4,
            last_credential = $5, forget_at = max(forget_at, $6)
      WHERE tenant_id = $1 AND family_id = $2";

const REVOKE: &str = "UPDATE refresh_families SET revoked_at = $3
      WHERE tenant_id = $1 AND family_id = $2 AND revoked_at IS NULL";

const MARK: &str = "INSERT INTO access_tokens (tenant_id, jti, family_id, revoked_at, expires_at)
     VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, jti) DO UPDATE
            SET revoked_at = coalesce(access_tokens.revoked_at, excluded.revoked_at)";

/// Whether the refresh token that the operation uses, if it uses one, is the latest of its family.
pub(crate) async fn can_rotate(tx: &mut Tx, op: &Operation) -> Result<bool, StoreError> {
    let Some(Change::Rotate(rotation)) = &op.change else {
        return Ok(true);
    };
    let (found,) = fetch_one!(
        &mut *tx,
        (i64,),
        IS_LATEST,
        op.entry.tenant.to_string(),
        rotation.family.to_string(),
        rotation.presented.as_str()
    )?;
    Ok(found == 1)
}

/// Does it, when nothing stands in its way.
pub(crate) async fn change(tx: &mut Tx, op: &Operation) -> Result<(), StoreError> {
    let entry = &op.entry;
    let family = op.change.as_ref().and_then(Change::family);
    let family = family.map(|family| family.to_string());
    match &op.change {
        None => Ok(()),
        Some(Change::Begin(new)) => {
            begin(tx, entry, new).await?;
            mark(tx, entry, family, None).await
        }
        Some(Change::Rotate(rotation)) => {
            rotate(tx, entry, rotation).await?;
            mark(tx, entry, family, None).await
        }
        Some(Change::RevokeFamily(family)) => {
            let tenant = entry.tenant.to_string();
            execute!(tx, REVOKE, tenant, family.to_string(), entry.at.micros())?;
            Ok(())
        }
        Some(Change::RevokeToken) => mark(tx, entry, None, Some(entry.at)).await,
    }
}

async fn begin(tx: &mut Tx, entry: &Entry, new: &NewFamily) -> Result<(), StoreError> {
    execute!(
        tx,
        BEGIN,
        entry.tenant.to_string(),
        new.family.to_string(),
        entry.client.as_deref(),
        entry.credential.as_deref(),
        entry.scopes.as_deref().unwrap_or_default(),
        entry.audience.as_deref().unwrap_or_default(),
        new.roles.as_str(),
        entry.at.micros(),
        new.expires_at.micros(),
        new.hash.as_str(),
        ends(entry)
    )?;
    Ok(())
}

async fn rotate(tx: &mut Tx, entry: &Entry, rotation: &Rotation) -> Result<(), StoreError> {
    execute!(
        tx,
        ROTATE,
        entry.tenant.to_string(),
        rotation.family.to_string(),
        rotation.next.as_str(),
        entry.at.micros(),
        entry.credential.as_deref(),
        ends(entry)
    )?;
    Ok(())
}

async fn mark(
    tx: &mut Tx,
    entry: &Entry,
    family: Option<String>,
    revoked_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        MARK,
        entry.tenant.to_string(),
        entry.jti.as_deref(),
        family,
        revoked_at.map(Timestamp::micros),
        ends(entry)
    )?;
    Ok(())
}

/// When the entry's access token ends.
fn ends(entry: &Entry) -> Option<i64> {
    entry.expires_at.map(Timestamp::micros)
}
