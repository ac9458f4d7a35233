use async_graphql::{Context, InputObject, Object, SimpleObject};
use chancery_application::{ClientCreated, NewClient};
use chancery_domain::{
    Faults,
    client::Expiry,
    json::JsonObject,
    tenant::AuthMethod,
    value::{ApiIdentifier, ClientName, CustomClaims, Description},
};

use super::{
    ClientNode,
    fields::{at, in_days, jwks, metadata, two_ends},
    grant::{GrantInput, grants},
};
use crate::{
    error::Failure,
    input::{self, InTenant, Input, custom_claims, each},
    scalars::{DateTime, Json},
    secret::IssuedSecretNode,
    session::Session,
    tenant::AuthMethodName,
};

/// A client to be created.
#[derive(InputObject)]
pub(crate) struct CreateClientInput {
    /// The tenant's slug.
    tenant: String,
    /// The name for people: 1 to 100 characters. Required, unless the tenant's policy says otherwise.
    name: Option<String>,
    /// What it is for: 1 to 500 characters.
    description: Option<String>,
    /// Whatever you note about it: a JSON object of at most 4 KiB.
    metadata: Option<Json>,
    /// In how many days it ends, within the bounds of the tenant's policy. Left out, and `expiresAt`
    /// too: as the policy has it.
    expires_in_days: Option<i64>,
    /// When it ends, instead of `expiresInDays`.
    expires_at: Option<DateTime>,
    /// Claims that it adds to its tokens: a JSON object of at most 4 KiB, without any claim that
    /// Chancery sets itself.
    custom_claims: Option<Json>,
    /// The identifiers of the APIs that it serves: it may introspect their tokens.
    serves: Option<Vec<String>>,
    /// What it may ask for, each API once.
    grants: Option<Vec<GrantInput>>,
    /// What it authenticates with. Default `CLIENT_SECRET`. The tenant's policy must allow it.
    auth_method: Option<AuthMethodName>,
    /// The public keys that its assertions are signed with, for `PRIVATE_KEY_JWT` and for that alone:
    /// a JSON Web Key Set of 1 to 5 keys on P-256, P-384 or Ed25519, or RSA keys of at least 2048
    /// bits, each with a `kid` of its own.
    jwks: Option<Json>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for CreateClientInput {
    type Parsed = InTenant<NewClient>;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let name = faults.take_optional("name", self.name.as_deref().map(ClientName::parse));
        let description = faults.take_optional(
            "description",
            self.description.as_deref().map(Description::parse),
        );
        let metadata = faults.take_optional("metadata", self.metadata.map(metadata));
        let expiry = expiry(faults, self.expires_in_days, self.expires_at.as_ref());
        let custom_claims =
            faults.take_optional("customClaims", self.custom_claims.map(custom_claims));
        let serves = each(
            faults,
            "serves",
            &self.serves.unwrap_or_default(),
            ApiIdentifier::parse,
        );
        let grants = grants(faults, self.grants.unwrap_or_default());
        let auth_method = self.auth_method.map(AuthMethod::from);
        let jwks = jwks(faults, self.jwks);
        let (name, description, metadata, custom_claims) =
            (name?, description?, metadata?, custom_claims?);
        let make = Box::new(move |tenant| NewClient {
            tenant,
            name,
            description,
            metadata: metadata.unwrap_or_else(JsonObject::default),
            expiry,
            custom_claims: custom_claims.unwrap_or_else(CustomClaims::default),
            serves,
            grants,
            auth_method: auth_method.unwrap_or(AuthMethod::ClientSecret),
            jwks,
        });
        Some(InTenant {
            slug: self.tenant,
            make,
        })
    }
}

fn expiry(faults: &mut Faults, days: Option<i64>, moment: Option<&DateTime>) -> Option<Expiry> {
    if days.is_some() && moment.is_some() {
        faults.add("expiresInDays", two_ends());
    }
    let days = days.and_then(|days| faults.take("expiresInDays", in_days(days)));
    let moment = moment.and_then(|moment| faults.take("expiresAt", at(moment)));
    days.or(moment)
}

