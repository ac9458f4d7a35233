//! Operators: clients that hold scopes of the admin API.

use chancery_crypto::ClientSecret;
use chancery_domain::{
    ChangeSet, ClientId, Event, ReadSet, StreamId, TenantId, Timestamp,
    access::AdminScope,
    client::{Client, ClientState},
    json::JsonObject,
    tenant::AuthMethod,
    tenant::TenantEvent,
    value::{ADMIN_API, ApiIdentifier, ClientName, CustomClaims, ScopeSet, Slug},
};
use chancery_event_store::Tx;
use chancery_projections::{clients, tenants};
use serde::Serialize;

use crate::{
    Application,
    access::{Caller, admin_scopes},
    clients::{GrantInput, NewClient},
    error::Error,
    execute::{Request, WriteError},
};

/// Where an operator gets a token, and what for.
#[derive(Serialize)]
pub struct OperatorEndpoints {
    issuer: String,
    token_endpoint: String,
    graphql_endpoint: String,
    audience: &'static str,
}

/// What an operator needs to get a token for the admin API: the contents of `operator.json`.
#[derive(Serialize)]
pub struct OperatorCredential {
    #[serde(flatten)]
    endpoints: OperatorEndpoints,
    client_id: String,
    client_secret: String,
}

impl OperatorCredential {
    pub(crate) fn new(
        application: &Application,
        slug: &Slug,
        client: ClientId,
        secret: ClientSecret,
    ) -> Self {
        Self {
            endpoints: application.operator_endpoints(slug),
            client_id: client.to_string(),
            client_secret: secret.reveal(),
        }
    }
}

impl Application {
    /// The endpoints for operators of a tenant.
    pub fn operator_endpoints(&self, slug: &Slug) -> OperatorEndpoints {
        let public_url = self.public_url();
        let issuer = public_url.issuer(slug);
        OperatorEndpoints {
            token_endpoint: format!("{issuer}/oauth2/token"),
            issuer,
            graphql_endpoint: format!("{public_url}/graphql"),
            audience: ADMIN_API,
        }
    }

    /// Creates a client that holds these scopes of a tenant's admin API.
    ///
    /// # Errors
    /// [`Error`], for instance for a platform scope outside `system`.
    pub async fn create_operator(
        &self,
        caller: &Caller,
        slug: &Slug,
        name: ClientName,
        scopes: &[AdminScope],
    ) -> Result<OperatorCredential, Error> {
        let tenant = self.tenant_named(caller, slug.as_str()).await?;
        let scopes = scopes
            .iter()
            .filter_map(|scope| scope.to_scope().ok())
            .collect::<ScopeSet>();
        let input = NewClient {
            tenant,
            name: Some(name),
            description: None,
            metadata: JsonObject::default(),
            expiry: None,
            custom_claims: CustomClaims::default(),
            serves: Vec::new(),
            grants: vec![GrantInput {
                api: ApiIdentifier::admin(),
                scopes,
                roles: [].into(),
            }],
            auth_method: AuthMethod::ClientSecret,
            jwks: None,
        };
        let created = self
            .create_client(caller, input, &Request::default())
            .await?;
        let secret = created.secret.and_then(|secret| secret.plaintext);
        let secret = secret.ok_or(Error::Conflict)?;
        Ok(OperatorCredential::new(self, slug, created.client, secret))
    }
}

/// Whether a client is a platform administrator without an end.
fn is_lasting_admin(client: &Client, now: Timestamp) -> bool {
    admin_scopes(client).contains(&AdminScope::PlatformAdmin)
        && client.state(now) == ClientState::Active
        && client.expires_at.is_none()
}

/// Whether an event changes what holds for every operator.
pub(crate) fn changes_policy_of_system(read: &ReadSet, stream: StreamId, event: &Event) -> bool {
    let (StreamId::Tenant(tenant), Event::Tenant(TenantEvent::TenantPolicyChanged { .. })) =
        (stream, event)
    else {
        return false;
    };
    read.tenant(tenant)
        .is_ok_and(|tenant| tenant.slug.is_system())
}

/// The last administrator of the platform stays, and may authenticate: without one nobody could undo
/// the change. Runs under the lock of the operators' tenant, so two changes at once cannot each leave
/// the other one.
pub(crate) async fn guard_last_operator(
    tx: &mut Tx,
    tenant: TenantId,
    read: &ReadSet,
    change: &ChangeSet,
    now: Timestamp,
) -> Result<(), WriteError> {
    let after = read.after(change);
    let loses_one = change.events().iter().any(|(stream, event)| {
        let StreamId::Client(client) = *stream else {
            return changes_policy_of_system(read, *stream, event);
        };
        let was = read
            .client(client)
            .is_ok_and(|client| is_lasting_admin(client, now));
        was && !after
            .client(client)
            .is_ok_and(|client| is_lasting_admin(client, now))
    });
    if !loses_one {
        return Ok(());
    }
    // The rows are already those after the change. Operators are few: all of them fit.
    let clients = clients::all(&mut *tx, tenant).await?;
    let row = tenants::get(&mut *tx, tenant).await?;
    let policy = row.map(|row| row.state.policy).unwrap_or_default();
    if clients
        .iter()
        .any(|(_, row)| is_lasting_admin(&row.state, now) && policy.allows(row.state.auth_method))
    {
        return Ok(());
    }
    Err(WriteError::Failed(Error::Guarded {
        rule: "LAST_OPERATOR",
        message: "this would leave no client with platform:admin and without an end that may authenticate; create another one first",
    }))
}
