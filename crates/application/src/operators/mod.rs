//! Operators: clients that hold scopes of the admin API.

mod last;

use chancery_crypto::ClientSecret;
use chancery_domain::{
    ClientId,
    access::AdminScope,
    json::JsonObject,
    tenant::AuthMethod,
    value::{ADMIN_API, ApiIdentifier, ClientName, CustomClaims, ScopeSet, Slug},
};
pub(crate) use last::{LAST_OPERATOR, changes_policy_of_system, guard_last_operator, lasting};
use serde::Serialize;

use crate::{
    Application,
    access::Caller,
    clients::{GrantInput, NewClient},
    error::Error,
    execute::Request,
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