/// A client that was created.
#[derive(SimpleObject)]
pub(crate) struct ClientCreatedPayload {
    /// The client.
    client: ClientNode,
    /// Its first secret, whose text is shown this once. Null for a client that authenticates with
    /// keys.
    secret: Option<IssuedSecretNode>,
    /// Whether the same `commandId` came before with the same input: then nothing was created now,
    /// and the secret's text is not shown again.
    replayed: bool,
}

/// `createClient`.
#[derive(Default)]
pub(crate) struct CreateClient;

#[Object]
impl CreateClient {
    /// Creates a client, with its grants and its first secret or its keys. Needs `tenant:admin` of the tenant,
    /// or `platform:admin`; nobody can grant a scope of the admin API that they do not hold.
    async fn create_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client.")] input: CreateClientInput,
    ) -> Result<ClientCreatedPayload, Failure> {
        let (InTenant { slug, make }, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &slug)
            .await?;
        let created = session
            .application
            .create_client(&session.caller, make(tenant), &request)
            .await?;
        let ClientCreated {
            client,
            row,
            secret,
            replayed,
        } = created;
        Ok(ClientCreatedPayload {
            client: ClientNode::new(client, row),
            secret: secret.map(Into::into),
            replayed,
        })
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, Value, value};
    use chancery_domain::TenantId;

    use super::*;
    use crate::input::testing::{at, faults, right};

    fn input(value: Value) -> CreateClientInput {
        InputType::parse(Some(value))
            .map_err(|_| "not an input")
            .unwrap()
    }

    fn made(value: Value) -> NewClient {
        (right(input(value)).make)(TenantId::from_bytes([1; 16]))
    }

    #[test]
    fn all_but_the_tenant_can_be_left_out() {
        let client = made(value!({"tenant": "acme"}));
        assert!(client.name.is_none() && client.expiry.is_none() && client.metadata.is_empty());
        assert!(
            client.serves.is_empty() && client.grants.is_empty() && client.custom_claims.is_empty()
        );
        assert!(client.auth_method == AuthMethod::ClientSecret && client.jwks.is_none());
        let nulls = made(
            value!({"tenant": "acme", "metadata": null, "grants": null, "expiresInDays": null}),
        );
        assert!(nulls.expiry.is_none() && nulls.grants.is_empty());
    }

    #[test]
    fn a_client_comes_with_its_grants() {
        let client = made(value!({
            "tenant": "acme",
            "name": "billing",
            "metadata": {"team": "b"},
            "expiresInDays": 30,
            "serves": ["https://orders.example"],
            "grants": [{"api": "https://orders.example", "scopes": ["orders:read", "orders:read"], "roles": ["clerk"]}],
        }));
        assert_eq!(client.expiry, Some(Expiry::InDays(30)));
        assert_eq!(
            (client.grants[0].scopes.len(), client.grants[0].roles.len()),
            (1, 1)
        );
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let wrong = value!({
            "tenant": "acme",
            "name": "",
            "description": " x",
            "metadata": [1],
            "customClaims": {"ISS": "me"},
            "serves": ["ok:1", "no"],
            "jwks": {"keys": [{"kty": "RSA", "kid": "1", "d": "AQAB"}, {"kty": "oct"}]},
            "grants": [
                {"api": "https://orders.example", "scopes": ["a", "b", "c d"], "roles": ["\""]},
                {"api": "#"},
            ],
        });
        assert_eq!(
            faults(input(wrong)),
            at(&[
                ("name", "empty"),
                ("description", "outer_space"),
                ("metadata", "json_object"),
                ("customClaims", "reserved_claim"),
                ("serves[1]", "identifier"),
                ("grants[0].scopes[2]", "scope"),
                ("grants[0].roles[0]", "role"),
                ("grants[1].api", "identifier"),
                ("jwks.keys[0]", "private_jwk"),
                ("jwks.keys[1]", "jwk_kid"),
            ])
        );
    }

    #[test]
    fn an_end_is_given_once() {
        let both = value!({"tenant": "acme", "expiresInDays": -1, "expiresAt": "never"});
        assert_eq!(
            faults(input(both)),
            at(&[
                ("expiresInDays", "one_of"),
                ("expiresInDays", "range"),
                ("expiresAt", "time")
            ])
        );
    }
}
