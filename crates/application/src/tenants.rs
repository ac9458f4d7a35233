//! Tenants: created, changed, suspended, resumed, closed, read.

use std::collections::BTreeMap;

use chancery_domain::{
    ApiId, Row, StreamId, TenantId,
    key_ring::{KeyRing, NewKey},
    tenant::{
        CloseTenant, CreateTenant, PolicyChange, ResumeTenant, SigningAlgorithm, SuspendTenant,
        Tenant, TenantPolicy, TenantState, UpdateTenant,
    },
    value::{DisplayName, Reason, Slug},
};
use chancery_projections::{Counts, Place, TenantFilter, counts, key_rings, tenant_list, tenants};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    execute::{Executed, Request},
    page::{Page, PageRequest},
};

/// A tenant to be created.
pub struct NewTenant {
    /// Its name in URLs, for ever.
    pub slug: Slug,
    /// Its name for people.
    pub display_name: DisplayName,
    /// What its policy has other than the default.
    pub policy: PolicyChange,
}

/// What shall change about a tenant.
pub struct TenantChange {
    /// Its name for people.
    pub display_name: Option<DisplayName>,
    /// What changes in its policy.
    pub policy: PolicyChange,
    /// Whether a policy that breaks something is to be refused.
    pub refuse_if_breaks: bool,
    /// The version on which this was decided: on another one nothing changes. `None`: on whichever it has.
    pub expected_version: Option<i64>,
}

/// A tenant, as far as whoever audits all of them sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedTenant {
    /// Its name in URLs.
    pub slug: Slug,
    /// Its name for people.
    pub name: DisplayName,
    /// Whether it may obtain tokens.
    pub state: TenantState,
}

