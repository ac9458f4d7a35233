use async_graphql::{Context, ID, Object};
use chancery_domain::Faults;

use super::node::AccessNode;
use crate::{error::Failure, scalars::DateTime, session::Session};

/// What can be asked about the past.
#[derive(Default)]
pub(crate) struct AccessQueries;

#[Object]
impl AccessQueries {
    /// What a client could do at a moment: whether it could get a token, what it could ask for, which of
    /// its credentials were accepted, and since which entry of the roll each of these held. Needs
    /// `audit:read` of its tenant, or of a client of `system`, or `platform:read`.
    async fn access_at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client's id.")] client: ID,
        #[graphql(desc = "The moment; not in the future.")] at: DateTime,
    ) -> Option<Result<AccessNode, Failure>> {
        Some(tell(ctx, &client, &at).await)
    }
}

async fn tell(ctx: &Context<'_>, client: &str, at: &DateTime) -> Result<AccessNode, Failure> {
    let mut faults = Faults::default();
    let client = faults.take("client", client.parse());
    let at = faults.take("at", at.parse());
    let (client, at) = faults.finish(client.zip(at)).map_err(Failure::Arguments)?;
    let session = Session::of(ctx)?;
    let (moment, access) = session
        .application
        .access_at(&session.caller, client, at)
        .await
        .map_err(Failure::of_arguments)?;
    Ok(AccessNode::new(client, moment, access))
}
