use async_graphql::{Context, ID, Object};
use chancery_domain::{Faults, Invalid};

use super::{TenantNode, filter::TenantFilter};
use crate::{
    error::Failure,
    page::{self, Connection},
    scalars::DateTime,
    session::{Session, View},
};

/// What can be read of tenants.
#[derive(Default)]
pub(crate) struct TenantQueries;

#[Object]
impl TenantQueries {
    /// The tenants, oldest first unless a filter says otherwise; closed ones are among them. Needs `platform:read`.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn tenants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
        #[graphql(desc = "Which of them.")] filter: Option<TenantFilter>,
    ) -> Result<Connection<TenantNode>, Failure> {
        let filter = filter.unwrap_or_default().parse()?;
        let page = page::sorted(first, after.as_deref(), filter.order())?;
        let session = Session::of(ctx)?;
        let page = session
            .application
            .tenants(&session.caller, &filter, page)
            .await?;
        Ok(Connection::of(page, |(id, row)| {
            TenantNode::new(id, row.into())
        }))
    }

    /// A tenant, by its slug or by its id. Needs `tenant:read` of it, or `platform:read`; with `asOf`,
    /// `audit:read` of it, or of a client of `system`, or `platform:read`.
    async fn tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] slug: Option<String>,
        #[graphql(desc = "The tenant's id, instead of its slug.")] id: Option<ID>,
        #[graphql(
            name = "asOf",
            desc = "As it was at this moment, with everything that is reached from it: from the roll."
        )]
        as_of: Option<DateTime>,
    ) -> Option<Result<TenantNode, Failure>> {
        Some(find(ctx, slug, id, as_of.as_ref()).await)
    }
}

async fn find(
    ctx: &Context<'_>,
    slug: Option<String>,
    id: Option<ID>,
    as_of: Option<&DateTime>,
) -> Result<TenantNode, Failure> {
    let mut faults = Faults::default();
    let at = faults.take_optional("asOf", as_of.map(DateTime::parse));
    let id = match (&slug, id) {
        (None, Some(id)) => faults.take("id", id.parse()),
        (Some(_), None) => None,
        (None, None) | (Some(_), Some(_)) => {
            faults.add(
                "slug",
                Invalid::new(
                    "one_of",
                    "must be given, or `id` instead of it, and not both",
                ),
            );
            None
        }
    };
    if !faults.is_empty() {
        return Err(Failure::Arguments(faults));
    }
    let session = Session::of(ctx)?;
    let id = match (id, slug) {
        (Some(id), _) => id,
        (None, slug) => {
            session
                .application
                .tenant_named(&session.caller, &slug.unwrap_or_default())
                .await?
        }
    };
    let Some(at) = at.flatten() else {
        return TenantNode::read(session, id).await;
    };
    let moment = session
        .application
        .moment(&session.caller, id, at, "asOf")
        .await
        .map_err(Failure::of_arguments)?;
    TenantNode::seen(session, View::Then(moment), id).await
}
