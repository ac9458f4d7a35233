use async_graphql::{Context, Object};

use super::{filter::EventFilterInput, node::EventNode};
use crate::{
    error::Failure,
    page::{self, Connection},
    session::Session,
};

/// What can be read of rolls.
#[derive(Default)]
pub(crate) struct RollQueries;

#[Object]
impl RollQueries {
    /// The entries of a tenant's roll, oldest first. Needs `audit:read` of the tenant, or of a client
    /// of `system`, or `platform:read`.
    ///
    /// A page that is not full is the end as it was then: ask again past its last cursor, or past your
    /// last one where the page is empty, and what was added since follows.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(
            desc = "Past this place: the `cursor` of an edge or of an event, or the number of an entry (`tenantSeq`, `head`)."
        )]
        after: Option<String>,
        #[graphql(desc = "Which entries. Left out: every one.")] filter: Option<EventFilterInput>,
    ) -> Result<Connection<EventNode>, Failure> {
        let mut faults = chancery_domain::Faults::default();
        let page = page::request_of(&mut faults, first, after.as_deref(), page::place_or_number);
        let query = filter.unwrap_or_default().parse(&mut faults);
        let page = faults.finish(page).map_err(Failure::Arguments)?;
        let session = Session::of(ctx)?;
        let application = &session.application;
        let tenant = application.tenant_named(&session.caller, &tenant).await?;
        let page = application
            .events(&session.caller, tenant, &query, &page)
            .await
            .map_err(Failure::of_arguments)?;
        Ok(Connection::of(page, EventNode::from))
    }
}
