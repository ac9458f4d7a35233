use super::{
    ClientEvent, ClientRefusal, Expiry, GrantRequest, NewClientKey, authentication, expiry, grant,
};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, ClientId, TenantId},
    json::JsonObject,
    refusal::Refusal,
    stream::StreamId,
    tenant::AuthMethod,
    time::Timestamp,
    value::{ClientName, CustomClaims, Description, Patch},
};

/// Changes a client. What is left out stays; grants, claims, metadata and served APIs replace the
/// whole value.
pub struct UpdateClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The name for people.
    pub name: Patch<ClientName>,
    /// What it is for.
    pub description: Patch<Description>,
    /// What the operator notes about it.
    pub metadata: Option<JsonObject>,
    /// When it ends.
    pub expiry: Patch<Expiry>,
    /// Claims that it adds to its tokens.
    pub custom_claims: Option<CustomClaims>,
    /// The APIs whose tokens it may introspect.
    pub serves: Option<Vec<ApiId>>,
    /// What it may ask for.
    pub grants: Option<Vec<GrantRequest>>,
    /// What it authenticates with. Another way ends what it authenticated with before.
    pub auth_method: Option<AuthMethod>,
    /// Its keys, where it authenticates with them.
    pub keys: Option<Vec<NewClientKey>>,
}

impl UpdateClient {
    /// An update that leaves everything of this client as it is.
    pub fn keeping(tenant: TenantId, client: ClientId) -> Self {
        Self {
            tenant,
            client,
            name: Patch::Keep,
            description: Patch::Keep,
            metadata: None,
            expiry: Patch::Keep,
            custom_claims: None,
            serves: None,
            grants: None,
            auth_method: None,
            keys: None,
        }
    }
}

impl Command for UpdateClient {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        let mut reads = vec![StreamId::Tenant(self.tenant), StreamId::Client(self.client)];
        let (grants, serves) = (self.grants.as_deref(), self.serves.as_deref());
        reads.extend(grant::streams(
            grants.unwrap_or_default(),
            serves.unwrap_or_default(),
        ));
        if self.auth_method.is_some() {
            reads.push(StreamId::SecretRotation(self.client));
        }
        reads
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        let tenant = read.tenant(self.tenant)?.open()?;
        let policy = &tenant.policy;
        let client = read.client(self.client)?.existing()?;
        let mut events = Vec::new();

