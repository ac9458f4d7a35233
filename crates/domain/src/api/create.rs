use super::{
    ApiEvent, ApiRefusal, RoleDefinition, ScopeDefinition, TokenSettings, check,
    token_settings::Settings,
};
use crate::{
    access::AdminScope,
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, TenantId},
    key_ring::NewKey,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::{ApiIdentifier, ApiName, CustomClaims, Description},
};

/// Creates an API of a tenant.
pub struct CreateApi {
    /// The tenant.
    pub tenant: TenantId,
    /// The new API.
    pub api: ApiId,
    /// The `aud` of its tokens, for ever.
    pub identifier: ApiIdentifier,
    /// The name for people.
    pub name: ApiName,
    /// Its scopes.
    pub scopes: Vec<ScopeDefinition>,
    /// Its roles.
    pub roles: Vec<RoleDefinition>,
    /// In what its tokens differ from the tenant's.
    pub tokens: TokenSettings,
    /// Claims that it adds to its tokens.
    pub custom_claims: CustomClaims,
    /// A key of the algorithm that its tokens are signed with, in case that the tenant has none.
    pub key: Option<NewKey>,
}

impl Command for CreateApi {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        let mut reads = vec![StreamId::Tenant(self.tenant), StreamId::Api(self.api)];
        if self.tokens.signing_algorithm.is_some() {
            reads.push(StreamId::KeyRing(self.tenant));
        }
        reads
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        if read.api(self.api).is_ok() {
            return Err(ApiRefusal::AlreadyExists.into());
        }
        if self.identifier.is_reserved() {
            return Err(ApiRefusal::IdentifierReserved.into());
        }
        check(&self.scopes, &self.roles, &self.tokens).map_err(Refusal::Invalid)?;
        let mut change = ChangeSet::of(
            StreamId::Api(self.api),
            [ApiEvent::ApiCreated {
                identifier: self.identifier.clone(),
                name: self.name.clone(),
                built_in: false,
                scopes: self.scopes.clone(),
                roles: self.roles.clone(),
            }],
        );
        if !self.custom_claims.is_empty() {
            change.push(
                StreamId::Api(self.api),
                ApiEvent::ApiClaimsChanged {
                    custom_claims: self.custom_claims.clone(),
                },
            );
        }
        let settings = Settings {
            tenant: self.tenant,
            api: self.api,
            key: self.key.as_ref(),
            is_new: true,
        };
        change.and(settings.change((TokenSettings::default(), self.tokens), read, now)?);
        Ok(change)
    }
}

