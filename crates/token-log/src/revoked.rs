//! Access tokens that ended before their time, and those that live.

use chancery_domain::{ActivityId, CredentialId, TenantId};
use chancery_event_store::StoreError;

use crate::{
    activity::{Activity, Kind},
    filter::{ActivityFilter, InSegments, Range},
    log::{TokenLog, patiently},
    operation::RecordError,
    place::Place,
    segments::walk::{Found, Walk},
    way::Way,
};

/// No access token lives longer, in seconds: the bound of every tenant's policy.
const LONGEST: i64 = 86_400;

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

    /// The records of at most `limit` access tokens that this credential obtained and that have not ended by
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
    ) -> Result<Vec<Activity>, StoreError> {
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
        let mut walk = Walk::begin(
            &mut snapshot,
            self.schema(),
            tenant,
            &filter,
            (wanted, Way::Forth),
        )
        .await?;
        let (mut found, mut tokens) = (Found::new(), Vec::new());
        while tokens.len() < limit as usize {
            let horizon = walk.horizon();
            if let Some(record) = Way::Forth.next_before(horizon, &mut found) {
                if record.expires_at.is_some_and(|end| now < end) {
                    tokens.push(record);
                }
            } else if horizon.is_some() {
                walk.advance(&mut snapshot, &mut found).await?;
            } else {
                break;
            }
        }
        Ok(tokens)
    }
}
