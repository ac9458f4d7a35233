//! What token traffic did, for those who may audit, and when credentials were last used.

use std::{collections::HashMap, fmt, str::FromStr};

use chancery_domain::{ActivityId, ClientId, Invalid, TenantId};
use chancery_token_log::{
    Activity, ActivityFilter, ActivityPage, Entry, Kind, LastUse, Operation, RecordError,
};

use crate::{
    Application, Caller, Error, Needs,
    page::{Page, PageRequest},
};

/// A place in a tenant's log, and up to where its reader goes.
///
/// Whoever reads the log writes into it: a walk over its pages that has to end goes no further than
/// what was there when it began. Whoever has come to that place goes on from there as if it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityPlace {
    after: ActivityId,
    upto: Option<ActivityId>,
}

impl fmt::Display for ActivityPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.upto {
            None => self.after.fmt(f),
            Some(upto) => write!(f, "{}.{upto}", self.after),
        }
    }
}

impl FromStr for ActivityPlace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (after, upto) = match text.split_once('.') {
            None => (text, None),
            Some((after, upto)) => (after, Some(upto.parse()?)),
        };
        let after = after.parse()?;
        Ok(Self { after, upto })
    }
}

impl Application {
    /// The activity of a tenant, newest last. It names who asked for tokens, from where and with what
    /// software, so `tenant:read` is not enough. That it was read is in it afterwards.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn activity(
        &self,
        caller: &Caller,
        tenant: TenantId,
        page: &PageRequest<ActivityPlace>,
        filter: &ActivityFilter,
    ) -> Result<Page<ActivityPlace, Activity>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let log = &self.parts.log;
        let after = page.after.map(|place| place.after);
        let mut upto = page.after.and_then(|place| place.upto);
        let mut found = match upto {
            Some(_) => log.page(tenant, (after, upto), page.first, filter).await?,
            None => ActivityPage::default(),
        };
        // Nothing as far as the walk was to go: another begins.
        if found.end.is_none() {
            upto = log.newest(tenant).await?;
            if upto.is_some() {
                found = log.page(tenant, (after, upto), page.first, filter).await?;
            }
        }
        self.record_reading(caller, tenant, Kind::ActivityRead)
            .await?;
        let upto = upto.filter(|_| found.has_next);
        let place = |after| ActivityPlace { after, upto };
        let items = found.records.into_iter();
        Ok(Page {
            items: items.map(|record| (place(record.id), record)).collect(),
            end: found.end.map(place),
            has_next: found.has_next,
        })
    }

    /// The activity of a tenant before one record, newest first; without one, from the end. The page goes up to a
    /// record that is itself given as `before` for what came earlier. That it was read is recorded, too.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn newest_activity(
        &self,
        caller: &Caller,
        tenant: TenantId,
        (before, first): (Option<ActivityId>, u32),
        filter: &ActivityFilter,
    ) -> Result<Page<ActivityId, Activity>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let log = &self.parts.log;
        let found = log.page_back(tenant, before, first, filter).await?;
        self.record_reading(caller, tenant, Kind::ActivityRead)
            .await?;
        let items = found.records.into_iter();
        Ok(Page {
            items: items.map(|record| (record.id, record)).collect(),
            end: found.end,
            has_next: found.has_next,
        })
    }

    /// When each of these secrets or keys of the tenant was last used to obtain a token; those that
    /// never were are absent.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn last_uses(
        &self,
        caller: &Caller,
        tenant: TenantId,
        credentials: &[String],
    ) -> Result<HashMap<String, LastUse>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        Ok(self.parts.log.uses(tenant).await?.last(credentials).await?)
    }

    /// When each of these clients of the tenant last obtained a token; those that never did are
    /// absent.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn last_uses_of_clients(
        &self,
        caller: &Caller,
        tenant: TenantId,
        clients: &[ClientId],
    ) -> Result<HashMap<ClientId, LastUse>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        Ok(self.parts.log.last_uses_of_clients(tenant, clients).await?)
    }

    /// Records that a roll or its activity is read, durably, before any of it is shown.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then nothing may be shown.
    pub(crate) async fn record_reading(
        &self,
        caller: &Caller,
        tenant: TenantId,
        kind: Kind,
    ) -> Result<(), Error> {
        let credential = caller.identity().map(|identity| identity.credential);
        let entry = Entry {
            client: Some(caller.actor().id().into()),
            credential: credential.map(|credential| credential.to_string().into()),
            address: caller.address(),
            trace_id: caller.trace_id().map(Into::into),
            ..Entry::new(tenant, self.now(), kind)
        };
        match self.parts.log.record(Operation::of(entry)).await {
            Ok(_) => Ok(()),
            Err(RecordError::Store(error)) => Err(error.into()),
            Err(error) => Err(Error::Unavailable(Box::new(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let id = |byte| ActivityId::from_bytes([byte; 16]);
        for upto in [None, Some(id(9))] {
            let place = ActivityPlace { after: id(7), upto };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let other = TenantId::from_bytes([7; 16]).to_string();
        let own = id(7);
        for wrong in [
            "",
            ".",
            &other,
            &format!("{own}."),
            &format!("{own}.{other}"),
        ] {
            assert!(wrong.parse::<ActivityPlace>().is_err(), "{wrong}");
        }
    }
}
