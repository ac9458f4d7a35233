//! Reading the log, page by page.

use chancery_domain::{ActivityId, TenantId, Timestamp};
use chancery_event_store::{StoreError, fetch_all, fetch_optional};

use crate::{
    activity::{Activity, Kind},
    filter::{ActivityFilter, Leg},
    log::TokenLog,
    place::Place,
};

/// How many records a page looks at, at most, when its filter leaves out some that its index gives.
const EXAMINED_AT_MOST: usize = 10_000;

/// How many are read at once then, at most. The first time it is one more than the page holds; each
/// time after that, four times as many.
const BATCH: usize = 2_000;

/// A page of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityPage {
    /// What is on it, newest last.
    pub records: Vec<Activity>,
    /// Up to where it goes; nothing where there was nothing. With few records that a filter lets
    /// through the page may be shorter than it was asked for, and go further than its last record.
    pub end: Option<ActivityId>,
    /// Whether the log goes on.
    pub has_next: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    at: i64,
    position: i64,
    kind: String,
    client_id: Option<String>,
    credential_id: Option<String>,
    scopes: Option<String>,
    audience: Option<String>,
    jti: Option<String>,
    expires_at: Option<i64>,
    address: Option<String>,
    user_agent: Option<String>,
    reason: Option<String>,
    trace_id: Option<String>,
    times: i64,
}

impl TokenLog {
    /// The newest record of the tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest(&self, tenant: TenantId) -> Result<Option<ActivityId>, StoreError> {
        let sql = newest(self.schema());
        let place = fetch_optional!(self.database(), (i64, i64), &sql, tenant.to_string())?;
        Ok(place.map(|(at, position)| Place { at, position }.into()))
    }

    /// At most `limit` records of the tenant, newest last: those after one record, and not after
    /// another.
    ///
    /// Two nodes may write at the same moment, so a reader that follows the log should stay a few
    /// seconds behind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        tenant: TenantId,
        (after, upto): (Option<ActivityId>, Option<ActivityId>),
        limit: u32,
        filter: &ActivityFilter,
    ) -> Result<ActivityPage, StoreError> {
        let legs = filter.legs();
        let limit = limit as usize;
        let (mut after, upto) = (after.map(Place::from), upto.map(Place::from));
        let mut page = ActivityPage::default();
        let (mut batch, mut examined) = (limit + 1, 0);
        loop {
            let mut rows = Vec::new();
            for leg in &legs {
                rows.extend(self.leg(tenant, *leg, (after, upto), batch, filter).await?);
            }
            rows.sort_unstable_by_key(Row::place);
            rows.truncate(batch);
            let more = rows.len() == batch;
            examined += rows.len();
            for row in rows {
                let place = row.place();
                let record = row.read()?;
                if filter.lets_through(&record) {
                    if page.records.len() == limit {
                        page.end = page.records.last().map(|record| record.id);
                        page.has_next = true;
                        return Ok(page);
                    }
                    page.records.push(record);
                }
                page.end = Some(place.into());
                after = Some(place);
            }
            page.has_next = more && examined >= EXAMINED_AT_MOST;
            if !more || page.has_next {
                return Ok(page);
            }
            let next = (batch * 4).min(BATCH.max(limit + 1));
            batch = next.min(EXAMINED_AT_MOST.saturating_sub(examined));
        }
    }

    /// What comes next on one of the ways.
    async fn leg(
        &self,
        tenant: TenantId,
        leg: Leg<'_>,
        (after, upto): (Option<Place>, Option<Place>),
        limit: usize,
        filter: &ActivityFilter,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = query(
            self.schema(),
            leg,
            (after.is_some(), upto.is_some()),
            filter,
        );
        let (since, until) = filter.times(leg);
        let nowhere = Place { at: 0, position: 0 };
        let (after, upto) = (after.unwrap_or(nowhere), upto.unwrap_or(nowhere));
        fetch_all!(
            self.database(),
            Row,
            &sql,
            tenant.to_string(),
            i64::try_from(limit).unwrap_or(i64::MAX),
            after.at,
            after.position,
            leg.condition().1,
            since,
            until,
            upto.at,
            upto.position,
        )
    }
}

fn newest(schema: &str) -> String {
    format!(
        "SELECT at, position FROM {schema}.activity WHERE tenant_id = $1
          ORDER BY at DESC, position DESC LIMIT 1"
    )
}

/// Only what is asked for is in the text, so that the right index is used; what is bound beside it
/// is not looked at.
fn query(
    schema: &str,
    leg: Leg<'_>,
    (follows, ends): (bool, bool),
    filter: &ActivityFilter,
) -> String {
    let (since, until) = filter.times(leg);
    let clauses = [
        // The first condition of each pair is for the planners: the second alone does not prune days.
        (follows, "AND at >= $3 AND (at, position) > ($3, $4)"),
        (since.is_some(), "AND at >= $6"),
        (until.is_some(), "AND at < $7"),
        (ends, "AND at <= $8 AND (at, position) <= ($8, $9)"),
    ];
    let clauses: Vec<_> = clauses
        .iter()
        .filter_map(|(asked, clause)| asked.then_some(*clause))
        .collect();
    let (condition, clauses) = (leg.condition().0, clauses.join(" "));
    format!(
        "SELECT at, position, kind, client_id, credential_id, scopes, audience, jti, expires_at,
                address, user_agent, reason, trace_id, times
           FROM {schema}.activity WHERE tenant_id = $1 {condition} {clauses}
          ORDER BY at, position LIMIT $2"
    )
}

impl ActivityFilter {
    fn lets_through(&self, record: &Activity) -> bool {
        let is = |asked: &Option<String>, found: &Option<String>| asked.is_none() || asked == found;
        (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && is(&self.client, &record.client)
            && is(&self.credential, &record.credential)
            && is(&self.reason, &record.reason)
            && is(&self.jti, &record.jti)
            && is(&self.trace_id, &record.trace_id)
    }
}

impl Row {
    fn place(&self) -> Place {
        Place {
            at: self.at,
            position: self.position,
        }
    }

    fn read(self) -> Result<Activity, StoreError> {
        let kind: Kind = self.kind.parse().map_err(|_| {
            StoreError::Corrupt(format!("activity of the unknown kind `{}`", self.kind))
        })?;
        let words = |text: Option<String>| {
            text.iter()
                .flat_map(|text| text.split(' '))
                .filter(|word| !word.is_empty())
                .map(ToOwned::to_owned)
                .collect()
        };
        Ok(Activity {
            id: self.place().into(),
            at: Timestamp::from_micros(self.at),
            kind,
            client: self.client_id,
            credential: self.credential_id,
            scopes: words(self.scopes),
            audience: words(self.audience),
            jti: self.jti,
            expires_at: self.expires_at.map(Timestamp::from_micros),
            address: self.address,
            user_agent: self.user_agent,
            reason: self.reason,
            trace_id: self.trace_id,
            times: self.times,
        })
    }
}

#[cfg(test)]
mod tests;
