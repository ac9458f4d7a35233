use async_graphql::{Context, Object};

use super::{filter::ActivityFilterInput, node::ActivityNode};
use crate::{
    error::Failure,
    page::{self, Connection},
    session::Session,
};

/// What can be read of activity logs.
#[derive(Default)]
pub(crate) struct ActivityQueries;

#[Object]
impl ActivityQueries {
    /// What happened at a tenant's endpoints, newest last. Needs `audit:read` of the tenant, or of a
    /// client of `system`, or `platform:read`.
    ///
    /// The pages of one walk end with what was there when it began: a reading is a record too. Ask
    /// again past its last cursor, and what has come since follows. Two nodes may record things of the
    /// same moment, so stay a few seconds behind where none may be missed.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
        #[graphql(desc = "Which records. Left out: every one.")] filter: Option<
            ActivityFilterInput,
        >,
    ) -> Result<Connection<ActivityNode>, Failure> {
        let mut faults = chancery_domain::Faults::default();
        let page = page::request_of(&mut faults, first, after.as_deref(), page::place);
        let filter = filter.unwrap_or_default().parse(&mut faults);
        let page = faults.finish(page).map_err(Failure::Arguments)?;
        let session = Session::of(ctx)?;
        let application = &session.application;
        let tenant = application.tenant_named(&session.caller, &tenant).await?;
        let page = application
            .activity(&session.caller, tenant, &page, &filter)
            .await
            .map_err(Failure::of_arguments)?;
        Ok(Connection::of(page, ActivityNode::from))
    }
}
