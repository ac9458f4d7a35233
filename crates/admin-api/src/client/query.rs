use async_graphql::{Context, ID, Object};
use chancery_domain::Faults;

use super::{ClientFilter, ClientNode};
use crate::{
    error::Failure,
    page::{self, Connection},
    scalars::DateTime,
    session::{Session, View},
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
        let (view, after) = (View::Now, after.as_deref());
        ClientNode::page(session, view, tenant, first, after, filter).await
    }

    /// A client. Needs `tenant:read` of its tenant, or `platform:read`; with `asOf`, `audit:read` of its
    /// tenant, or of a client of `system`, or `platform:read`.
    async fn client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client's id.")] id: ID,
        #[graphql(
            name = "asOf",
            desc = "As it was at this moment, with everything that is reached from it: from the roll."
        )]
        as_of: Option<DateTime>,
    ) -> Option<Result<ClientNode, Failure>> {
        Some(find(ctx, &id, as_of.as_ref()).await)
    }
}

async fn find(
    ctx: &Context<'_>,
    id: &str,
    as_of: Option<&DateTime>,
) -> Result<ClientNode, Failure> {
    let mut faults = Faults::default();
    let id = faults.take("id", id.parse());
    let at = faults.take_optional("asOf", as_of.map(DateTime::parse));
    let (id, at) = faults.finish(id.zip(at)).map_err(Failure::Arguments)?;
    let session = Session::of(ctx)?;
    let Some(at) = at else {
        return ClientNode::read(session, id).await;
    };
    let moment = session
        .application
        .moment_of_client(&session.caller, id, at, "asOf")
        .await
        .map_err(Failure::of_arguments)?;
    ClientNode::then(session, moment, id).await
}