        let name = self.name.over(client.name.as_ref());
        let description = self.description.over(client.description.as_ref());
        if policy.require_client_name && name.is_none() && client.name.is_some() {
            return Err(ClientRefusal::NameRequired.into());
        }
        if name != client.name || description != client.description {
            events.push(ClientEvent::ClientDescribed { name, description });
        }
        if let Some(metadata) = &self.metadata
            && *metadata != client.metadata
        {
            if !policy.allow_metadata && !metadata.is_empty() {
                return Err(ClientRefusal::MetadataNotAllowed.into());
            }
            events.push(ClientEvent::ClientMetadataChanged {
                metadata: metadata.clone(),
            });
        }
        if self.expiry != Patch::Keep {
            let expires_at =
                expiry::within(policy.client_lifetime_days, self.expiry.over(None), now)?;
            if expires_at != client.expires_at {
                events.push(ClientEvent::ClientExpiryChanged { expires_at });
            }
        }
        if let Some(custom_claims) = &self.custom_claims
            && *custom_claims != client.custom_claims
        {
            events.push(ClientEvent::ClientClaimsChanged {
                custom_claims: custom_claims.clone(),
            });
        }
        if let Some(serves) = &self.serves {
            let serves = grant::served(serves, read)?;
            if serves != client.serves {
                events.push(ClientEvent::ClientServesChanged { serves });
            }
        }
        if let Some(grants) = &self.grants {
            events.extend(grant::difference(
                &client.grants,
                &grant::resolve(grants, &client.grants, read)?,
            ));
        }
        let mut change = ChangeSet::of(StreamId::Client(self.client), events);
        change.and(authentication::changed(self, client, tenant, read, now)?);
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        api::ApiEvent,
        tenant::{ClientLifetime, TenantEvent, TenantPolicy},
        testing::{self, NOW, ORDERS, deleted, nothing_new, orders_grant, policy, with_billing},
        value::{ApiIdentifier, ScopeSet},
    };

    #[test]
    fn what_stays_the_same_is_no_event() {
        testing::given(with_billing())
            .when(&nothing_new())
            .then_nothing();
        let same = UpdateClient {
            grants: Some(vec![orders_grant()]),
            ..nothing_new()
        };
        testing::given(with_billing()).when(&same).then_nothing();
    }

    #[test]
    fn a_grant_that_stays_may_name_what_the_api_has_no_longer() {
        let keep = UpdateClient {
            grants: Some(vec![orders_grant()]),
            ..nothing_new()
        };
        let without = ApiEvent::ApiScopesChanged { scopes: Vec::new() };
        for event in [without, ApiEvent::ApiRetired {}] {
            testing::given(with_billing())
                .and([event])
                .when(&keep)
                .then_nothing();
        }
        let mut less = orders_grant();
        less.roles = BTreeSet::new();
        let change = UpdateClient {
            grants: Some(vec![less]),
            ..nothing_new()
        };
        let refusal = testing::given(with_billing())
            .and([ApiEvent::ApiRetired {}])
            .when(&change)
            .refusal();
        assert_eq!(refusal.rule(), Some("API_RETIRED"));
    }

    #[test]
    fn grants_are_replaced_as_a_whole() {
        let none = UpdateClient {
            grants: Some(Vec::new()),
            ..nothing_new()
        };
        testing::given(with_billing())
            .when(&none)
            .then([ClientEvent::ClientGrantRevoked {
                api: ORDERS,
                identifier: ApiIdentifier::parse("https://orders.example").unwrap(),
            }]);
        let mut less = orders_grant();
        less.scopes = ScopeSet::parse("orders:read").unwrap();
        less.roles = BTreeSet::new();
        let fewer = UpdateClient {
            grants: Some(vec![less.clone()]),
            ..nothing_new()
        };
        testing::given(with_billing())
            .when(&fewer)
            .then([ClientEvent::ClientGranted {
                api: ORDERS,
                identifier: ApiIdentifier::parse("https://orders.example").unwrap(),
                scopes: less.scopes,
                roles: less.roles,
                api_generation: 0,
            }]);
    }

    #[test]
    fn what_came_back_counts_once_it_is_granted_again() {
        let defined = |names: &[&str]| ApiEvent::ApiScopesChanged {
            scopes: names
                .iter()
                .map(|name| crate::api::ScopeDefinition {
                    name: name.parse().unwrap(),
                    description: None,
                })
                .collect(),
        };
        let again = || UpdateClient {
            grants: Some(vec![orders_grant()]),
            ..nothing_new()
        };
        let gone = || {
            testing::given(with_billing())
                .and([defined(&["orders:read"]), defined(&["orders:read"])])
        };
        // Of what is still gone nothing can be granted, so the grant stays as it was.
        let mut writes = orders_grant();
        writes.scopes = ScopeSet::parse("orders:read orders:write").unwrap();
        gone().when(&again()).then_nothing();
        let change = gone()
            .and([defined(&["orders:read", "orders:write"])])
            .when(&UpdateClient {
                grants: Some(vec![writes]),
                ..nothing_new()
            })
            .change();
        let granted = change.events().iter().find_map(|(_, event)| match event {
            crate::Event::Client(ClientEvent::ClientGranted { api_generation, .. }) => {
                Some(*api_generation)
            }
            _ => None,
        });
        assert_eq!(granted, Some(3));
    }

    #[test]
    fn one_update_changes_many_things() {
        let update = UpdateClient {
            description: Patch::Set(Description::parse("the nightly run").unwrap()),
            expiry: Patch::Set(Expiry::InDays(30)),
            metadata: Some(JsonObject::parse(serde_json::json!({"team": "b"}), 4096).unwrap()),
            custom_claims: Some(CustomClaims::parse(serde_json::json!({"plan": "gold"})).unwrap()),
            serves: Some(vec![ORDERS]),
            ..nothing_new()
        };
        let change = testing::given(with_billing()).when(&update).change();
        let kinds: Vec<_> = change
            .events()
            .iter()
            .map(|(_, event)| event.kind().0)
            .collect();
        assert_eq!(
            kinds,
            [
                "ClientDescribed",
                "ClientMetadataChanged",
                "ClientExpiryChanged",
                "ClientClaimsChanged",
                "ClientServesChanged"
            ]
        );
    }

    #[test]
    fn a_required_name_cannot_be_taken_away() {
        let unnamed = UpdateClient {
            name: Patch::Clear,
            ..nothing_new()
        };
        testing::given(with_billing())
            .when(&unnamed)
            .refused(ClientRefusal::NameRequired);
    }

    #[test]
    fn an_end_can_be_moved_and_removed() {
        let end = ClientEvent::ClientExpiryChanged {
            expires_at: Some(NOW.plus_days(2)),
        };
        let never = UpdateClient {
            expiry: Patch::Clear,
            ..nothing_new()
        };
        testing::given(with_billing())
            .and([end])
            .when(&never)
            .then([ClientEvent::ClientExpiryChanged { expires_at: None }]);
    }

    #[test]
    fn a_deleted_client_stays_as_it_was() {
        testing::given(with_billing())
            .and([deleted()])
            .when(&nothing_new())
            .refused(ClientRefusal::Deleted);
    }

    fn under(policy: TenantPolicy, command: &UpdateClient) -> testing::Outcome {
        testing::given(with_billing())
            .and([TenantEvent::TenantPolicyChanged { policy }])
            .when(command)
    }

    #[test]
    fn a_name_may_go_where_none_is_required() {
        let unnamed = UpdateClient {
            name: Patch::Clear,
            ..nothing_new()
        };
        let named = ClientEvent::ClientDescribed {
            name: None,
            description: None,
        };
        under(
            policy(|policy| policy.require_client_name = false),
            &unnamed,
        )
        .then([named.clone()]);
        // One that has none from before the rule can still be changed.
        let disabled_claims = UpdateClient {
            custom_claims: Some(CustomClaims::parse(serde_json::json!({"plan": "gold"})).unwrap()),
            ..nothing_new()
        };
        testing::given(with_billing())
            .and([named])
            .when(&disabled_claims)
            .change();
    }

    #[test]
    fn metadata_needs_the_policys_leave() {
        let forbidden = || policy(|policy| policy.allow_metadata = false);
        let with = |value| UpdateClient {
            metadata: Some(JsonObject::parse(value, 4096).unwrap()),
            ..nothing_new()
        };
        under(forbidden(), &with(serde_json::json!({"team": "b"})))
            .refused(ClientRefusal::MetadataNotAllowed);
        let noted = ClientEvent::ClientMetadataChanged {
            metadata: with(serde_json::json!({"team": "b"})).metadata.unwrap(),
        };
        // What was noted before the rule can be taken away.
        testing::given(with_billing())
            .and([noted])
            .and([TenantEvent::TenantPolicyChanged {
                policy: forbidden(),
            }])
            .when(&with(serde_json::json!({})))
            .change();
    }

    #[test]
    fn a_new_end_stays_within_the_policy() {
        let bounded = || {
            policy(|policy| {
                policy.client_lifetime_days = ClientLifetime {
                    default: Some(10),
                    min: 7,
                    max: Some(30),
                };
            })
        };
        let with = |expiry| UpdateClient {
            expiry,
            ..nothing_new()
        };
        under(bounded(), &with(Patch::Clear))
            .refused(ClientRefusal::ExpiryRequired { max_days: 30 });
        under(bounded(), &with(Patch::Set(Expiry::InDays(6))))
            .refused(ClientRefusal::LifetimeTooShort { min_days: 7 });
        under(bounded(), &with(Patch::Set(Expiry::At(NOW.plus_days(31)))))
            .refused(ClientRefusal::LifetimeTooLong { max_days: 30 });
        under(bounded(), &with(Patch::Set(Expiry::InDays(30)))).then([
            ClientEvent::ClientExpiryChanged {
                expires_at: Some(NOW.plus_days(30)),
            },
        ]);
        // An end from before the bounds stays until somebody changes it.
        under(bounded(), &with(Patch::Keep)).then_nothing();
    }

    #[test]
    fn grants_and_served_apis_are_checked_as_at_the_creation() {
        let mut unknown = orders_grant();
        unknown.scopes = ScopeSet::parse("orders:burn").unwrap();
        let with = |grants| UpdateClient {
            grants: Some(grants),
            ..nothing_new()
        };
        let rule = |command: &UpdateClient| {
            testing::given(with_billing())
                .when(command)
                .refusal()
                .rule()
        };
        assert_eq!(rule(&with(vec![unknown])), Some("UNKNOWN_SCOPE"));
        assert_eq!(
            rule(&with(vec![orders_grant(), orders_grant()])),
            Some("DUPLICATE_GRANT")
        );
        let serves = UpdateClient {
            serves: Some(vec![testing::ADMIN_API_ID]),
            ..nothing_new()
        };
        assert_eq!(rule(&serves), Some("SERVES_ADMIN_API"));
        let nowhere = UpdateClient {
            serves: Some(vec![ApiId::new(NOW, [99; 10])]),
            ..nothing_new()
        };
        testing::given(with_billing())
            .when(&nowhere)
            .refused(Refusal::NotFound { what: "API" });
    }
}
