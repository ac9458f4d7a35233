use async_graphql::{Context, Enum, ID, Object};
use chancery_application::Moment;
use chancery_domain::{
    ClientId, Faults, Invalid, Row, TenantId,
    client::Client,
    tenant::AuthMethod,
    value::{ApiIdentifier, ClientName, Description},
};

use super::{filter::ClientFilter, grant::GrantNode, key::ClientKeyNode};
use crate::{
    error::Failure,
    page::{self, Connection},
    scalars::{DateTime, Json},
    secret::{RotationNode, SecretNode},
    session::{Session, View},
    tenant::{AuthMethodName, TenantNode},
};

/// A client.
pub(crate) struct ClientNode {
    id: ClientId,
    row: Row<Client>,
    view: View,
}

impl ClientNode {
    pub(crate) fn new(id: ClientId, row: Row<Client>) -> Self {
        let view = View::Now;
        Self { id, row, view }
    }

    pub(crate) async fn read(session: &Session, id: ClientId) -> Result<Self, Failure> {
        let row = session.application.client(&session.caller, id).await?;
        Ok(Self::new(id, row))
    }

    /// The client as it was.
    pub(crate) async fn then(
        session: &Session,
        moment: Moment,
        id: ClientId,
    ) -> Result<Self, Failure> {
        let row = session.application.client_then(moment, id).await?;
        let view = View::Then(moment);
        Ok(Self { id, row, view })
    }

    pub(crate) async fn page(
        session: &Session,
        view: View,
        tenant: TenantId,
        first: Option<i64>,
        after: Option<&str>,
        filter: Option<ClientFilter>,
    ) -> Result<Connection<Self>, Failure> {
        let application = &session.application;
        if let View::Then(moment) = view {
            if filter.is_some() {
                let mut faults = Faults::default();
                let message =
                    "cannot be used with asOf: take the pages of the past and choose among them";
                faults.add("filter", Invalid::new("as_of", message));
                return Err(Failure::Arguments(faults));
            }
            let page = application
                .clients_then(moment, &page::request(first, after)?)
                .await?;
            return Ok(Connection::of(page, |(id, row)| Self { id, row, view }));
        }
        let filter = filter.unwrap_or_default().parse(session, tenant).await?;
        let page = page::sorted(first, after, filter.order())?;
        let page = application
            .clients(&session.caller, tenant, &filter, page)
            .await?;
        Ok(Connection::of(page, |(id, row)| Self { id, row, view }))
    }
}

/// Whether a client may obtain tokens.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ClientState", remote = "chancery_domain::client::ClientState")]
pub(crate) enum ClientStateName {
    /// It may.
    Active,
    /// It may not until it is enabled.
    Disabled,
    /// It may not, because its end has passed.
    Expired,
    /// It may not any more.
    Deleted,
}

/// A client of a tenant: a service that asks for tokens.
#[Object(name = "Client")]
impl ClientNode {
    /// The client's id, like `client_01h…`: its `client_id` at the token endpoint.
    #[graphql(name = "id")]
    async fn client_id(&self) -> ID {
        self.id.into()
    }

