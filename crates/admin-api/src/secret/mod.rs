//! Client secrets.

pub(crate) mod issue;
mod node;
pub(crate) mod revoke;
pub(crate) mod rotate;

use async_graphql::SimpleObject;
use chancery_application::SecretIssued;

pub(crate) use node::{IssuedSecretNode, SecretNode};

use crate::{client::ClientNode, error::Failure, session::Session};

/// A secret that was issued.
#[derive(SimpleObject)]
pub(crate) struct SecretIssuedPayload {
    /// The client as it is now.
    client: ClientNode,
    /// The secret. Its text is shown this once.
    secret: IssuedSecretNode,
    /// Whether the same `commandId` came before with the same input: then nothing was issued now, and
    /// the secret's text is not shown again.
    replayed: bool,
}

impl SecretIssuedPayload {
    async fn of(session: &Session, issued: SecretIssued) -> Result<Self, Failure> {
        let SecretIssued {
            client,
            secret,
            replayed,
        } = issued;
        let client = ClientNode::read(session, client).await?;
        Ok(Self {
            client,
            secret: secret.into(),
            replayed,
        })
    }
}
