//! Reading the log from its end. What is stored is walked forwards, so it is read by stretches of time: each as long
//! as holds about a page, the last of them first.

use chancery_domain::{ActivityId, TenantId};
use chancery_event_store::StoreError;

use super::ActivityPage;
use crate::{activity::Activity, filter::ActivityFilter, log::TokenLog, place::Place};

/// How many records of a stretch are read at once; one that holds more is too long.
const STRETCH: u32 = 200;
/// How many stretches are tried for a page. One that is full of what a filter leaves out may end before it has found
/// enough.
const TRIED: usize = 40;
/// How long a stretch is at first, in microseconds.
const MINUTE: i64 = 60_000_000;
/// How much longer the next one is where there was little, and shorter where there was too much.
const FACTOR: i64 = 8;

impl TokenLog {
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
        let limit = limit as usize;
        let newest = match before {
            Some(before) => Some(Place::from(before).previous()),
            None => self.newest(tenant).await?.map(Place::from),
        };
        let Some(mut upto) = newest else {
            return Ok(ActivityPage::default());
        };
        if let Some(until) = filter.until {
            upto = upto.min(Place::start(until.micros()).previous());
        }
        let oldest = filter.since.map_or(0, |since| since.micros().max(0));
        // All of it is the first stretch: often there is little.
        let (mut from, mut length) = (oldest, MINUTE * FACTOR);
        let mut found: Vec<Activity> = Vec::new();
        for _ in 0..TRIED {
            if upto < Place::start(oldest) {
                return Ok(ended(found, limit));
            }
            let stretch = self.stretch(tenant, (from, upto), filter).await?;
            if let Some(records) = stretch {
                if records.len() < STRETCH as usize / 2 {
                    length = length.saturating_mul(FACTOR);
                }
                found.extend(records.into_iter().rev());
                if found.len() > limit || from <= oldest {
                    return Ok(ended(found, limit));
                }
                upto = Place::start(from).previous();
            } else {
                length = (length.min(upto.at - from) / FACTOR).max(1);
            }
            from = (upto.at - length).max(oldest);
        }
        let mut page = ended(found, limit);
        if !page.has_next {
            page.has_next = true;
            page.end = Some(upto.next().into());
        }
        Ok(page)
    }

    /// What lies between a moment and a place; `None`: too much.
    async fn stretch(
        &self,
        tenant: TenantId,
        (from, upto): (i64, Place),
        filter: &ActivityFilter,
    ) -> Result<Option<Vec<Activity>>, StoreError> {
        let upto = Some(ActivityId::from(upto));
        let mut after = Some(Place::start(from).previous().into());
        let mut records = Vec::new();
        loop {
            let page = self.page(tenant, (after, upto), STRETCH, filter).await?;
            records.extend(page.records);
            if !page.has_next {
                return Ok(Some(records));
            }
            // A single moment cannot be cut.
            let is_moment = upto.is_some_and(|upto| Place::from(upto).at <= from);
            if !is_moment {
                return Ok(None);
            }
            after = page.end;
        }
    }
}

fn ended(mut records: Vec<Activity>, limit: usize) -> ActivityPage {
    let has_next = records.len() > limit;
    records.truncate(limit);
    ActivityPage {
        end: records.last().map(|record| record.id),
        records,
        has_next,
    }
}
