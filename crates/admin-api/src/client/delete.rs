use async_graphql::{Context, Object};

use super::{ClientPayload, ClientReasonInput};
use crate::{error::Failure, input, session::Session};

/// `deleteClient`.
#[derive(Default)]
pub(crate) struct DeleteClient;

#[Object]
impl DeleteClient {
    /// Ends a client for good. Its id is never used again, and it can still be read. Needs
    /// `tenant:admin` of its tenant, or `platform:admin`.
    async fn delete_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, and why.")] input: ClientReasonInput,
    ) -> Result<ClientPayload, Failure> {
        let ((client, reason), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let changed = session
            .application
            .delete_client(&session.caller, client, reason, &request)
            .await?;
        Ok(ClientPayload::of(changed))
    }
}
