use async_graphql::{Context, Object};

use super::{TenantPayload, TenantReasonInput};
use crate::{error::Failure, input, session::Session};

/// `suspendTenant`.
#[derive(Default)]
pub(crate) struct SuspendTenant;

#[Object]
impl SuspendTenant {
    /// Stops a tenant from obtaining tokens, until it is resumed; the tokens that it has are introspected
    /// as inactive. Needs `platform:admin`.
    async fn suspend_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant, and why.")] input: TenantReasonInput,
    ) -> Result<TenantPayload, Failure> {
        let ((slug, reason), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &slug)
            .await?;
        let changed = session
            .application
            .suspend_tenant(&session.caller, tenant, reason, &request)
            .await?;
        TenantPayload::of(session, changed).await
    }
}
