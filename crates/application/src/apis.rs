//! APIs: created, read.

use chancery_domain::{
    ApiId, Row, TenantId,
    api::{Api, CreateApi, RoleDefinition, ScopeDefinition},
    value::{ApiIdentifier, ApiName},
};
use chancery_projections::apis;

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    execute::Request,
    page::{Page, PageRequest},
};

/// An API to be created.
pub struct NewApi {
    /// The tenant.
    pub tenant: TenantId,
    /// The `aud` of its tokens, for ever.
    pub identifier: ApiIdentifier,
    /// The name for people.
    pub name: ApiName,
    /// Its scopes.
    pub scopes: Vec<ScopeDefinition>,
    /// Its roles.
    pub roles: Vec<RoleDefinition>,
}

impl Application {
    /// Creates an API.
    ///
    /// # Errors
    /// [`Error`], for instance when the identifier was ever used in the tenant.
    pub async fn create_api(
        &self,
        caller: &Caller,
        input: NewApi,
        request: &Request,
    ) -> Result<(ApiId, bool), Error> {
        let api = ApiId::new(self.now(), self.random());
        let command = CreateApi {
            tenant: input.tenant,
            api,
            identifier: input.identifier,
            name: input.name,
            scopes: input.scopes,
            roles: input.roles,
        };
        self.execute_for(caller, command, request, api).await
    }

    /// An API, of whichever tenant, as far as the caller sees it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn api(&self, caller: &Caller, api: ApiId) -> Result<Row<Api>, Error> {
        let none = Error::NotFound { what: "API" };
        let Some(row) = apis::platform_get(&self.parts.store, api).await? else {
            return Err(none);
        };
        if !caller.sees(row.tenant) {
            return Err(none);
        }
        caller.require(Needs::TenantRead, row.tenant)?;
        Ok(row)
    }

    /// A tenant's APIs, oldest first; the built-in admin API is one of them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn apis(
        &self,
        caller: &Caller,
        tenant: TenantId,
        page: &PageRequest<ApiId>,
    ) -> Result<Page<(ApiId, Row<Api>)>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let rows = apis::page(&self.parts.store, tenant, page.after, page.limit()).await?;
        Ok(page.page(rows))
    }

    /// The ids of a tenant's APIs with these identifiers, in the same order.
    pub(crate) async fn api_ids(
        &self,
        tenant: TenantId,
        identifiers: &[ApiIdentifier],
    ) -> Result<Vec<ApiId>, Error> {
        let mut ids = Vec::with_capacity(identifiers.len());
        for identifier in identifiers {
            let id = apis::id_of(&self.parts.store, tenant, identifier).await?;
            ids.push(id.ok_or(Error::NotFound { what: "API" })?);
        }
        Ok(ids)
    }
}
