use async_graphql::{Context, InputObject, Object};
use chancery_application::NewApi;
use chancery_domain::{
    Faults, Invalid,
    api::{RoleDefinition, ScopeDefinition, TokenSettings},
    value::{ApiIdentifier, ApiName, Description, RoleName, Scope},
};

use super::ApiPayload;
use crate::{
    error::Failure,
    input::{self, InTenant, Input, custom_claims},
    scalars::Json,
    session::Session,
    tenant::SigningAlgorithmName,
};

/// An API to be created.
#[derive(InputObject)]
pub(crate) struct CreateApiInput {
    /// The tenant's slug.
    tenant: String,
    /// The `aud` of the API's tokens, for ever: a URI without a fragment, at most 255 characters,
    /// unique within the tenant. Those that begin with `urn:chancery:` are reserved.
    identifier: String,
    /// The name for people: 1 to 100 characters. Left out: the identifier, as far as it fits.
    name: Option<String>,
    /// The API's scopes: at most 500.
    scopes: Option<Vec<ScopeInput>>,
    /// The API's roles: at most 500.
    roles: Option<Vec<RoleInput>>,
    /// How long its access tokens live, in seconds: 60 to 86,400. Left out: as the tenant's policy has
    /// it.
    access_token_seconds: Option<i64>,
    /// How its tokens are signed. Left out: as the tenant's policy has it.
    signing_algorithm: Option<SigningAlgorithmName>,
    /// Claims that it adds to its tokens: a JSON object of at most 4 KiB, without any claim that Chancery
    /// sets itself, in any letter case. Where the client has a claim of the same name, the API's wins.
    custom_claims: Option<Json>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

/// A scope of an API.
#[derive(InputObject)]
pub(crate) struct ScopeInput {
    /// The scope, by custom `resource:action`: 1 to 128 printable ASCII characters without space,
    /// `"` and `\`.
    name: String,
    /// What it allows, in words: 1 to 500 characters.
    description: Option<String>,
}

/// A role of an API: a named set of its scopes.
#[derive(InputObject)]
pub(crate) struct RoleInput {
    /// The role's name: the same characters as a scope.
    name: String,
    /// The scopes that it grants, each one of the API's.
    scopes: Option<Vec<String>>,
}

impl Input for CreateApiInput {
    type Parsed = InTenant<NewApi>;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let identifier = faults.take("identifier", ApiIdentifier::parse(&self.identifier));
        let name = match self.name {
            Some(name) => faults.take("name", ApiName::parse(&name)),
            None => identifier
                .as_ref()
                .and_then(|identifier| faults.take("name", name_of(identifier))),
        };
        let scopes = scopes(faults, self.scopes.unwrap_or_default());
        let roles = roles(faults, self.roles.unwrap_or_default());
        let seconds = self.access_token_seconds.map(input::number);
        let tokens = TokenSettings {
            access_token_seconds: faults.take_optional("accessTokenSeconds", seconds)?,
            signing_algorithm: self.signing_algorithm.map(Into::into),
        };
        let custom_claims = self.custom_claims.map(custom_claims);
        let custom_claims = faults.take_optional("customClaims", custom_claims)?;
        let (identifier, name) = identifier.zip(name)?;
        let make = Box::new(move |tenant| NewApi {
            tenant,
            identifier,
            name,
            scopes,
            roles,
            tokens,
            custom_claims: custom_claims.unwrap_or_default(),
        });
        Some(InTenant {
            slug: self.tenant,
            make,
        })
    }
}

/// The scopes, as far as they have no fault.
pub(super) fn scopes(faults: &mut Faults, given: Vec<ScopeInput>) -> Vec<ScopeDefinition> {
    let given = given.into_iter().enumerate();
    given
        .filter_map(|(index, scope)| scope.parse(index, faults))
        .collect()
}

/// The roles, as far as they have no fault.
pub(super) fn roles(faults: &mut Faults, given: Vec<RoleInput>) -> Vec<RoleDefinition> {
    let given = given.into_iter().enumerate();
    given
        .filter_map(|(index, role)| role.parse(index, faults))
        .collect()
}

