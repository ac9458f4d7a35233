use std::collections::BTreeMap;

use super::{
    ClientEvent, ClientRefusal, Expiry, GrantRequest, NewClientKey, authentication, expiry, grant,
};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, ClientId, TenantId},
    json::JsonObject,
    refusal::Refusal,
    secret_rotation::{self, NewSecret},
    stream::StreamId,
    tenant::AuthMethod,
    time::Timestamp,
    value::{ClientName, CustomClaims, Description},
};

/// Creates a client of a tenant, with its grants and its first secret or its keys.
pub struct CreateClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The new client.
    pub client: ClientId,
    /// The name for people; the tenant's policy may require one.
    pub name: Option<ClientName>,
    /// What it is for.
    pub description: Option<Description>,
    /// What the operator notes about it.
    pub metadata: JsonObject,
    /// When it ends. None: as the tenant's policy has it.
    pub expiry: Option<Expiry>,
    /// Claims that it adds to its tokens.
    pub custom_claims: CustomClaims,
    /// The APIs whose tokens it may introspect.
    pub serves: Vec<ApiId>,
    /// What it may ask for.
    pub grants: Vec<GrantRequest>,
    /// What it authenticates with.
    pub auth_method: AuthMethod,
    /// Its first secret, where it authenticates with one.
    pub secret: Option<NewSecret>,
    /// Its keys, where it authenticates with them.
    pub keys: Option<Vec<NewClientKey>>,
}

impl Command for CreateClient {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        let mut reads = vec![
            StreamId::Tenant(self.tenant),
            StreamId::Client(self.client),
            StreamId::SecretRotation(self.client),
        ];
        reads.extend(grant::streams(&self.grants, &self.serves));
        reads
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        let tenant = read.tenant(self.tenant)?.open()?;
        let policy = &tenant.policy;
        if read.client(self.client).is_ok() {
            return Err(ClientRefusal::AlreadyExists.into());
        }
        if policy.require_client_name && self.name.is_none() {
            return Err(ClientRefusal::NameRequired.into());
        }
        if !policy.allow_metadata && !self.metadata.is_empty() {
            return Err(ClientRefusal::MetadataNotAllowed.into());
        }
        authentication::allowed(self.auth_method, tenant)?;
        let bounds = policy.client_lifetime_days;
        let expiry = self.expiry.or(bounds.default.map(Expiry::InDays));
        let created = ClientEvent::ClientCreated {
            name: self.name.clone(),
            description: self.description.clone(),
            metadata: self.metadata.clone(),
            auth_method: self.auth_method,
            custom_claims: self.custom_claims.clone(),
            serves: grant::served(&self.serves, read)?,
            expires_at: expiry::within(bounds, expiry, now)?,
        };
        let grants = grant::resolve(&self.grants, &BTreeMap::new(), read)?;
        let mut change = ChangeSet::of(StreamId::Client(self.client), [created]);
        if let Some(keys) = authentication::first_keys(self.auth_method, self.keys.as_deref(), now)?
        {
            change.push(StreamId::Client(self.client), keys);
        }
        for granted in grant::difference(&BTreeMap::new(), &grants) {
            change.push(StreamId::Client(self.client), granted);
        }
        if let Some(secret) = &self.secret {
            secret.fits(self.auth_method)?;
            change.and(secret_rotation::first(self.client, secret, policy, now));
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{ApiEvent, ApiRefusal},
        tenant::{ClientLifetime, TenantEvent, TenantPolicy, TenantRefusal},
        testing::{
            self, NOW, acme, acme_with_orders, billing, closed, orders_grant, policy, with_billing,
        },
        value::{RoleName, Scope, ScopeSet, Slug},
    };

    fn created_with(policy: TenantPolicy, command: &CreateClient) -> testing::Outcome {
        testing::given(acme_with_orders())
            .and([TenantEvent::TenantPolicyChanged { policy }])
            .when(command)
    }

    #[test]
    fn a_client_begins_with_its_grants_and_a_secret() {
        let change = testing::given(acme_with_orders()).when(&billing()).change();
        let kinds: Vec<_> = change
            .events()
            .iter()
            .map(|(_, event)| event.kind().0)
            .collect();
        assert_eq!(kinds, ["ClientCreated", "ClientGranted", "SecretIssued"]);
        assert_eq!(change.vault().len(), 1);
    }

    #[test]
    fn a_name_is_required_unless_the_policy_says_otherwise() {
        let command = CreateClient {
            name: None,
            ..billing()
        };
        created_with(TenantPolicy::default(), &command).refused(ClientRefusal::NameRequired);
        created_with(
            policy(|policy| policy.require_client_name = false),
            &command,
        )
        .change();
    }

    #[test]
    fn metadata_and_secrets_need_the_policys_leave() {
        let command = CreateClient {
            metadata: JsonObject::parse(serde_json::json!({"team": "billing"}), 4096).unwrap(),
            ..billing()
        };
        created_with(policy(|policy| policy.allow_metadata = false), &command)
            .refused(ClientRefusal::MetadataNotAllowed);
        created_with(
            policy(|policy| {
                policy.allowed_auth_methods =
                    [crate::tenant::TokenAuthMethod::PrivateKeyJwt].into();
            }),
            &billing(),
        )
        .refused(ClientRefusal::AuthMethodNotAllowed {
            tenant: Slug::parse("acme").unwrap(),
            method: "CLIENT_SECRET",
            needs: "CLIENT_SECRET_BASIC or CLIENT_SECRET_POST",
        });
    }

