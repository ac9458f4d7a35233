//! APIs: resource servers with their scopes and roles.

pub(crate) mod create;
mod node;
pub(crate) mod query;

use async_graphql::SimpleObject;
use chancery_domain::ApiId;

pub(crate) use node::ApiNode;

use crate::{error::Failure, session::Session};

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
