//! What will end and what is due in a tenant.

use chancery_domain::{TenantId, agenda::What};
use chancery_projections::agenda::{self, AgendaPlace, Item};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    page::{Page, PageRequest},
};

impl Application {
    /// A tenant's calendar of so many days, the soonest first: clients, secrets and signing keys that will
    /// end, and rotations that are due or overdue. What is of a deleted client is left out.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn upcoming(
        &self,
        caller: &Caller,
        tenant: TenantId,
        days: u32,
        page: &PageRequest<AgendaPlace>,
    ) -> Result<Page<AgendaPlace, Item>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let now = self.now();
        let until = now.plus_days(i64::from(days));
        let store = &self.parts.store;
        let after = page.after.as_ref();
        let mut items = agenda::upcoming(store, tenant, (now, until), after, page.limit()).await?;
        let has_next = items.len() > page.first as usize;
        items.truncate(page.first as usize);
        let end = items.last().map(|(place, _)| place.clone());
        Ok(Page {
            items,
            end,
            has_next,
        })
    }

    /// Whether something on the calendar should have been done by now.
    pub fn is_overdue(&self, item: &Item) -> bool {
        matches!(item.what, What::SecretRotates | What::KeyRotates(_)) && item.at <= self.now()
    }
}
