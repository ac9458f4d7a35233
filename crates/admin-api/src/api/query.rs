use async_graphql::{Context, ID, Object};
use chancery_domain::Faults;

use super::ApiNode;
use crate::{
    error::Failure,
    page::{self, Connection},
    session::{Session, View},
};

/// What can be read of APIs.
#[derive(Default)]
pub(crate) struct ApiQueries;

#[Object]
impl ApiQueries {
    /// A tenant's APIs, oldest first; the built-in admin API is one of them. Needs `tenant:read` of
    /// the tenant, or `platform:read`.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn apis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
    ) -> Result<Connection<ApiNode>, Failure> {
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &tenant)
            .await?;
        ApiNode::page(session, View::Now, tenant, first, after.as_deref()).await
    }

    /// An API. Needs `tenant:read` of its tenant, or `platform:read`.
    async fn api(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The API's id.")] id: ID,
    ) -> Option<Result<ApiNode, Failure>> {
        Some(find(ctx, &id).await)
    }
}

async fn find(ctx: &Context<'_>, id: &str) -> Result<ApiNode, Failure> {
    let mut faults = Faults::default();
    let id = faults.take("id", id.parse());
    let id = faults.finish(id).map_err(Failure::Arguments)?;
    ApiNode::read(Session::of(ctx)?, id).await
}