/// The API through which a tenant is managed. The scopes of the whole platform exist in the
/// operators' tenant alone.
#[expect(
    clippy::expect_used,
    reason = "fixed text within the bounds of its types; every creation of a tenant in the tests makes it"
)]
pub(crate) fn built_in_admin_api(of_system: bool) -> ApiEvent {
    let scopes = AdminScope::ALL
        .iter()
        .filter(|scope| of_system || !scope.is_platform())
        .map(|scope| ScopeDefinition {
            name: scope.to_scope().expect("a scope token"),
            description: Some(Description::parse(scope.description()).expect("a description")),
        });
    ApiEvent::ApiCreated {
        identifier: ApiIdentifier::admin(),
        name: ApiName::parse("Chancery administration").expect("a name"),
        built_in: true,
        scopes: scopes.collect(),
        roles: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::MAX_SCOPES,
        key_ring::KeyRingRefusal,
        tenant::{SigningAlgorithm, TenantRefusal},
        testing::{self, acme, closed, new_key, orders, orders_created, with_key},
    };

    #[test]
    fn an_api_has_scopes_and_roles() {
        testing::given(acme())
            .when(&orders())
            .then([orders_created()]);
    }

    #[test]
    fn reserved_identifiers_are_refused() {
        let mut command = orders();
        command.identifier = ApiIdentifier::parse("urn:chancery:mine").unwrap();
        testing::given(acme())
            .when(&command)
            .refused(ApiRefusal::IdentifierReserved);
    }

    #[test]
    fn a_closed_tenant_gets_no_api() {
        testing::given(acme())
            .and([closed()])
            .when(&orders())
            .refused(TenantRefusal::Closed);
    }

    #[test]
    fn every_double_and_every_unknown_scope_is_named() {
        let mut command = orders();
        command.scopes.push(command.scopes[0].clone());
        command.roles[0]
            .scopes
            .extend([crate::value::Scope::parse("nobody:knows").unwrap()]);
        command.roles.push(command.roles[0].clone());
        assert_eq!(
            testing::given(acme()).when(&command).faults(),
            [
                "scopes[2].name",
                "roles[0].scopes",
                "roles[1].name",
                "roles[1].scopes"
            ]
        );
    }

    #[test]
    fn platform_scopes_exist_in_the_operators_tenant_alone() {
        let scopes = |of_system| {
            let ApiEvent::ApiCreated { scopes, .. } = built_in_admin_api(of_system) else {
                panic!("a creation");
            };
            scopes
                .into_iter()
                .map(|scope| scope.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(scopes(false), ["tenant:admin", "tenant:read", "audit:read"]);
        assert_eq!(scopes(true).len(), 5);
    }

    #[test]
    fn its_own_token_settings_are_an_event_of_their_own() {
        let tokens = TokenSettings {
            access_token_seconds: Some(60),
            signing_algorithm: None,
        };
        let command = CreateApi { tokens, ..orders() };
        testing::given(acme()).when(&command).then([
            orders_created(),
            ApiEvent::ApiTokenSettingsChanged {
                access_token_seconds: Some(60),
                signing_algorithm: None,
            },
        ]);
    }

    #[test]
    fn its_own_algorithm_has_an_active_key_or_brings_it() {
        let signed = |key| CreateApi {
            tokens: TokenSettings {
                access_token_seconds: None,
                signing_algorithm: Some(SigningAlgorithm::EdDsa),
            },
            key,
            ..orders()
        };
        let none = KeyRingRefusal::NoActiveKey {
            algorithm: SigningAlgorithm::EdDsa,
        };
        testing::given(with_key())
            .when(&signed(None))
            .refused(none.clone());
        testing::given(with_key())
            .when(&signed(Some(new_key())))
            .refused(none);
        let key = NewKey {
            algorithm: SigningAlgorithm::EdDsa,
            ..new_key()
        };
        let change = testing::given(with_key()).when(&signed(Some(key))).change();
        let kinds = change.events().iter().map(|(_, event)| event.kind().0);
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [
                "ApiCreated",
                "KeyGenerated",
                "KeyActivated",
                "AlgorithmChosen",
                "ApiTokenSettingsChanged"
            ]
        );
        assert_eq!(change.vault().len(), 1);
    }

    #[test]
    fn its_own_claims_are_an_event_of_their_own() {
        let custom_claims = CustomClaims::parse(serde_json::json!({"plan": "gold"})).unwrap();
        let command = CreateApi {
            custom_claims: custom_claims.clone(),
            ..orders()
        };
        testing::given(acme()).when(&command).then([
            orders_created(),
            ApiEvent::ApiClaimsChanged { custom_claims },
        ]);
    }

    #[test]
    fn its_tokens_live_within_bounds() {
        for (seconds, faults) in [
            (59, &["accessTokenSeconds"][..]),
            (60, &[]),
            (86_400, &[]),
            (86_401, &["accessTokenSeconds"]),
        ] {
            let tokens = TokenSettings {
                access_token_seconds: Some(seconds),
                signing_algorithm: None,
            };
            let command = CreateApi { tokens, ..orders() };
            let outcome = testing::given(acme()).when(&command);
            if faults.is_empty() {
                outcome.change();
            } else {
                assert_eq!(outcome.faults(), faults, "{seconds}");
            }
        }
    }

    #[test]
    fn an_api_is_created_once() {
        testing::given(acme())
            .and([orders_created()])
            .when(&orders())
            .refused(ApiRefusal::AlreadyExists);
    }

    #[test]
    fn an_api_has_at_most_so_many_scopes_and_roles() {
        let scope = |number| ScopeDefinition {
            name: format!("orders:{number}").parse().unwrap(),
            description: None,
        };
        let role = |number| RoleDefinition {
            name: format!("role-{number}").parse().unwrap(),
            scopes: [].into_iter().collect(),
        };
        let with = |count| CreateApi {
            scopes: (0..count).map(scope).collect(),
            roles: (0..count).map(role).collect(),
            ..orders()
        };
        testing::given(acme()).when(&with(MAX_SCOPES)).change();
        let faults = testing::given(acme()).when(&with(MAX_SCOPES + 1)).faults();
        assert_eq!(faults, ["scopes", "roles"]);
    }
}
