//! The roll of a tenant, read page by page.

use std::{fmt, str::FromStr};

use chancery_domain::{Faults, Invalid, Recorded, TenantId, Timestamp};
use chancery_event_store::{EventFilter, Order, complete, dense};
use chancery_token_log::Kind;

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    page::{Page, PageRequest},
};

/// A place in a tenant's roll: the number of an entry. 0 is before the first.
///
/// As text it is what cursors carry; it is also read from the bare number, as the entries themselves
/// say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryNumber(pub i64);

/// What a number in the form of a cursor begins with, so that no other list takes it for its own.
const PREFIX: &str = "entry_";

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl FromStr for EntryNumber {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix(PREFIX).unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| plain);
        number
            .map(Self)
            .ok_or_else(|| Invalid::new("cursor", "must be the number of an entry, or 0"))
    }
}

/// Which entries of a roll. What is left open is not asked for.
#[derive(Clone, Debug, Default)]
pub struct RollQuery {
    /// What they are.
    pub filter: EventFilter,
    /// Recorded at this moment or after it.
    pub since: Option<Timestamp>,
    /// Recorded before this moment.
    pub until: Option<Timestamp>,
}

impl Application {
    /// Entries of a tenant's roll, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] at `after`, where it lies beyond
    /// the end.
    pub async fn events(
        &self,
        caller: &Caller,
        tenant: TenantId,
        query: &RollQuery,
        page: &PageRequest<EntryNumber>,
    ) -> Result<Page<EntryNumber, Recorded>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        let store = &self.parts.store;
        let mut after = self.place(tenant, page.after).await?;
        if let Some(since) = query.since {
            after = after.max(store.last_before(tenant, since).await?);
        }
        let to = match query.until {
            Some(until) => store.last_before(tenant, until).await?,
            None => i64::MAX,
        };
        let head = store.head(tenant).await?.unwrap_or_default();
        let entries = store
            .select_events(
                tenant,
                &query.filter,
                (after, to),
                (Order::OldestFirst, page.limit()),
            )
            .await?;
        // Whoever asks for everything is told where something is not there.
        if query.filter == EventFilter::default() {
            dense(tenant, after, entries.iter().map(|entry| entry.tenant_seq))?;
            let last = entries.last().map_or(after, |entry| entry.tenant_seq);
            if entries.len() < usize::try_from(page.limit()).unwrap_or(usize::MAX) {
                complete(tenant, last, head.min(to))?;
            }
        }
        let entries = entries.into_iter();
        Ok(page.entries(entries.map(|entry| (EntryNumber(entry.tenant_seq), entry))))
    }

    /// Entries of a tenant's roll before one of them, newest first; without one, from its end. The page goes up to
    /// an entry that is itself given as `before` for what comes earlier.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn newest_events(
        &self,
        caller: &Caller,
        tenant: TenantId,
        query: &RollQuery,
        (before, first): (Option<EntryNumber>, u32),
    ) -> Result<Page<EntryNumber, Recorded>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        let store = &self.parts.store;
        let after = match query.since {
            Some(since) => store.last_before(tenant, since).await?,
            None => 0,
        };
        let head = store.head(tenant).await?.unwrap_or_default();
        let before = before.map_or(i64::MAX, |EntryNumber(number)| number.saturating_sub(1));
        let mut to = head.min(before);
        if let Some(until) = query.until {
            to = to.min(store.last_before(tenant, until).await?);
        }
        let request = PageRequest { first, after: None };
        let limit = request.limit();
        let entries = store
            .select_events(
                tenant,
                &query.filter,
                (after, to),
                (Order::NewestFirst, limit),
            )
            .await?;
        // Whoever asks for everything is told where something is not there.
        if query.filter == EventFilter::default() {
            let whole = to.saturating_sub(i64::from(limit)).max(after);
            let numbers = entries.iter().rev().map(|entry| entry.tenant_seq);
            dense(tenant, whole, numbers)?;
            let last = entries.first().map_or(whole, |entry| entry.tenant_seq);
            complete(tenant, last, to.max(whole))?;
        }
        let entries = entries.into_iter();
        Ok(request.entries(entries.map(|entry| (EntryNumber(entry.tenant_seq), entry))))
    }

    /// The number that is meant, in a roll that has it.
    pub(crate) async fn place(
        &self,
        tenant: TenantId,
        after: Option<EntryNumber>,
    ) -> Result<i64, Error> {
        let head = self.parts.store.head(tenant).await?;
        let head = head.ok_or(Error::NotFound { what: "tenant" })?;
        let EntryNumber(after) = after.unwrap_or(EntryNumber(0));
        if after <= head {
            return Ok(after);
        }
        let mut faults = Faults::default();
        let beyond = format!(
            "is entry {after}, and the roll ends with {head}; it is another tenant's, or the database is an older copy"
        );
        faults.add("after", Invalid::new("beyond_the_end", beyond));
        Err(Error::Invalid(faults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_from_a_bare_number() {
        for number in [0, 1, i64::MAX] {
            let number = EntryNumber(number);
            assert_eq!(number.to_string().parse(), Ok(number));
            assert_eq!(number.0.to_string().parse(), Ok(number));
        }
        for wrong in [
            "",
            "entry_",
            "-1",
            "+1",
            "entry_-1",
            "1.0",
            "9223372036854775808",
            "entry_entry_1",
            "client_1",
        ] {
            assert!(wrong.parse::<EntryNumber>().is_err(), "{wrong}");
        }
    }
}
