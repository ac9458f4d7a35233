//! APIs: resource servers with their scopes and roles.

pub(crate) mod create;
mod node;
pub(crate) mod query;
pub(crate) mod retire;
pub(crate) mod update;

use async_graphql::{ID, InputObject, SimpleObject};
use chancery_domain::{ApiId, Faults};

pub(crate) use node::ApiNode;

use crate::{error::Failure, input::Input, session::Session};

/// What a change of an API came to.
#[derive(SimpleObject)]
pub(crate) struct ApiPayload {
    /// The API as it is now.
    api: ApiNode,
    /// Whether the same `commandId` came before with the same input: then nothing was changed now.
    replayed: bool,
}

impl ApiPayload {
    async fn of(session: &Session, (api, replayed): (ApiId, bool)) -> Result<Self, Failure> {
        Ok(Self {
            api: ApiNode::read(session, api).await?,
            replayed,
        })
    }
}

/// An API.
#[derive(InputObject)]
pub(crate) struct ApiInput {
    /// The API's id.
    api: ID,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for ApiInput {
    type Parsed = ApiId;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<ApiId> {
        faults.take("api", self.api.parse())
    }
}
