use async_graphql::{Context, Object};

use super::{ClientPayload, ClientReasonInput};
use crate::{error::Failure, input, session::Session};

/// `disableClient`.
#[derive(Default)]
pub(crate) struct DisableClient;

#[Object]
impl DisableClient {
    /// Stops a client from obtaining tokens until it is enabled; the tokens that it has are introspected
    /// as inactive. Needs `tenant:admin` of its tenant, or `platform:admin`.
    async fn disable_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, and why.")] input: ClientReasonInput,
    ) -> Result<ClientPayload, Failure> {
        let ((client, reason), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let changed = session
            .application
            .disable_client(&session.caller, client, reason, &request)
            .await?;
        Ok(ClientPayload::of(changed))
    }
}
