//! Access tokens that ended before their time, and those that live.

use chancery_domain::{ActivityId, CredentialId, TenantId, Timestamp};
use chancery_event_store::StoreError;

use crate::{
    activity::Kind,
    filter::{ActivityFilter, InSegments, Range},
    log::{TokenLog, patiently},
    operation::RecordError,
    page::next_before,
    place::Place,
    segments::walk::{Found, Walk},
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
        let asked = self.look_ups().revoked.get((tenant, jti.to_owned()));
        Ok(patiently(asked).await?.is_some())
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
        let filter = ActivityFilter {
            kinds: Kind::ALL
                .into_iter()
                .filter(|kind| kind.is_bulk())
                .collect(),
            credential: Some(credential.to_string()),
            since: Some(now.plus_seconds(-LONGEST)),
            ..ActivityFilter::default()
        };
        let range = Range::new(&filter, (after.map(Place::from), None));
        let wanted = InSegments {
            alive_at: Some(now.micros()),
            ..filter.in_segments(range)
        };
        let mut snapshot = self.database().snapshot().await?;
        let mut walk = Walk::begin(&mut snapshot, self.schema(), tenant, &filter, wanted).await?;
        let (mut found, mut tokens) = (Found::new(), Vec::new());
        while tokens.len() < limit as usize {
            let horizon = walk.horizon();
            if let Some(record) = next_before(horizon, &mut found) {
                let alive = record.expires_at.filter(|end| now < *end);
                tokens.extend(record.jti.zip(alive).map(|(jti, expires_at)| LiveToken {
                    record: record.id,
                    jti,
                    expires_at,
                }));
            } else if horizon.is_some() {
                walk.advance(&mut snapshot, &mut found).await?;
            } else {
                break;
            }
        }
        Ok(tokens)
    }
}
