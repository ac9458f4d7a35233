//! Operators: clients that hold scopes of the admin API.

mod last;

use chancery_crypto::ClientSecret;
use chancery_domain::{
    ApiId, ClientId, Row, TenantId,
    access::AdminScope,
    client::{Client, ClientState, Expiry},
    json::JsonObject,
    tenant::AuthMethod,
    value::{ADMIN_API, ApiIdentifier, ClientName, CustomClaims, ScopeSet, Slug},
};
use chancery_projections::{ClientFilter, apis};
pub(crate) use last::{
    LAST_OPERATOR, changes_policy_of_system, concerns_operators, guard_last_operator, lasting,
};
use serde::Serialize;

use crate::{
    Application,
    access::{Caller, Needs, admin_scopes},
    clients::{ClientCreated, GrantInput, NewClient},
    error::Error,
    execute::Request,
    page::PageRequest,
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

/// Whom to let administer a tenant.
pub struct Invitation<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// What people call them.
    pub name: ClientName,
    /// What they may do.
    pub scopes: &'a [AdminScope],
    /// When that ends; left out, as the tenant's policy has it.
    pub expiry: Option<Expiry>,
}

/// A client that may administer a tenant, and what it may do there.
pub type Administrator = (ClientId, Row<Client>, Vec<&'static str>);

/// How many administrators are listed.
const LISTED: u32 = 200;

impl Application {
    /// The clients of a tenant that hold a scope of its admin API, the oldest first, without those that are deleted,
    /// and, where there are more than are listed, by which API all of them are found.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn administrators(
        &self,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<(Vec<Administrator>, Option<ApiId>), Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let store = &self.parts.store;
        let api = apis::id_of(store, tenant, &ApiIdentifier::admin()).await?;
        let filter = ClientFilter {
            states: Some(vec![
                ClientState::Active,
                ClientState::Disabled,
                ClientState::Expired,
            ]),
            api,
            ..ClientFilter::default()
        };
        let page = PageRequest {
            first: LISTED,
            after: None,
        };
        let listed = self.clients(caller, tenant, &filter, page).await?;
        let of = listed.items.into_iter().map(|(_, (id, row))| {
            let scopes = admin_scopes(&row.state);
            let scopes = scopes.iter().map(|scope| scope.as_str()).collect();
            (id, row, scopes)
        });
        let of = of.filter(|(_, _, scopes): &Administrator| !scopes.is_empty());
        Ok((of.collect(), api.filter(|_| listed.has_next)))
    }

    /// Creates a client of somebody who is to administer a tenant.
    ///
    /// # Errors
    /// [`Error`], for instance for a platform scope outside `system`.
    pub async fn invite(
        &self,
        caller: &Caller,
        invitation: Invitation<'_>,
        request: &Request,
    ) -> Result<ClientCreated, Error> {
        let scopes = invitation.scopes.iter();
        let scopes = scopes.filter_map(|scope| scope.to_scope().ok());
        let input = NewClient {
            tenant: invitation.tenant,
            name: Some(invitation.name),
            description: None,
            metadata: JsonObject::default(),
            expiry: invitation.expiry,
            custom_claims: CustomClaims::default(),
            serves: Vec::new(),
            grants: vec![GrantInput {
                api: ApiIdentifier::admin(),
                scopes: scopes.collect::<ScopeSet>(),
                roles: [].into(),
            }],
            auth_method: AuthMethod::ClientSecret,
            jwks: None,
        };
        self.create_client(caller, input, request).await
    }

    /// The endpoints for operators of a tenant.
    pub fn operator_endpoints(&self, slug: &Slug) -> OperatorEndpoints {
        let public_url = self.public_url();
        let issuer = public_url.issuer(slug);
        OperatorEndpoints {
            token_endpoint: format!("{issuer}/oauth2/token"),
            issuer,
            graphql_endpoint: match &self.parts.admin_url {
                Some(admin) => format!("{admin}/graphql"),
                None => format!("{public_url}/graphql"),
            },
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
        let invitation = Invitation {
            tenant,
            name,
            scopes,
            expiry: None,
        };
        let created = self.invite(caller, invitation, &Request::default()).await?;
        let secret = created.secret.and_then(|secret| secret.plaintext);
        let secret = secret.ok_or(Error::Conflict)?;
        Ok(OperatorCredential::new(self, slug, created.client, secret))
    }
}
