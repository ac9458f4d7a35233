//! How often a credential was used.

use chancery_domain::Timestamp;
use chancery_event_store::{StoreError, fetch_one};

use crate::{
    activity::Kind,
    filter::{ActivityFilter, Range},
    segments::{
        HOUR,
        walk::{Found, Walk},
    },
    usage::CredentialUses,
    way::Way,
};

/// More records than this are not counted one by one.
const COUNTED: usize = 10_000;

/// Nor are they looked for in more segments than this: each takes some tenths of a millisecond. What tells of a segment that
/// nothing of the credential is in it is another, and costs nearly nothing.
const READ: usize = 64;

/// How often something was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// So often.
    pub count: i64,
    /// And maybe more often: not all of its records were read. Never where it is none.
    pub at_least: bool,
}

impl CredentialUses<'_> {
    /// How often a credential has obtained a token since a moment: by the records to the end of its hour, of which not
    /// more than some are read, and from then on by whole hours.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn since(&mut self, credential: &str, since: Timestamp) -> Result<Times, StoreError> {
        let next_hour = Timestamp::from_micros((since.micros().div_euclid(HOUR) + 1) * HOUR);
        let after = self.since_the_hour(credential, next_hour).await?;
        let of_the_hour = self.since_the_hour(credential, since).await? - after;
        let mut times = Times::default();
        if of_the_hour > 0 {
            let part = (since, next_hour);
            times = self.within(credential, part, of_the_hour).await?;
        }
        times.count += after;
        Ok(times)
    }

    /// Of the uses within an hour, so many in all, those in a part of it.
    async fn within(
        &mut self,
        credential: &str,
        (since, until): (Timestamp, Timestamp),
        of_the_hour: i64,
    ) -> Result<Times, StoreError> {
        let bulk = Kind::ALL.into_iter().filter(|kind| kind.is_bulk());
        let filter = ActivityFilter {
            kinds: bulk.collect(),
            credential: Some(credential.to_owned()),
            since: Some(since),
            until: Some(until),
            ..ActivityFilter::default()
        };
        let wanted = filter.in_segments(Range::new(&filter, (None, None)));
        let way = (wanted, Way::Forth);
        let (schema, snapshot) = (self.log.schema(), &mut self.snapshot);
        let mut found = Found::new();
        let count = |found: &Found| i64::try_from(found.len()).unwrap_or(i64::MAX);
        let mut walk = Walk::begin(snapshot, schema, self.tenant, &filter, way).await?;
        let more =
            |walk: &Walk<'_>, found: &Found| walk.horizon().is_some() && count(found) < of_the_hour;
        while more(&walk, &found) && (found.is_empty() || found.len() < COUNTED && walk.read < READ)
        {
            walk.advance(snapshot, &mut found).await?;
        }
        Ok(Times {
            count: count(&found),
            at_least: more(&walk, &found),
        })
    }

    /// How often a credential has obtained a token since the hour in which a moment lies: counted by whole hours, however
    /// long ago.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn since_the_hour(
        &mut self,
        credential: &str,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(uses), 0) AS BIGINT) FROM {}.credential_use
              WHERE tenant_id = $1 AND credential_id = $2 AND hour >= $3",
            self.log.schema()
        );
        let (tenant, hour) = (self.tenant.to_string(), since.micros() / HOUR);
        let (folded,) = fetch_one!(&mut self.snapshot, (i64,), &sql, tenant, credential, hour)?;
        let of = (credential.into(), hour)..=(credential.into(), i64::MAX);
        let unfolded = self.unfolded.0.range(of).map(|(_, used)| used.count);
        Ok(folded + unfolded.sum::<i64>())
    }
}
