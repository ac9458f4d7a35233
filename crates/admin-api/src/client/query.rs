use async_graphql::{Context, ID, Object};
use chancery_domain::Faults;

use super::{ClientFilter, ClientNode};
use crate::{
    error::Failure,
    page::{self, Connection},
    session::Session,
};

/// What can be read of clients.
#[derive(Default)]
pub(crate) struct ClientQueries;

#[Object]
impl ClientQueries {
    /// A tenant's clients, oldest first unless a filter says otherwise; deleted ones are among them. Needs `tenant:read` of the
    /// tenant, or `platform:read`.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn clients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
        #[graphql(desc = "Which of them.")] filter: Option<ClientFilter>,
    ) -> Result<Connection<ClientNode>, Failure> {
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &tenant)
            .await?;
        ClientNode::page(session, tenant, first, after.as_deref(), filter).await
    }

    /// A client. Needs `tenant:read` of its tenant, or `platform:read`.
    async fn client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client's id.")] id: ID,
    ) -> Option<Result<ClientNode, Failure>> {
        Some(find(ctx, &id).await)
    }
}

async fn find(ctx: &Context<'_>, id: &str) -> Result<ClientNode, Failure> {
    let mut faults = Faults::default();
    let id = faults.take("id", id.parse());
    let id = faults.finish(id).map_err(Failure::Arguments)?;
    ClientNode::read(Session::of(ctx)?, id).await
}
