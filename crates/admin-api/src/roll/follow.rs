use async_graphql::{Context, Subscription};
use chancery_domain::Faults;
use futures_util::{Stream, StreamExt};

use super::node::EventNode;
use crate::{error::Failure, page, session::Session};

/// What can be followed.
#[derive(Default)]
pub(crate) struct RollSubscription;

#[Subscription]
impl RollSubscription {
    /// Every entry of a tenant's roll past a place, each once and in order, and then each new one as it
    /// is recorded, on whichever node. Needs `audit:read` of the tenant, or of a client of `system`, or
    /// `platform:read`, at every moment.
    ///
    /// After a broken connection, subscribe again past the last entry that came: none is missed and
    /// none comes twice.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(
            desc = "Past this place: the `cursor` of an edge or of an event, or the number of an entry (`tenantSeq`; `head` for new ones only). Left out: from the first entry on."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<EventNode, Failure>> + use<>, Failure> {
        let mut faults = Faults::default();
        let after = after.as_deref().map(page::place_or_number);
        let after = faults.take_optional("after", after);
        let after = faults.finish(after).map_err(Failure::Arguments)?;
        let session = Session::of(ctx)?;
        let application = &session.application;
        let tenant = application.tenant_named(&session.caller, &tenant).await?;
        let entries = application
            .follow(&session.caller, tenant, after)
            .await
            .map_err(Failure::of_arguments)?;
        Ok(entries.map(|entry| entry.map(EventNode::from).map_err(Failure::of_arguments)))
    }
}
