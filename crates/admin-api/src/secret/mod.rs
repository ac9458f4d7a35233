//! Client secrets.

pub(crate) mod advice;
pub(crate) mod defer;
pub(crate) mod issue;
mod node;
pub(crate) mod revoke;
pub(crate) mod rotate;
pub(crate) mod schedule;

use async_graphql::SimpleObject;
use chancery_application::SecretIssued;

pub(crate) use advice::LiveToken;
pub(crate) use node::{IssuedSecretNode, RotationNode, SecretNode};

use crate::client::ClientNode;

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
    /// What spoke against it, which was done all the same: a secret that was in use has ended or ends within
    /// the hour, or retires earlier than was promised; or the client obtains no tokens.
    warnings: Vec<String>,
}

impl SecretIssuedPayload {
    /// Nothing is read here: the secret is known once, and must not be lost to a read that fails.
    fn of(issued: SecretIssued) -> Self {
        let SecretIssued {
            client,
            row,
            secret,
            replayed,
            warnings,
        } = issued;
        Self {
            client: ClientNode::new(client, row),
            secret: secret.into(),
            replayed,
            warnings,
        }
    }
}
