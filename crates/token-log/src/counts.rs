//! How often a credential was used.

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{StoreError, fetch_one};

use crate::{
    activity::Kind,
    filter::{ActivityFilter, Range},
    log::TokenLog,
    segments::{
        HOUR,
        unfolded::Uses,
        walk::{Found, Walk},
    },
    way::Way,
};

/// More uses than this are not told apart.
pub(crate) const COUNTED: usize = 10_000;

impl TokenLog {
    /// How often a credential of the tenant has obtained a token since a moment, up to [`COUNTED`] records:
    /// for a short time, since it reads the records.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses_since(
        &self,
        tenant: TenantId,
        credential: &str,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        self.uses_within(tenant, credential, (since, None)).await
    }

    /// The same, since a moment that may be long ago: by the records to the end of its hour, and from then on
    /// by whole hours.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses_from(
        &self,
        tenant: TenantId,
        credential: &str,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let next_hour = Timestamp::from_micros((since.micros().div_euclid(HOUR) + 1) * HOUR);
        let within = (since, Some(next_hour));
        let first = self.uses_within(tenant, credential, within).await?;
        let rest = self.uses_since_the_hour(tenant, credential, next_hour);
        Ok(first + rest.await?)
    }

    async fn uses_within(
        &self,
        tenant: TenantId,
        credential: &str,
        (since, until): (Timestamp, Option<Timestamp>),
    ) -> Result<i64, StoreError> {
        let filter = ActivityFilter {
            kinds: Kind::ALL
                .into_iter()
                .filter(|kind| kind.is_bulk())
                .collect(),
            credential: Some(credential.to_owned()),
            since: Some(since),
            until,
            ..ActivityFilter::default()
        };
        let wanted = filter.in_segments(Range::new(&filter, (None, None)));
        let mut snapshot = self.database().snapshot().await?;
        let mut walk = Walk::begin(
            &mut snapshot,
            self.schema(),
            tenant,
            &filter,
            (wanted, Way::Forth),
        )
        .await?;
        let mut found = Found::new();
        while found.len() < COUNTED && walk.horizon().is_some() {
            walk.advance(&mut snapshot, &mut found).await?;
        }
        Ok(i64::try_from(found.len().min(COUNTED)).unwrap_or(i64::MAX))
    }

    /// How often a credential of the tenant has obtained a token since the hour in which a moment lies:
    /// counted by whole hours, however long ago.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses_since_the_hour(
        &self,
        tenant: TenantId,
        credential: &str,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let schema = self.schema();
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(uses), 0) AS BIGINT) FROM {schema}.credential_use
              WHERE tenant_id = $1 AND credential_id = $2 AND hour >= $3"
        );
        let mut snapshot = self.database().snapshot().await?;
        let hour = since.micros() / HOUR;
        let unfolded = Uses::unfolded(&mut snapshot, schema, tenant).await?;
        let tenant = tenant.to_string();
        let (folded,) = fetch_one!(&mut snapshot, (i64,), &sql, tenant, credential, hour)?;
        let of = (credential.into(), hour)..=(credential.into(), i64::MAX);
        let unfolded = unfolded.0.range(of).map(|(_, used)| used.count);
        Ok(folded + unfolded.sum::<i64>())
    }
}