    /// The tenant that it belongs to.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<TenantNode, Failure> {
        TenantNode::seen(Session::of(ctx)?, self.view, self.row.tenant).await
    }

    /// The name for people.
    async fn name(&self) -> Option<&str> {
        self.row.state.name.as_ref().map(ClientName::as_str)
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.row.state.description.as_ref().map(Description::as_str)
    }

    /// What operators noted about it: a JSON object.
    async fn metadata(&self) -> Json {
        (&self.row.state.metadata).into()
    }

    /// Whether it may obtain tokens, at the moment that is shown.
    #[expect(clippy::unused_async, reason = "a resolver is asynchronous")]
    async fn state(&self, ctx: &Context<'_>) -> Result<ClientStateName, Failure> {
        let at = Session::of(ctx)?.at(self.view);
        Ok(self.row.state.state(at).into())
    }

    /// What it authenticates with.
    async fn auth_method(&self) -> AuthMethodName {
        self.row.state.auth_method.into()
    }

    /// The public keys that its assertions are signed with: a JSON Web Key Set. Null: it does not
    /// authenticate with keys.
    async fn jwks(&self) -> Option<Json> {
        let client = &self.row.state;
        (client.auth_method == AuthMethod::PrivateKeyJwt).then(|| {
            let keys = client.live_keys();
            let public = keys.map(|(_, key)| key.jwk.public().members().clone().into());
            Json(serde_json::json!({"keys": public.collect::<Vec<serde_json::Value>>()}))
        })
    }

    /// Its keys with their ids, those that ended included.
    async fn keys(&self) -> Vec<ClientKeyNode> {
        let keys = self.row.state.keys.iter();
        let of = (self.view, self.row.tenant);
        keys.map(|(id, key)| ClientKeyNode::new(of, *id, key))
            .collect()
    }

    /// Claims that it adds to its tokens: a JSON object.
    async fn custom_claims(&self) -> Json {
        Json(self.row.state.custom_claims.members().clone().into())
    }

    /// The identifiers of the APIs that it serves: it may introspect their tokens.
    async fn serves(&self) -> Vec<&str> {
        self.row
            .state
            .serves
            .iter()
            .map(ApiIdentifier::as_str)
            .collect()
    }

    /// When it ends. Null: it has no end.
    async fn expires_at(&self) -> Option<DateTime> {
        self.row.state.expires_at.map(Into::into)
    }

    /// Its version, which every change makes greater. A 64-bit number as text, for `expectedVersion`.
    async fn version(&self) -> String {
        self.row.version.to_string()
    }

    /// When the client was created.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }

    /// When it last obtained a token, with whichever credential. Null: it never did. The past does not
    /// know.
    async fn last_used_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>, Failure> {
        let session = Session::of(ctx)?;
        let last = session
            .last_use_of_client(self.view, self.row.tenant, self.id)
            .await?;
        Ok((*last).as_ref().map(|last| last.at.into()))
    }

    /// What it may ask for, by API.
    async fn grants(&self) -> Vec<GrantNode> {
        let grants = self.row.state.grants.iter();
        grants
            .map(|(api, grant)| GrantNode::new(self.view, *api, grant))
            .collect()
    }

    /// Its secrets, oldest first, those that are not accepted any more included.
    async fn secrets(&self, ctx: &Context<'_>) -> Result<Vec<SecretNode>, Failure> {
        let session = Session::of(ctx)?;
        let rotation = session.secrets(self.view, self.row.tenant, self.id).await?;
        let of = (self.view, self.row.tenant);
        let secrets = rotation.iter().flat_map(|row| row.state.in_order());
        Ok(secrets
            .map(|(id, secret)| SecretNode::new(session, of, id, secret))
            .collect())
    }

    /// The version of its secrets and of their schedule, which every change of them makes greater. A 64-bit number as
    /// text, for `expectedVersion` of `scheduleSecretRotation`.
    async fn secrets_version(&self, ctx: &Context<'_>) -> Result<String, Failure> {
        let session = Session::of(ctx)?;
        let rotation = session.secrets(self.view, self.row.tenant, self.id).await?;
        let version = rotation.as_ref().as_ref().map_or(0, |row| row.version);
        Ok(version.to_string())
    }

    /// How often its secret is to be rotated, by its own schedule or by the tenant's policy. Null: nobody
    /// asks for it.
    async fn rotation(&self, ctx: &Context<'_>) -> Result<Option<RotationNode>, Failure> {
        let session = Session::of(ctx)?;
        let rotation = session.secrets(self.view, self.row.tenant, self.id).await?;
        let Some(rotation) = rotation.as_ref().as_ref().map(|row| &row.state) else {
            return Ok(None);
        };
        if let Some(own) = rotation.schedule {
            return Ok(Some(own.into()));
        }
        let (Some(policy), Some(_)) = (rotation.reminder, rotation.next_rotation()) else {
            return Ok(None);
        };
        let tenant = session.tenant(self.view, self.row.tenant).await?;
        let overlap = tenant.state.policy.rotation_overlap_seconds;
        Ok(Some(RotationNode::of_policy(policy, overlap)))
    }
}
