use async_graphql::{Context, Object};

use super::{TenantPayload, TenantReasonInput};
use crate::{error::Failure, input, session::Session};

/// `closeTenant`.
#[derive(Default)]
pub(crate) struct CloseTenant;

#[Object]
impl CloseTenant {
    /// Ends a tenant for good: no tokens, no changes, and its slug is never given again. The roll stays.
    /// Needs `platform:admin`.
    async fn close_tenant(
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
            .close_tenant(&session.caller, tenant, reason, &request)
            .await?;
        TenantPayload::of(session, changed).await
    }
}
