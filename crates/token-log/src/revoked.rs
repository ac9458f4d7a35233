//! Access tokens that ended before their time, and those that live.

use chancery_domain::{ActivityId, CredentialId, TenantId, Timestamp};
use chancery_event_store::{StoreError, fetch_all, fetch_one};

use crate::{
    log::{TokenLog, patiently},
    operation::RecordError,
    place::Place,
};

/// No access token lives longer, in seconds: the bound of every tenant's policy.
const LONGEST: i64 = 86_400;

/// An access token that has not ended by itself yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// Where its record stands in the activity log.
    pub record: ActivityId,
    /// Its id.
    pub jti: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl TokenLog {
    /// Whether the access token with this id was revoked, by itself or with the refresh tokens that
    /// gave it, whichever node did it.
    ///
    /// # Errors
    /// [`RecordError`]: it is not known.
    pub async fn is_revoked(&self, tenant: TenantId, jti: &str) -> Result<bool, RecordError> {
        let schema = self.schema();
        let sql = format!(
            "SELECT count(*) FROM {schema}.access_tokens t
               LEFT JOIN {schema}.refresh_families f
                 ON f.tenant_id = t.tenant_id AND f.family_id = t.family_id
              WHERE t.tenant_id = $1 AND t.jti = $2
                AND (t.revoked_at IS NOT NULL OR f.revoked_at IS NOT NULL)"
        );
        let asked = async { fetch_one!(self.database(), (i64,), &sql, tenant.to_string(), jti) };
        let (found,) = patiently(asked).await?;
        Ok(found > 0)
    }

    /// At most `limit` access tokens that this credential obtained and that have not ended by
    /// themselves, after this record, oldest first: what a compromise of it reaches. Fewer than
    /// `limit`: these were the last. It is as complete as the activity log: with asynchronous
    /// durability, or a retention below a day, some may be missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn live_tokens(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        after: Option<ActivityId>,
        limit: u32,
    ) -> Result<Vec<LiveToken>, StoreError> {
        let now = self.clock().now();
        let begin = Place {
            at: now.plus_seconds(-LONGEST).micros(),
            position: 0,
        };
        let after = after.map_or(begin, |after| begin.max(after.into()));
        let sql = format!(
            "SELECT at, position, jti, expires_at FROM {}.activity
              WHERE tenant_id = $1 AND credential_id = $2 AND at >= $3
                AND (at, position) > ($3, $4) AND expires_at > $5 AND jti IS NOT NULL
                AND kind IN ('token_issued', 'token_refreshed')
              ORDER BY at, position LIMIT $6",
            self.schema()
        );
        let rows = fetch_all!(
            self.database(),
            (i64, i64, String, i64),
            &sql,
            tenant.to_string(),
            credential.to_string(),
            after.at,
            after.position,
            now.micros(),
            i64::from(limit)
        )?;
        let token = |(at, position, jti, expires_at)| LiveToken {
            record: Place { at, position }.into(),
            jti,
            expires_at: Timestamp::from_micros(expires_at),
        };
        Ok(rows.into_iter().map(token).collect())
    }
}
