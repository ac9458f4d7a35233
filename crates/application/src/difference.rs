//! What changed of a tenant between two moments, and its export through the server.

use chancery_domain::{Faults, Invalid, TenantId, Timestamp};
use chancery_roll::replay::{Difference, Moment, Replay, View};
use chancery_token_log::Kind;

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
};

/// How many entries are read at once.
const PAGE: u32 = 1_000;
/// How long a roll may be that is replayed while somebody waits.
const LONGEST: i64 = 200_000;

impl Application {
    /// What is different about a tenant at the later of two moments: replayed from its roll.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] for moments in the wrong order, and
    /// where the roll is too long to be replayed while somebody waits; [`Error::NotThen`] for one before
    /// the tenant was there.
    pub async fn difference(
        &self,
        caller: &Caller,
        tenant: TenantId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Difference, Error> {
        let refused = |rule, message: String| {
            let mut faults = Faults::default();
            faults.add("from", Invalid::new(rule, message));
            Err(Error::Invalid(faults))
        };
        if from > to {
            return refused("order", "must not be later than `to`".to_owned());
        }
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        self.moment(caller, tenant, from, "from").await?;
        let last = self.moment(caller, tenant, to, "to").await?.last();
        if last > LONGEST {
            let message = format!(
                "the roll has {last} entries by then, and up to {LONGEST} are compared here; `chancery audit diff` compares any"
            );
            return refused("too_long", message);
        }
        let mut replay = Replay::new([Moment::At(from), Moment::At(to)]);
        let mut after = 0;
        'pages: loop {
            let page = self.parts.store.events_page(tenant, after, PAGE).await?;
            for entry in &page {
                after = entry.tenant_seq;
                if !replay.take(entry).map_err(internal)? {
                    break 'pages;
                }
            }
            if page.is_empty() {
                break;
            }
        }
        let snapshots = replay.finish().map_err(internal)?;
        let views: Option<Vec<_>> = snapshots.iter().map(View::of).collect();
        match views.as_deref() {
            Some([from, to]) => Ok(Difference::between(from, to)),
            _ => Err(Error::Internal(
                "the roll does not begin with a tenant".into(),
            )),
        }
    }

    /// When the first entry of a tenant's roll was recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn first_moment(
        &self,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<Timestamp, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let first = self.parts.store.events_page(tenant, 0, 1).await?.pop();
        first
            .map(|entry| entry.recorded_at)
            .ok_or(Error::NotFound { what: "tenant" })
    }

    /// Lets the caller export a tenant's roll, and records that it is read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn may_export(&self, caller: &Caller, tenant: TenantId) -> Result<(), Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await
    }
}

fn internal(error: chancery_roll::replay::ReplayError) -> Error {
    Error::Internal(Box::new(error))
}
