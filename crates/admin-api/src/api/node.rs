use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chancery_domain::{
    ApiId, Row, TenantId,
    api::Api,
    value::{ApiIdentifier, Description, RoleName, ScopeSet},
};

use crate::{
    error::Failure,
    page::{self, Connection},
    scalars::{DateTime, Json},
    session::{Session, View},
    tenant::{SigningAlgorithmName, TenantNode},
};

/// An API. Where a grant names it, its identifier is known and the rest is read when it is asked for.
pub(crate) struct ApiNode {
    id: ApiId,
    identifier: ApiIdentifier,
    row: Option<Arc<Row<Api>>>,
    view: View,
}

impl ApiNode {
    fn new(view: View, id: ApiId, row: Arc<Row<Api>>) -> Self {
        Self {
            id,
            identifier: row.state.identifier.clone(),
            row: Some(row),
            view,
        }
    }

    /// The API that a grant names.
    pub(crate) fn named(view: View, id: ApiId, identifier: ApiIdentifier) -> Self {
        Self {
            id,
            identifier,
            row: None,
            view,
        }
    }

    pub(crate) async fn read(session: &Session, id: ApiId) -> Result<Self, Failure> {
        Ok(Self::new(View::Now, id, session.api(View::Now, id).await?))
    }

    pub(crate) async fn page(
        session: &Session,
        view: View,
        tenant: TenantId,
        first: Option<i64>,
        after: Option<&str>,
    ) -> Result<Connection<Self>, Failure> {
        let page = page::request(first, after)?;
        let application = &session.application;
        let page = match view {
            View::Now => application.apis(&session.caller, tenant, &page).await?,
            View::Then(moment) => application.apis_then(moment, &page).await?,
        };
        Ok(Connection::of(page, |(id, row)| {
            Self::new(view, id, row.into())
        }))
    }

    async fn row(&self, ctx: &Context<'_>) -> Result<Arc<Row<Api>>, Failure> {
        match &self.row {
            Some(row) => Ok(row.clone()),
            None => Session::of(ctx)?.api(self.view, self.id).await,
        }
    }
}

/// Whether tokens are issued for an API.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ApiState", remote = "chancery_domain::api::ApiState")]
pub(crate) enum ApiStateName {
    /// They are.
    Active,
    /// They are not any more, and no client is granted it. Its identifier is never given again.
    Retired,
}

/// A scope of an API.
#[derive(SimpleObject)]
#[graphql(name = "Scope")]
pub(crate) struct ScopeNode {
    /// The scope, by custom `resource:action`.
    name: String,
    /// What it allows, in words.
    description: Option<String>,
}

/// A role of an API: a named set of its scopes.
#[derive(SimpleObject)]
#[graphql(name = "Role")]
pub(crate) struct RoleNode {
    /// The role's name.
    name: String,
    /// The scopes that it grants, sorted.
    scopes: Vec<String>,
}

/// An API (a resource server) of a tenant: what tokens are for.
#[Object(name = "Api")]
impl ApiNode {
    /// The API's id, like `api_01h…`.
    #[graphql(name = "id")]
    async fn api_id(&self) -> ID {
        self.id.into()
    }

    /// The tenant that it belongs to.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<TenantNode, Failure> {
        TenantNode::seen(Session::of(ctx)?, self.view, self.row(ctx).await?.tenant).await
    }

    /// The identifier: the `aud` of the API's tokens. It never changes.
    async fn identifier(&self) -> &str {
        self.identifier.as_str()
    }

    /// The name for people.
    async fn name(&self, ctx: &Context<'_>) -> Result<String, Failure> {
        Ok(self.row(ctx).await?.state.name.to_string())
    }

    /// Whether tokens are issued for the API.
    async fn state(&self, ctx: &Context<'_>) -> Result<ApiStateName, Failure> {
        Ok(self.row(ctx).await?.state.state.into())
    }

    /// Whether it is the admin API that every tenant has from the start. Nobody can change that one.
    async fn built_in(&self, ctx: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.row(ctx).await?.state.built_in)
    }

    /// The API's scopes, sorted by name.
    async fn scopes(&self, ctx: &Context<'_>) -> Result<Vec<ScopeNode>, Failure> {
        let row = self.row(ctx).await?;
        let node = |(name, description): (&chancery_domain::value::Scope, &Option<Description>)| {
            ScopeNode {
                name: name.to_string(),
                description: description.as_ref().map(ToString::to_string),
            }
        };
        Ok(row.state.scopes.iter().map(node).collect())
    }

    /// The API's roles, sorted by name.
    async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<RoleNode>, Failure> {
        let row = self.row(ctx).await?;
        let node = |(name, scopes): (&RoleName, &ScopeSet)| RoleNode {
            name: name.to_string(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
        };
        Ok(row.state.roles.iter().map(node).collect())
    }

    /// How long its access tokens live, in seconds. Null: as the tenant's policy has it. A token for
    /// several APIs lives as long as the shortest of them has it.
    async fn access_token_seconds(&self, ctx: &Context<'_>) -> Result<Option<u32>, Failure> {
        Ok(self.row(ctx).await?.state.tokens.access_token_seconds)
    }

    /// How its tokens are signed. Null: as the tenant's policy has it.
    async fn signing_algorithm(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<SigningAlgorithmName>, Failure> {
        let tokens = self.row(ctx).await?.state.tokens;
        Ok(tokens.signing_algorithm.map(Into::into))
    }

    /// Claims that it adds to its tokens: a JSON object. They win over claims of the client that have the
    /// same name. A token for several APIs has those of all; where two of them set one name differently,
    /// there is no such token.
    async fn custom_claims(&self, ctx: &Context<'_>) -> Result<Json, Failure> {
        let row = self.row(ctx).await?;
        Ok(Json(row.state.custom_claims.members().clone().into()))
    }

    /// Its version, which every change makes greater. A 64-bit number as text, for `expectedVersion`.
    async fn version(&self, ctx: &Context<'_>) -> Result<String, Failure> {
        Ok(self.row(ctx).await?.version.to_string())
    }

    /// When the API was created.
    async fn created_at(&self, ctx: &Context<'_>) -> Result<DateTime, Failure> {
        Ok(self.row(ctx).await?.created_at.into())
    }
}
