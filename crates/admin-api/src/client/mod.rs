//! Clients: what asks for tokens.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod disable;
pub(crate) mod enable;
mod fields;
mod filter;
mod grant;
mod key;
mod node;
pub(crate) mod query;
pub(crate) mod revoke_key;
pub(crate) mod update;

use async_graphql::{ID, InputObject, SimpleObject};
use chancery_domain::{ClientId, Faults, value::Reason};

use chancery_application::{ClientChanged, CredentialRevoked};
pub(crate) use filter::ClientFilter;
pub(crate) use node::ClientNode;

use crate::{input::Input, secret::LiveToken};

/// What a change of a client came to.
#[derive(SimpleObject)]
pub(crate) struct ClientPayload {
    /// The client as it is now.
    client: ClientNode,
    /// Whether the same `commandId` came before with the same input: then nothing was changed now.
    replayed: bool,
    /// What spoke against the change, which was made all the same.
    warnings: Vec<String>,
    /// Of a secret or a key that was revoked as compromised: tokens that it obtained and that had not ended by
    /// themselves, at most a thousand, oldest first; `warnings` says where there were more. They are inactive now.
    tokens: Vec<LiveToken>,
}

impl ClientPayload {
    /// A secret or a key was revoked.
    pub(crate) fn of_revoked(revoked: CredentialRevoked) -> Self {
        Self {
            warnings: revoked.warnings,
            tokens: revoked.tokens.into_iter().map(LiveToken::of).collect(),
            ..Self::of(revoked.changed)
        }
    }

    /// Nothing is read here: what was changed is known.
    pub(crate) fn of(changed: ClientChanged) -> Self {
        let ClientChanged {
            client,
            row,
            replayed,
        } = changed;
        Self {
            client: ClientNode::new(client, row),
            replayed,
            warnings: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

/// A client.
#[derive(InputObject)]
pub(crate) struct ClientInput {
    /// The client's id.
    client: ID,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for ClientInput {
    type Parsed = ClientId;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<ClientId> {
        faults.take("client", self.client.parse())
    }
}

/// A client, and why it is changed.
#[derive(InputObject)]
pub(crate) struct ClientReasonInput {
    /// The client's id.
    client: ID,
    /// Why: 1 to 500 characters. It is written to the roll.
    reason: String,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for ClientReasonInput {
    type Parsed = (ClientId, Reason);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let client = faults.take("client", self.client.parse());
        let reason = faults.take("reason", Reason::parse(&self.reason));
        client.zip(reason)
    }
}
