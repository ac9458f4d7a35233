use async_graphql::{Context, Object};

use super::{ApiInput, ApiPayload};
use crate::{error::Failure, input, session::Session};

/// `retireApi`.
#[derive(Default)]
pub(crate) struct RetireApi;

#[Object]
impl RetireApi {
    /// Ends an API for good: no token is issued for it and no client is granted it any more. Tokens that
    /// were issued live to their end. Needs `tenant:admin` of its tenant, or `platform:admin`.
    async fn retire_api(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The API.")] input: ApiInput,
    ) -> Result<ApiPayload, Failure> {
        let (api, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let retired = session
            .application
            .retire_api(&session.caller, api, &request)
            .await?;
        ApiPayload::of(session, retired).await
    }
}
