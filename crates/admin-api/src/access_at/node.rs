use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chancery_application::Moment;
use chancery_domain::{
    ClientId,
    access_at::{AccessAt, ApiAccess, Held, Since},
};

use crate::{
    api::ApiNode,
    client::ClientNode,
    error::Failure,
    scalars::DateTime,
    session::{Session, View},
    tenant::TenantNode,
};

/// What a client could do at a moment.
pub(crate) struct AccessNode {
    client: ClientId,
    moment: Moment,
    access: AccessAt,
}

impl AccessNode {
    pub(super) fn new(client: ClientId, moment: Moment, access: AccessAt) -> Self {
        Self {
            client,
            moment,
            access,
        }
    }

    fn view(&self) -> View {
        View::Then(self.moment)
    }
}

/// The entry of the roll that brought something about.
#[derive(SimpleObject)]
#[graphql(name = "Since")]
pub(crate) struct SinceNode {
    /// The entry's number in the tenant's roll, a 64-bit number as text.
    tenant_seq: String,
    /// The entry's id, like `event_01h…`.
    event_id: ID,
    /// When the entry was recorded.
    recorded_at: DateTime,
    /// From when on it held: later than the entry where the entry says so, as with an end that it set.
    from: DateTime,
}

impl From<Since> for SinceNode {
    fn from(since: Since) -> Self {
        Self {
            tenant_seq: since.tenant_seq.to_string(),
            event_id: since.event.into(),
            recorded_at: since.recorded_at.into(),
            from: since.from.into(),
        }
    }
}

/// What kept a client from getting a token.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "chancery_domain::access_at::Obstacle")]
pub(crate) enum Obstacle {
    /// The tenant was suspended.
    TenantSuspended,
    /// The tenant was closed.
    TenantClosed,
    /// The client was disabled.
    ClientDisabled,
    /// The client had expired.
    ClientExpired,
    /// The client was deleted.
    ClientDeleted,
    /// The tenant's policy did not allow the client's way of authenticating.
    MethodNotAllowed,
    /// No credential of the client was accepted.
    NoCredential,
    /// The client was granted no API for which there were tokens.
    NothingGranted,
}

/// Something that kept a client from getting a token.
#[derive(SimpleObject)]
#[graphql(name = "AccessObstacle")]
pub(crate) struct ObstacleNode {
    /// What it was.
    obstacle: Obstacle,
    /// Since when.
    since: SinceNode,
}

/// A scope or a role that a client could get.
#[derive(SimpleObject)]
#[graphql(name = "AccessName")]
pub(crate) struct NameNode {
    /// The scope or the role.
    name: String,
    /// Since when.
    since: SinceNode,
}

impl<T: std::fmt::Display> From<&Held<T>> for NameNode {
    fn from(held: &Held<T>) -> Self {
        Self {
            name: held.what.to_string(),
            since: held.since.into(),
        }
    }
}

/// What a client could ask for at one API.
#[derive(SimpleObject)]
#[graphql(name = "ApiAccess")]
pub(crate) struct ApiAccessNode {
    /// The API, as it was.
    api: ApiNode,
    /// Since when the client was granted it at all.
    since: SinceNode,
    /// The scopes that the grant came to, by name and by role, as far as the API had them; sorted.
    scopes: Vec<NameNode>,
    /// The roles that were granted and that the API had; sorted.
    roles: Vec<NameNode>,
}

impl ApiAccessNode {
    fn new(view: View, access: &ApiAccess) -> Self {
        Self {
            api: ApiNode::named(view, access.api, access.identifier.clone()),
            since: access.since.into(),
            scopes: access.scopes.iter().map(NameNode::from).collect(),
            roles: access.roles.iter().map(NameNode::from).collect(),
        }
    }
}

/// A secret or a key that was accepted.
#[derive(SimpleObject)]
#[graphql(name = "CredentialAccess")]
pub(crate) struct CredentialAccessNode {
    /// Its id, like `secret_01h…` or `key_01h…`: the `credential_id` of the tokens that it obtained.
    id: ID,
    /// Whether it is a secret whose place another had taken, and that was accepted until it retired.
    retiring: bool,
    /// Since when it was accepted.
    since: SinceNode,
}

/// What a client could do at a moment, told from the roll alone.
#[Object(name = "Access")]
impl AccessNode {
    /// The moment.
    async fn at(&self) -> DateTime {
        self.access.at.into()
    }

    /// The number of the last entry that there was, a 64-bit number as text.
    async fn tenant_seq(&self) -> String {
        self.moment.last().to_string()
    }

    /// The tenant, as it was.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<TenantNode, Failure> {
        TenantNode::seen(Session::of(ctx)?, self.view(), self.moment.tenant()).await
    }

    /// Since when the tenant was in its state.
    async fn tenant_since(&self) -> SinceNode {
        self.access.tenant.since.into()
    }

    /// The client, as it was.
    async fn client(&self, ctx: &Context<'_>) -> Result<ClientNode, Failure> {
        ClientNode::then(Session::of(ctx)?, self.moment, self.client).await
    }

    /// Since when the client was in its state.
    async fn client_since(&self) -> SinceNode {
        self.access.client.since.into()
    }

    /// Whether it could get a token: nothing stood against it. Limits on requests are not looked at.
    async fn could_get_token(&self) -> bool {
        self.access.obstacles.is_empty()
    }

    /// Everything that kept it from getting one.
    async fn obstacles(&self) -> Vec<ObstacleNode> {
        let obstacles = self.access.obstacles.iter();
        obstacles
            .map(|held| ObstacleNode {
                obstacle: held.what.into(),
                since: held.since.into(),
            })
            .collect()
    }

    /// What it could ask for, by API: as far as nothing kept it from getting a token.
    async fn apis(&self) -> Vec<ApiAccessNode> {
        let apis = self.access.apis.iter();
        apis.map(|access| ApiAccessNode::new(self.view(), access))
            .collect()
    }

    /// The secrets and keys that were accepted, oldest first.
    async fn credentials(&self) -> Vec<CredentialAccessNode> {
        let credentials = self.access.credentials.iter();
        credentials
            .map(|access| CredentialAccessNode {
                id: access.credential.to_string().into(),
                retiring: access.retiring,
                since: access.since.into(),
            })
            .collect()
    }
}
