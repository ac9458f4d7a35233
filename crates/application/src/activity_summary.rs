//! Token traffic in numbers, over a span of time.

use std::collections::BTreeMap;

use chancery_domain::{ClientId, TenantId, Timestamp, client::ClientState};
use chancery_projections::{ClientFilter, Place, client_list};
use chancery_token_log::{Count, Kind};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
};

/// How many clients are named.
const NAMED: u32 = 10;
/// How many clients are looked at for those that are not used.
const LOOKED_AT: u32 = 500;

/// A span of time that is looked back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// By the minute.
    Hour,
    /// By the hour.
    Day,
    /// By the day.
    Month,
}

impl Span {
    /// How long it is, in seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Month => 30 * 86_400,
        }
    }

    /// How long each of its parts is, in seconds.
    pub fn part_seconds(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 3_600,
            Self::Month => 86_400,
        }
    }
}

/// A tenant's token traffic in numbers.
#[derive(Clone, Debug)]
pub struct ActivitySummary {
    /// When the first part begins.
    pub begin: Timestamp,
    /// When the last part ends.
    pub end: Timestamp,
    /// Tokens that left, by part.
    pub issued: Vec<Count>,
    /// Requests that were denied, by part and reason.
    pub denied: Vec<Count>,
    /// The clients that obtained most, and how many tokens each.
    pub busiest: Vec<(String, i64)>,
    /// Clients that were there before and obtained nothing.
    pub unused: Vec<(ClientId, Option<String>)>,
    /// Whether there are more clients than were looked at for those that are not used.
    pub is_partial: bool,
}

/// Clients that were there before a span of time and obtained nothing in it, page by page.
#[derive(Clone, Debug)]
pub struct UnusedClients {
    /// Each with its name.
    pub clients: Vec<(ClientId, Option<String>)>,
    /// Past which client the next page begins; none: this is the last one.
    pub end: Option<Place<ClientId>>,
}

impl Application {
    /// A tenant's token traffic over the last hour, day or 30 days.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn activity_summary(
        &self,
        caller: &Caller,
        tenant: TenantId,
        span: Span,
    ) -> Result<ActivitySummary, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::ActivityRead)
            .await?;
        let part = span.part_seconds();
        let (begin, end) = self.span(span);
        let log = &self.parts.log;
        let issued = log.issued_since(tenant, begin, part).await?;
        let denied = log.denied_since(tenant, begin, part).await?;
        let busiest = log.busiest_since(tenant, begin, NAMED).await?;
        let unused = self.unused(tenant, begin, None).await?;
        Ok(ActivitySummary {
            begin,
            end,
            issued,
            denied,
            busiest,
            is_partial: unused.end.is_some(),
            unused: unused.clients,
        })
    }

    /// Clients of a tenant that were there before this span of time and obtained nothing in it, the oldest
    /// first, past `after`. So many clients are looked at for one page that it can be short, or
    /// empty, with more pages after it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn unused_clients(
        &self,
        caller: &Caller,
        tenant: TenantId,
        span: Span,
        after: Option<Place<ClientId>>,
    ) -> Result<UnusedClients, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::ActivityRead)
            .await?;
        let (begin, _) = self.span(span);
        self.unused(tenant, begin, after).await
    }

    /// When a span begins and ends: whole parts, the one that is under way included.
    fn span(&self, span: Span) -> (Timestamp, Timestamp) {
        let part = span.part_seconds();
        let end = (self.now().seconds() / part + 1) * part;
        let end = Timestamp::from_micros(end.saturating_mul(1_000_000));
        (end.plus_seconds(-span.seconds()), end)
    }

    /// How many tokens left each of these tenants in the last 24 hours, the first of them counted whole;
    /// of those that the caller may audit.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn tokens_of_last_day(
        &self,
        caller: &Caller,
        tenants: &[TenantId],
    ) -> Result<BTreeMap<TenantId, i64>, Error> {
        let since = self.now().plus_seconds(-Span::Day.seconds());
        let log = &self.parts.log;
        let mut counted = BTreeMap::new();
        // One after the other: tokens wait for the same connections.
        for tenant in tenants {
            if caller.may(Needs::AuditRead, *tenant) {
                let counts = log.issued_since(*tenant, since, Span::Day.seconds());
                let times = counts.await?.iter().map(|count| count.times).sum();
                counted.insert(*tenant, times);
            }
        }
        Ok(counted)
    }

    async fn unused(
        &self,
        tenant: TenantId,
        since: Timestamp,
        after: Option<Place<ClientId>>,
    ) -> Result<UnusedClients, Error> {
        let filter = ClientFilter {
            states: Some(vec![ClientState::Active]),
            ..ClientFilter::default()
        };
        let (store, now) = (&self.parts.store, self.now());
        let listed = client_list::list(store, tenant, &filter, now, after, LOOKED_AT).await?;
        let last = listed.items.last().map(|(place, ..)| place.clone());
        let there: Vec<_> = listed
            .items
            .into_iter()
            .filter(|(_, _, row)| row.created_at < since)
            .map(|(_, id, row)| (id, row.state.name.map(|name| name.to_string())))
            .collect();
        let ids: Vec<_> = there.iter().map(|(id, _)| *id).collect();
        let uses = self.parts.log.last_uses_of_clients(tenant, &ids).await?;
        let is_used = |id: &ClientId| uses.get(id).is_some_and(|last| last.at >= since);
        let unused = there.into_iter().filter(|(id, _)| !is_used(id));
        Ok(UnusedClients {
            clients: unused.collect(),
            end: last.filter(|_| listed.has_next),
        })
    }
}
