//! APIs: created, changed, retired, read.

use std::collections::BTreeMap;

use chancery_domain::{
    ApiId, Row, StreamId, TenantId,
    api::{Api, CreateApi, RetireApi, RoleDefinition, ScopeDefinition, TokenSettings, UpdateApi},
    tenant::SigningAlgorithm,
    value::{ApiIdentifier, ApiName, CustomClaims, Patch},
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
    /// In what its tokens differ from the tenant's.
    pub tokens: TokenSettings,
    /// Claims that it adds to its tokens.
    pub custom_claims: CustomClaims,
}

/// What shall change about an API.
pub struct ApiChange {
    /// The API.
    pub api: ApiId,
    /// The name for people.
    pub name: Option<ApiName>,
    /// Its scopes.
    pub scopes: Option<Vec<ScopeDefinition>>,
    /// Its roles.
    pub roles: Option<Vec<RoleDefinition>>,
    /// Claims that it adds to its tokens.
    pub custom_claims: Option<CustomClaims>,
    /// How long its access tokens live, in seconds.
    pub access_token_seconds: Patch<u32>,
    /// How its tokens are signed.
    pub signing_algorithm: Patch<SigningAlgorithm>,
    /// The version on which this was decided: on another one nothing changes. `None`: on whichever it has.
    pub expected_version: Option<i64>,
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
        caller.require(Needs::TenantAdmin, input.tenant)?;
        if let Some(api) = self.replayed(caller, request).await? {
            return Ok((api, true));
        }
        let api = ApiId::new(self.now(), self.random());
        let key = self
            .missing_key(input.tenant, input.tokens.signing_algorithm)
            .await?;
        let command = CreateApi {
            tenant: input.tenant,
            api,
            identifier: input.identifier,
            name: input.name,
            scopes: input.scopes,
            roles: input.roles,
            tokens: input.tokens,
            custom_claims: input.custom_claims,
            key,
        };
        self.execute_for(caller, command, request, api).await
    }

    /// Changes an API.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn update_api(
        &self,
        caller: &Caller,
        change: ApiChange,
        request: &Request,
    ) -> Result<(ApiId, bool), Error> {
        let api = change.api;
        let tenant = self.tenant_of_api(caller, api).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        if let Some(api) = self.replayed(caller, request).await? {
            return Ok((api, true));
        }
        let algorithm = change.signing_algorithm.over(None);
        let command = UpdateApi {
            tenant,
            api,
            name: change.name,
            scopes: change.scopes,
            roles: change.roles,
            custom_claims: change.custom_claims,
            access_token_seconds: change.access_token_seconds,
            signing_algorithm: change.signing_algorithm,
            key: self.missing_key(tenant, algorithm).await?,
        };
        let request = request.expecting(StreamId::Api(api), change.expected_version);
        self.execute_for(caller, command, &request, api).await
    }

    /// Ends an API for good.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn retire_api(
        &self,
        caller: &Caller,
        api: ApiId,
        request: &Request,
    ) -> Result<(ApiId, bool), Error> {
        let tenant = self.tenant_of_api(caller, api).await?;
        self.execute_for(caller, RetireApi { tenant, api }, request, api)
            .await
    }

    /// The tenant of an API that the caller sees.
    async fn tenant_of_api(&self, caller: &Caller, api: ApiId) -> Result<TenantId, Error> {
        match apis::platform_get(&self.parts.store, api).await? {
            Some(row) if caller.sees(row.tenant) => Ok(row.tenant),
            _ => Err(Error::NotFound { what: "API" }),
        }
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

    /// These APIs, each as [`Self::api`] answers it, in one query.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`]: what stands against a single one is in its place.
    pub async fn apis_of(
        &self,
        caller: &Caller,
        apis: &[ApiId],
    ) -> Result<BTreeMap<ApiId, Result<Row<Api>, Error>>, Error> {
        let found = apis::platform_get_many(&self.parts.store, apis).await?;
        let mut found: BTreeMap<_, _> = found.into_iter().collect();
        let answer = |id: &ApiId| {
            let row = found.remove(id).filter(|row| caller.sees(row.tenant));
            let row = row.ok_or(Error::NotFound { what: "API" });
            let allowed =
                row.and_then(|row| caller.require(Needs::TenantRead, row.tenant).map(|()| row));
            (*id, allowed)
        };
        Ok(apis.iter().map(answer).collect())
    }

    /// The id of a tenant's API with this identifier.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn api_named(
        &self,
        caller: &Caller,
        tenant: TenantId,
        identifier: &ApiIdentifier,
    ) -> Result<ApiId, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        apis::id_of(&self.parts.store, tenant, identifier)
            .await?
            .ok_or(Error::NotFound { what: "API" })
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
    ) -> Result<Page<ApiId, (ApiId, Row<Api>)>, Error> {
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
            ids.push(id.ok_or_else(|| Error::NoApi(identifier.clone()))?);
        }
        Ok(ids)
    }
}
