use async_graphql::{Context, Object};

use super::{TenantInput, TenantPayload};
use crate::{error::Failure, input, session::Session};

/// `resumeTenant`.
#[derive(Default)]
pub(crate) struct ResumeTenant;

#[Object]
impl ResumeTenant {
    /// Lets a suspended tenant obtain tokens again. Needs `platform:admin`.
    async fn resume_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant.")] input: TenantInput,
    ) -> Result<TenantPayload, Failure> {
        let (slug, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &slug)
            .await?;
        let changed = session
            .application
            .resume_tenant(&session.caller, tenant, &request)
            .await?;
        TenantPayload::of(session, changed).await
    }
}
