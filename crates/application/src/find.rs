//! To what an id is of, for whoever may know it.

use chancery_domain::{ClientId, EventId, SecretId, StreamId, TenantId, value::Slug};
use chancery_projections::{apis, clients, tenants};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
};

impl Application {
    /// The short name of the tenant whose roll tells of this, for whoever may audit it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn audited(&self, caller: &Caller, what: StreamId) -> Result<Slug, Error> {
        let store = &self.parts.store;
        let tenant = match what {
            StreamId::Tenant(tenant) | StreamId::KeyRing(tenant) => Some(tenant),
            StreamId::Client(client) | StreamId::SecretRotation(client) => {
                clients::platform_tenant_of(store, client).await?
            }
            StreamId::Api(api) => apis::platform_get(store, api).await?.map(|row| row.tenant),
        };
        let none = Error::NotFound { what: "entry" };
        self.named(caller, (Needs::AuditRead, tenant), none).await
    }

    /// The roll in which an entry stands, and its number there.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn place_of(&self, caller: &Caller, entry: EventId) -> Result<(Slug, i64), Error> {
        let found = self.parts.store.platform_place_of(entry).await?;
        let none = Error::NotFound { what: "entry" };
        let (tenant, number) = found.unzip();
        let slug = self.named(caller, (Needs::AuditRead, tenant), none).await?;
        Ok((slug, number.unwrap_or_default()))
    }

    /// The client that a secret is of, and its tenant: as long as the secret can be used.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn owner_of(
        &self,
        caller: &Caller,
        secret: SecretId,
    ) -> Result<(Slug, ClientId), Error> {
        let found = self.parts.store.platform_owner_of_secret(secret).await?;
        let none = || Error::NotFound { what: "secret" };
        let (tenant, client) = found.unzip();
        let slug = self
            .named(caller, (Needs::TenantRead, tenant), none())
            .await?;
        Ok((slug, client.ok_or_else(none)?))
    }

    /// The short name of a tenant that the caller may look into so far.
    async fn named(
        &self,
        caller: &Caller,
        (needs, tenant): (Needs, Option<TenantId>),
        none: Error,
    ) -> Result<Slug, Error> {
        let Some(tenant) = tenant.filter(|tenant| caller.sees(*tenant)) else {
            return Err(none);
        };
        caller.require(needs, tenant)?;
        let row = tenants::get(&self.parts.store, tenant).await?;
        row.map(|row| row.state.slug).ok_or(none)
    }
}
