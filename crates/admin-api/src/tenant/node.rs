use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chancery_application::Kind;
use chancery_domain::{Row, TenantId, tenant::Tenant};

use super::{policy::TenantPolicyNode, signing_key::SigningKeyNode};
use crate::{
    api::ApiNode,
    client::{ClientFilter, ClientNode},
    error::Failure,
    page::{self, Connection},
    scalars::DateTime,
    session::{Session, View},
};

/// A tenant.
pub(crate) struct TenantNode {
    id: TenantId,
    row: Arc<Row<Tenant>>,
    view: View,
}

impl TenantNode {
    pub(crate) fn new(id: TenantId, row: Arc<Row<Tenant>>) -> Self {
        let view = View::Now;
        Self { id, row, view }
    }

    pub(crate) async fn read(session: &Session, id: TenantId) -> Result<Self, Failure> {
        Self::seen(session, View::Now, id).await
    }

    /// The tenant as of when it is looked at.
    pub(crate) async fn seen(session: &Session, view: View, id: TenantId) -> Result<Self, Failure> {
        let row = session.tenant(view, id).await?;
        Ok(Self { id, row, view })
    }
}

/// How many clients and APIs a tenant has: 64-bit numbers as text.
#[derive(SimpleObject)]
pub(crate) struct TenantCounts {
    /// Clients that are neither disabled nor deleted. Those whose end has passed are among them.
    enabled_clients: String,
    /// Clients that are disabled.
    disabled_clients: String,
    /// Clients that are deleted.
    deleted_clients: String,
    /// APIs for which tokens are issued. The built-in admin API is one of them.
    active_apis: String,
    /// APIs that are retired.
    retired_apis: String,
}

/// Whether a tenant's clients may obtain tokens.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "TenantState", remote = "chancery_domain::tenant::TenantState")]
pub(crate) enum TenantStateName {
    /// They may.
    Active,
    /// They may not for now, and their tokens are introspected as inactive. Configuration stays
    /// readable.
    Suspended,
    /// They may not any more. The roll stays.
    Closed,
}

/// A tenant: a customer of the platform, with its own issuer, signing keys, APIs, clients and roll.
#[Object(name = "Tenant")]
impl TenantNode {
    /// The tenant's id, like `tenant_01h…`.
    #[graphql(name = "id")]
    async fn tenant_id(&self) -> ID {
        self.id.into()
    }

    /// The name in URLs. It never changes and is never given again.
    async fn slug(&self) -> &str {
        self.row.state.slug.as_str()
    }

    /// The name for people.
    async fn display_name(&self) -> &str {
        self.row.state.display_name.as_str()
    }

    /// Whether the tenant's clients may obtain tokens.
    async fn state(&self) -> TenantStateName {
        self.row.state.state.into()
    }

    /// What holds for the tenant's clients, secrets and tokens.
    async fn policy(&self) -> TenantPolicyNode {
        (&self.row.state.policy).into()
    }

    /// Its version, which every change makes greater. A 64-bit number as text, for `expectedVersion`.
    async fn version(&self) -> String {
        self.row.version.to_string()
    }

    /// When the tenant was created.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }

    /// The issuer: the `iss` of the tenant's tokens, and the base of its endpoints.
    #[expect(clippy::unused_async, reason = "a resolver is asynchronous")]
    async fn issuer(&self, ctx: &Context<'_>) -> Result<String, Failure> {
        Ok(Session::of(ctx)?
            .application
            .public_url()
            .issuer(&self.row.state.slug))
    }

    /// The tenant's APIs, oldest first; the built-in admin API is one of them.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn apis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
    ) -> Result<Connection<ApiNode>, Failure> {
        ApiNode::page(
            Session::of(ctx)?,
            self.view,
            self.id,
            first,
            after.as_deref(),
        )
        .await
    }

    /// The tenant's clients, oldest first unless a filter says otherwise; deleted ones are among them.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn clients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
        #[graphql(desc = "Which of them.")] filter: Option<ClientFilter>,
    ) -> Result<Connection<ClientNode>, Failure> {
        let (session, after) = (Session::of(ctx)?, after.as_deref());
        ClientNode::page(session, self.view, self.id, first, after, filter).await
    }

    /// How many clients and APIs the tenant has. The numbers are kept, not counted, so they cost nothing
    /// however many there are. Null as of a moment in the past.
    async fn counts(&self, ctx: &Context<'_>) -> Result<Option<TenantCounts>, Failure> {
        if let View::Then(_) = self.view {
            return Ok(None);
        }
        let counts = Session::of(ctx)?.counts(self.id).await?;
        let of = |kind| counts.of(kind).to_string();
        Ok(Some(TenantCounts {
            enabled_clients: of(Kind::EnabledClient),
            disabled_clients: of(Kind::DisabledClient),
            deleted_clients: of(Kind::DeletedClient),
            active_apis: of(Kind::ActiveApi),
            retired_apis: of(Kind::RetiredApi),
        }))
    }

    /// The keys that sign the tenant's tokens, oldest first: their public side.
    async fn signing_keys(&self, ctx: &Context<'_>) -> Result<Vec<SigningKeyNode>, Failure> {
        let session = Session::of(ctx)?;
        let ring = session.key_ring(self.view, self.id).await?;
        Ok(SigningKeyNode::all(&ring, session.at(self.view)))
    }

    /// The number of the last entry of the tenant's roll, a 64-bit number as text. Two equal heads
    /// mean that nothing was changed in between.
    async fn head(&self, ctx: &Context<'_>) -> Result<String, Failure> {
        let session = Session::of(ctx)?;
        let head = match self.view {
            View::Now => session.application.head(&session.caller, self.id).await?,
            View::Then(moment) => moment.last(),
        };
        Ok(head.to_string())
    }
}
