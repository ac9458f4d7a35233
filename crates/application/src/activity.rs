//! What token traffic did, for those who may audit, and when credentials were last used.

use std::collections::HashMap;

use chancery_domain::{ActivityId, ClientId, TenantId};
use chancery_token_log::{Activity, ActivityFilter, Entry, Kind, LastUse, Operation, RecordError};

use crate::{
    Application, Caller, Error, Needs,
    page::{Page, PageRequest},
};

impl Application {
    /// The activity of a tenant, newest last. It names who asked for tokens, from where and with what
    /// software, so `tenant:read` is not enough.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn activity(
        &self,
        caller: &Caller,
        tenant: TenantId,
        page: &PageRequest<ActivityId>,
        filter: &ActivityFilter,
    ) -> Result<Page<ActivityId, Activity>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let found = self
            .parts
            .log
            .page(tenant, page.after, page.limit(), filter)
            .await?;
        Ok(page.entries(found.into_iter().map(|record| (record.id, record))))
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
        Ok(self.parts.log.last_uses(tenant, credentials).await?)
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

    /// Records that a roll is read, durably, before any of it is shown.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then nothing may be shown.
    pub(crate) async fn record_reading(
        &self,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<(), Error> {
        let entry = Entry {
            client: Some(caller.actor().id()),
            ..Entry::new(tenant, self.now(), Kind::RollRead)
        };
        let operation = Operation {
            entry,
            seen: None,
            assertion: None,
        };
        match self.parts.log.record(operation).await {
            Ok(_) => Ok(()),
            Err(RecordError::Store(error)) => Err(error.into()),
            Err(error) => Err(Error::Unavailable(Box::new(error))),
        }
    }
}
