use async_graphql::{Context, Object};

use super::{ClientInput, ClientPayload};
use crate::{error::Failure, input, session::Session};

/// `enableClient`.
#[derive(Default)]
pub(crate) struct EnableClient;

#[Object]
impl EnableClient {
    /// Lets a disabled client obtain tokens again. Needs `tenant:admin` of its tenant, or
    /// `platform:admin`.
    async fn enable_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client.")] input: ClientInput,
    ) -> Result<ClientPayload, Failure> {
        let (client, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let changed = session
            .application
            .enable_client(&session.caller, client, &request)
            .await?;
        Ok(ClientPayload::of(changed))
    }
}