/// The name of an API that was given none.
fn name_of(identifier: &ApiIdentifier) -> Result<ApiName, Invalid> {
    ApiName::parse(&identifier.as_str().chars().take(100).collect::<String>())
}

impl ScopeInput {
    fn parse(self, index: usize, faults: &mut Faults) -> Option<ScopeDefinition> {
        let name = faults.take(format!("scopes[{index}].name"), Scope::parse(&self.name));
        let description = self.description.as_deref().map(Description::parse);
        let description = faults.take_optional(format!("scopes[{index}].description"), description);
        Some(ScopeDefinition {
            name: name?,
            description: description?,
        })
    }
}

impl RoleInput {
    fn parse(self, index: usize, faults: &mut Faults) -> Option<RoleDefinition> {
        let name = faults.take(format!("roles[{index}].name"), RoleName::parse(&self.name));
        let scopes = self.scopes.unwrap_or_default();
        let scopes = input::each(
            faults,
            &format!("roles[{index}].scopes"),
            &scopes,
            Scope::parse,
        );
        Some(RoleDefinition {
            name: name?,
            scopes: scopes.into_iter().collect(),
        })
    }
}

/// `createApi`.
#[derive(Default)]
pub(crate) struct CreateApi;

#[Object]
impl CreateApi {
    /// Creates an API of a tenant. Needs `tenant:admin` of the tenant, or `platform:admin`.
    async fn create_api(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The API.")] input: CreateApiInput,
    ) -> Result<ApiPayload, Failure> {
        let (InTenant { slug, make }, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &slug)
            .await?;
        let created = session
            .application
            .create_api(&session.caller, make(tenant), &request)
            .await?;
        ApiPayload::of(session, created).await
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::TenantId;

    use super::*;
    use crate::input::testing::{at, faults, right};

    fn orders() -> CreateApiInput {
        let scope = |name: &str| ScopeInput {
            name: name.into(),
            description: Some("Read orders".into()),
        };
        CreateApiInput {
            tenant: "acme".into(),
            identifier: "https://orders.example".into(),
            name: None,
            scopes: Some(vec![scope("orders:read"), scope("orders:write")]),
            roles: Some(vec![RoleInput {
                name: "clerk".into(),
                scopes: Some(vec!["orders:read".into()]),
            }]),
            access_token_seconds: Some(60),
            signing_algorithm: None,
            custom_claims: None,
            command_id: None,
        }
    }

    fn made(input: CreateApiInput) -> NewApi {
        (right(input).make)(TenantId::from_bytes([1; 16]))
    }

    #[test]
    fn an_api_has_scopes_and_roles_and_is_called_by_its_identifier() {
        let api = made(orders());
        assert_eq!(api.name.as_str(), "https://orders.example");
        assert_eq!((api.scopes.len(), api.roles.len()), (2, 1));
        assert_eq!(api.tokens.access_token_seconds, Some(60));
        let long = format!("https://orders.example/{}", "a".repeat(200));
        assert_eq!(
            made(CreateApiInput {
                identifier: long,
                ..orders()
            })
            .name
            .as_str()
            .len(),
            100
        );
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let input = CreateApiInput {
            identifier: "orders".into(),
            name: Some(String::new()),
            scopes: Some(vec![ScopeInput {
                name: "a b".into(),
                description: Some(" ".into()),
            }]),
            roles: Some(vec![RoleInput {
                name: "\"".into(),
                scopes: Some(vec!["ok".into(), "n o".into()]),
            }]),
            access_token_seconds: Some(-1),
            ..orders()
        };
        assert_eq!(
            faults(input),
            at(&[
                ("identifier", "identifier"),
                ("name", "empty"),
                ("scopes[0].name", "scope"),
                ("scopes[0].description", "empty"),
                ("roles[0].name", "role"),
                ("roles[0].scopes[1]", "scope"),
                ("accessTokenSeconds", "range"),
            ])
        );
    }
}