    #[test]
    fn a_lifetime_stays_within_the_policy() {
        let bounded = policy(|policy| {
            policy.client_lifetime_days = ClientLifetime {
                default: None,
                min: 7,
                max: Some(30),
            };
        });
        let with = |expiry| CreateClient {
            expiry,
            ..billing()
        };
        created_with(bounded.clone(), &with(None))
            .refused(ClientRefusal::ExpiryRequired { max_days: 30 });
        created_with(bounded.clone(), &with(Some(Expiry::InDays(6))))
            .refused(ClientRefusal::LifetimeTooShort { min_days: 7 });
        created_with(bounded.clone(), &with(Some(Expiry::InDays(31))))
            .refused(ClientRefusal::LifetimeTooLong { max_days: 30 });
        created_with(bounded, &with(Some(Expiry::At(NOW.plus_days(30))))).change();
    }

    #[test]
    fn without_an_end_the_policys_default_holds() {
        let by_default = policy(|policy| policy.client_lifetime_days.default = Some(90));
        let change = created_with(by_default, &billing()).change();
        let crate::Event::Client(ClientEvent::ClientCreated { expires_at, .. }) =
            &change.events()[0].1
        else {
            panic!("the first event is the client's");
        };
        assert_eq!(*expires_at, Some(NOW.plus_days(90)));
    }

    #[test]
    fn grants_name_what_the_api_has_once() {
        let with = |grants| CreateClient {
            grants,
            ..billing()
        };
        let given = || testing::given(acme_with_orders());
        let mut unknown = orders_grant();
        unknown.scopes = ScopeSet::from_iter([Scope::parse("orders:burn").unwrap()]);
        let refusal = given().when(&with(vec![unknown])).refusal();
        assert_eq!(refusal.rule(), Some("UNKNOWN_SCOPE"));
        assert!(refusal.to_string().contains("`orders:burn`"), "{refusal}");
        // The built-in API cannot be given a scope, so that is not the advice.
        let platform = GrantRequest {
            api: testing::ADMIN_API_ID,
            scopes: ScopeSet::parse("platform:admin").unwrap(),
            ..orders_grant()
        };
        let refusal = given().when(&with(vec![platform])).refusal();
        assert_eq!(refusal.rule(), Some("UNKNOWN_SCOPE"));
        let said = refusal.to_string();
        assert!(
            said.contains("exist in the tenant `system` alone") && said.contains("`tenant:read`"),
            "{said}"
        );
        assert!(!said.contains("updateApi"), "{said}");
        let mut unknown = orders_grant();
        unknown.roles = [RoleName::parse("emperor").unwrap()].into();
        assert_eq!(
            given().when(&with(vec![unknown])).refusal().rule(),
            Some("UNKNOWN_ROLE")
        );
        let twice = with(vec![orders_grant(), orders_grant()]);
        assert_eq!(
            given().when(&twice).refusal().rule(),
            Some("DUPLICATE_GRANT")
        );
        testing::given(acme())
            .when(&billing())
            .refused(Refusal::NotFound { what: "API" });
    }

    #[test]
    fn a_retired_api_is_granted_to_nobody() {
        testing::given(acme_with_orders())
            .and([ApiEvent::ApiRetired {}])
            .when(&billing())
            .refused(ApiRefusal::Retired {
                identifier: testing::orders().identifier,
            });
    }

    #[test]
    fn nobody_serves_the_admin_api() {
        let command = CreateClient {
            serves: vec![testing::ADMIN_API_ID],
            ..billing()
        };
        testing::given(acme_with_orders())
            .when(&command)
            .refused(ClientRefusal::ServesAdminApi);
    }

    #[test]
    fn a_closed_tenant_gets_no_client() {
        testing::given(acme_with_orders())
            .and([closed()])
            .when(&billing())
            .refused(TenantRefusal::Closed);
    }

    #[test]
    fn a_client_is_created_once() {
        testing::given(with_billing())
            .when(&billing())
            .refused(ClientRefusal::AlreadyExists);
    }

    #[test]
    fn the_bounds_of_a_lifetime_are_within_it() {
        let bounded = policy(|policy| {
            policy.client_lifetime_days = ClientLifetime {
                default: None,
                min: 7,
                max: Some(30),
            };
        });
        let ending = |seconds| {
            let expiry = Some(Expiry::At(NOW.plus_seconds(seconds)));
            created_with(
                bounded.clone(),
                &CreateClient {
                    expiry,
                    ..billing()
                },
            )
        };
        ending(7 * 86_400).change();
        ending(7 * 86_400 - 1).refused(ClientRefusal::LifetimeTooShort { min_days: 7 });
        ending(30 * 86_400).change();
        ending(30 * 86_400 + 1).refused(ClientRefusal::LifetimeTooLong { max_days: 30 });
    }
}
