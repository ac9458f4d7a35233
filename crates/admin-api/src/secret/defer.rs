use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{ClientId, Faults, SecretId, Timestamp};

use crate::{
    client::ClientPayload,
    error::Failure,
    input::{self, Input},
    scalars::DateTime,
    session::Session,
};

/// A retiring secret that is given more time.
#[derive(InputObject)]
pub(crate) struct DeferSecretRetirementInput {
    /// The client's id.
    client: ID,
    /// The secret's id.
    secret: ID,
    /// When it retires instead: later than it would, at most 30 days from now, and not after it
    /// expires.
    until: DateTime,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for DeferSecretRetirementInput {
    type Parsed = (ClientId, SecretId, Timestamp);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let client = faults.take("client", self.client.parse());
        let secret = faults.take("secret", self.secret.parse());
        let until = faults.take("until", self.until.parse());
        Some((client?, secret?, until?))
    }
}

/// `deferSecretRetirement`.
#[derive(Default)]
pub(crate) struct DeferSecretRetirement;

#[Object]
impl DeferSecretRetirement {
    /// Gives a retiring secret that is still in use more time. What has ended stays ended. Needs
    /// `tenant:admin` of the client's tenant, or `platform:admin`.
    async fn defer_secret_retirement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The secret, and until when it stays.")] input: DeferSecretRetirementInput,
    ) -> Result<ClientPayload, Failure> {
        let ((client, secret, until), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let deferred = session
            .application
            .defer_retirement(&session.caller, client, secret, until, &request)
            .await?;
        Ok(ClientPayload::of(deferred))
    }
}
