//! Reading the log, page by page: rows and segments, in the one order of the log.

mod rows;

use chancery_domain::{ActivityId, TenantId};
use chancery_event_store::{StoreError, fetch_optional};

use crate::{
    activity::Activity,
    filter::{ActivityFilter, Range},
    log::TokenLog,
    page::rows::Rows,
    place::Place,
    segments::{
        HOUR,
        walk::{Found, Walk},
    },
    way::Way,
};

/// How many records a page looks at, at most, when its filter leaves out some that its index gives. A
/// segment that is left out by its summary counts as ten.
const EXAMINED_AT_MOST: usize = 10_000;

/// A page of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityPage {
    /// What is on it, in the order in which the log was read.
    pub records: Vec<Activity>,
    /// Up to where it goes; nothing where there was nothing. With few records that a filter lets
    /// through the page may be shorter than it was asked for, and go further than its last record.
    pub end: Option<ActivityId>,
    /// Whether the log goes on.
    pub has_next: bool,
}

impl TokenLog {
    /// A place that no record of the tenant stands behind yet: that of the newest, or between it and the
    /// next.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest(&self, tenant: TenantId) -> Result<Option<ActivityId>, StoreError> {
        let mut newest = None;
        // In this order: what leaves one of them meanwhile is found in the next.
        for sql in newest_of(self.schema()) {
            let place = fetch_optional!(self.database(), (i64, i64), &sql, tenant.to_string())?;
            newest = newest.max(place.map(|(at, position)| Place { at, position }));
        }
        Ok(newest.map(Into::into))
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
        let range = Range::new(filter, (after.map(Place::from), upto.map(Place::from)));
        self.read(tenant, (range, Way::Forth), limit, filter).await
    }

    /// At most `limit` records of the tenant before one place, newest first; without one, from the end. The page ends
    /// with the place before which it goes on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page_back(
        &self,
        tenant: TenantId,
        before: Option<ActivityId>,
        limit: u32,
        filter: &ActivityFilter,
    ) -> Result<ActivityPage, StoreError> {
        let upto = before.map(|before| Place::from(before).previous());
        let range = Range::new(filter, (None, upto));
        self.read(tenant, (range, Way::Back), limit, filter).await
    }

    async fn read(
        &self,
        tenant: TenantId,
        (range, way): (Range, Way),
        limit: u32,
        filter: &ActivityFilter,
    ) -> Result<ActivityPage, StoreError> {
        let limit = limit as usize;
        // What is put together meanwhile must be seen before that or after it, not twice and not never.
        let mut snapshot = self.database().snapshot().await?;
        let mut rows = Rows::new(
            self.schema(),
            tenant,
            (range, way),
            filter,
            (limit, EXAMINED_AT_MOST),
        );
        let wanted = filter.in_segments(range);
        let mut segments =
            Walk::begin(&mut snapshot, self.schema(), tenant, filter, (wanted, way)).await?;
        let (mut found, mut page) = (Found::new(), ActivityPage::default());
        loop {
            let horizons = [rows.horizon(), segments.horizon()];
            let horizons = horizons.into_iter().flatten();
            let horizon = horizons.reduce(|one, other| way.first(one, other));
            if let Some(record) = way.next_before(horizon, &mut found) {
                if page.records.len() == limit {
                    page.end = page.records.last().map(|record| record.id);
                    page.has_next = true;
                    return Ok(page);
                }
                page.records.push(record);
                continue;
            }
            let Some(horizon) = horizon else {
                let reached = [rows.reached, segments.reached].into_iter().flatten();
                let reached = reached.reduce(|one, other| way.last(one, other));
                page.end = reached.map(Into::into);
                return Ok(page);
            };
            let examined = rows.examined + segments.examined;
            let end = way.passed(horizon);
            if examined >= EXAMINED_AT_MOST && !way.is_before(end, way.begin(range)) {
                page.end = Some(end.into());
                page.has_next = true;
                return Ok(page);
            }
            if rows.horizon() == Some(horizon) {
                rows.advance(&mut snapshot, &mut found).await?;
            } else {
                segments.advance(&mut snapshot, &mut found).await?;
            }
        }
    }
}

/// Nothing reaches from one hour into the next, so the last segment is one of the last hour.
fn newest_of(schema: &str) -> [String; 3] {
    [
        format!(
            "SELECT last_at, position + records - 1 FROM {schema}.activity_fresh WHERE tenant_id = $1
              ORDER BY 1 DESC, 2 DESC LIMIT 1"
        ),
        format!(
            "SELECT last_at, last_position FROM {schema}.activity_segments
              WHERE tenant_id = $1 AND first_at >= (
                    SELECT MAX(first_at) / {HOUR} * {HOUR} FROM {schema}.activity_segments WHERE tenant_id = $1)
              ORDER BY 1 DESC, 2 DESC LIMIT 1"
        ),
        format!(
            "SELECT at, position FROM {schema}.activity WHERE tenant_id = $1
              ORDER BY at DESC, position DESC LIMIT 1"
        ),
    ]
}

#[cfg(test)]
mod tests;