impl Application {
    /// Creates a tenant with its first signing key and its admin API.
    ///
    /// # Errors
    /// [`Error`], for instance when the slug was ever used.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        input: NewTenant,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        let tenant = TenantId::new(self.now(), self.random());
        caller.require(Needs::Platform, tenant)?;
        if let Some(tenant) = self.replayed(caller, request).await? {
            return Ok((tenant, true));
        }
        let policy = input
            .policy
            .over(&TenantPolicy::default())
            .map_err(Error::Invalid)?;
        let command = CreateTenant {
            tenant,
            slug: input.slug,
            display_name: input.display_name,
            key: self.mint_key(tenant, policy.signing_algorithm).await?,
            policy,
            admin_api: ApiId::new(self.now(), self.random()),
        };
        self.execute_for(caller, command, request, tenant).await
    }

    /// Changes a tenant's name and policy. An algorithm that the tenant has not signed with before
    /// gets its first key.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        tenant: TenantId,
        change: TenantChange,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        caller.require(Needs::TenantAdmin, tenant)?;
        if let Some(tenant) = self.replayed(caller, request).await? {
            return Ok((tenant, true));
        }
        let TenantChange {
            display_name,
            policy,
            refuse_if_breaks,
            expected_version,
        } = change;
        let request = request.expecting(StreamId::Tenant(tenant), expected_version);
        let previewed = policy.clone();
        let command = UpdateTenant {
            tenant,
            display_name,
            key: self.missing_key(tenant, policy.signing_algorithm).await?,
            policy,
            refuse_if_breaks,
        };
        match self.execute_for(caller, command, &request, tenant).await {
            Err(error) => Err(self.with_preview(tenant, &previewed, error).await),
            done => done,
        }
    }

    /// A key of this algorithm, where the tenant has none that signs or will. The decision takes it only
    /// if that is still so.
    pub(crate) async fn missing_key(
        &self,
        tenant: TenantId,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<Option<NewKey>, Error> {
        let Some(algorithm) = algorithm else {
            return Ok(None);
        };
        let ring = key_rings::get(&self.parts.store, tenant).await?;
        if ring.is_some_and(|ring| ring.state.known(algorithm, self.now())) {
            return Ok(None);
        }
        self.mint_key(tenant, algorithm).await.map(Some)
    }

    /// Stops a tenant from obtaining tokens until it is resumed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn suspend_tenant(
        &self,
        caller: &Caller,
        tenant: TenantId,
        reason: Reason,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        self.execute_for(caller, SuspendTenant { tenant, reason }, request, tenant)
            .await
    }

    /// Lets a suspended tenant obtain tokens again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn resume_tenant(
        &self,
        caller: &Caller,
        tenant: TenantId,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        self.execute_for(caller, ResumeTenant { tenant }, request, tenant)
            .await
    }

    /// Ends a tenant for good.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn close_tenant(
        &self,
        caller: &Caller,
        tenant: TenantId,
        reason: Reason,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        self.execute_for(caller, CloseTenant { tenant, reason }, request, tenant)
            .await
    }

    /// The tenant with this slug, as far as the caller sees it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that is not there or not the caller's to see.
    pub async fn tenant_named(&self, caller: &Caller, slug: &str) -> Result<TenantId, Error> {
        let none = Error::NotFound { what: "tenant" };
        let Ok(slug) = Slug::parse(slug) else {
            return Err(none);
        };
        match tenants::by_slug(&self.parts.store, &slug).await? {
            Some((tenant, _)) if caller.sees(tenant) => Ok(tenant),
            _ => Err(none),
        }
    }

    /// A tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn tenant(&self, caller: &Caller, tenant: TenantId) -> Result<Row<Tenant>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        tenants::get(&self.parts.store, tenant)
            .await?
            .ok_or(Error::NotFound { what: "tenant" })
    }

    /// These tenants, each as [`Self::tenant`] answers it, in one query.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`]: what stands against a single one is in its place.
    pub async fn tenants_of(
        &self,
        caller: &Caller,
        tenants: &[TenantId],
    ) -> Result<BTreeMap<TenantId, Result<Row<Tenant>, Error>>, Error> {
        let found = tenants::platform_get_many(&self.parts.store, tenants).await?;
        let mut found: BTreeMap<_, _> = found.into_iter().collect();
        let answer = |id: &TenantId| {
            let row = found.remove(id).ok_or(Error::NotFound { what: "tenant" });
            let allowed = caller.require(Needs::TenantRead, *id);
            (*id, allowed.and(row))
        };
        Ok(tenants.iter().map(answer).collect())
    }

    /// A tenant's signing keys.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn key_ring(&self, caller: &Caller, tenant: TenantId) -> Result<KeyRing, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let row = key_rings::get(&self.parts.store, tenant).await?;
        row.map(|row| row.state)
            .ok_or(Error::NotFound { what: "tenant" })
    }

    /// The number of the last entry of a tenant's roll.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn head(&self, caller: &Caller, tenant: TenantId) -> Result<i64, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        self.parts
            .store
            .head(tenant)
            .await?
            .ok_or(Error::NotFound { what: "tenant" })
    }

    /// The tenants that a filter lets through, in the filter's order.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn tenants(
        &self,
        caller: &Caller,
        filter: &TenantFilter,
        page: PageRequest<Place<TenantId>>,
    ) -> Result<Page<Place<TenantId>, (TenantId, Row<Tenant>)>, Error> {
        caller.require_platform_read()?;
        let PageRequest { first, after } = page;
        let listed = tenant_list::platform_list(&self.parts.store, filter, after, first).await?;
        Ok(listed.into())
    }

    /// What an auditor of every tenant needs to find one: ids, short names and names, in the filter's order.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn audited_tenants(
        &self,
        caller: &Caller,
        filter: &TenantFilter,
        page: PageRequest<Place<TenantId>>,
    ) -> Result<Page<Place<TenantId>, (TenantId, AuditedTenant)>, Error> {
        if !caller.audits_every_tenant() {
            caller.require_platform_read()?;
        }
        let PageRequest { first, after } = page;
        let listed = tenant_list::platform_list(&self.parts.store, filter, after, first).await?;
        let listed: Page<_, (TenantId, Row<Tenant>)> = listed.into();
        let items = listed.items.into_iter().map(|(place, (id, row))| {
            let tenant = AuditedTenant {
                slug: row.state.slug,
                name: row.state.display_name,
                state: row.state.state,
            };
            (place, (id, tenant))
        });
        Ok(Page {
            items: items.collect(),
            end: listed.end,
            has_next: listed.has_next,
        })
    }

    /// How many clients and APIs these tenants have, each as far as the caller may read the tenant.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`]: what stands against a single one is in its place.
    pub async fn counts_of(
        &self,
        caller: &Caller,
        tenants: &[TenantId],
    ) -> Result<BTreeMap<TenantId, Result<Counts, Error>>, Error> {
        let mut found = counts::of_tenants(&self.parts.store, tenants).await?;
        let answer = |id: &TenantId| {
            let counts = found.remove(id).unwrap_or_default();
            let allowed = caller.require(Needs::TenantRead, *id);
            (*id, allowed.map(|()| counts))
        };
        Ok(tenants.iter().map(answer).collect())
    }

    /// Carries a command out whose answer is the id that it was called with.
    pub(crate) async fn execute_for<C, A>(
        &self,
        caller: &Caller,
        command: C,
        request: &Request,
        answer: A,
    ) -> Result<(A, bool), Error>
    where
        C: crate::access::Guarded + 'static,
        A: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    {
        caller.require(C::NEEDS, command.tenant())?;
        if let Some(answer) = self.replayed(caller, request).await? {
            return Ok((answer, true));
        }
        Ok(
            match self.execute(caller, command, request, answer).await? {
                Executed::Done(answer, _) => (answer, false),
                Executed::Replayed(answer) => (answer, true),
            },
        )
    }
}
