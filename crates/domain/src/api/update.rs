use std::collections::{BTreeMap, BTreeSet};

use super::{
    Api, ApiEvent, RoleDefinition, ScopeDefinition, TokenSettings, by_name, by_role, check,
    token_settings::Settings,
};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, TenantId},
    key_ring::NewKey,
    refusal::Refusal,
    stream::StreamId,
    tenant::SigningAlgorithm,
    time::Timestamp,
    value::{ApiName, CustomClaims, Faults, Invalid, Patch, RoleName, Scope, ScopeSet},
};

/// Changes an API. What is left out stays; scopes and roles replace the whole value. A scope that
/// clients were granted may go: their grants shrink.
pub struct UpdateApi {
    /// The tenant.
    pub tenant: TenantId,
    /// The API.
    pub api: ApiId,
    /// The name for people.
    pub name: Option<ApiName>,
    /// Its scopes.
    pub scopes: Option<Vec<ScopeDefinition>>,
    /// Its roles.
    pub roles: Option<Vec<RoleDefinition>>,
    /// Claims that it adds to its tokens.
    pub custom_claims: Option<CustomClaims>,
    /// How long its access tokens live, in seconds.
    pub access_token_seconds: Patch<u32>,
    /// How its tokens are signed.
    pub signing_algorithm: Patch<SigningAlgorithm>,
    /// A key of the algorithm that its tokens are signed with, in case that the tenant has none.
    pub key: Option<NewKey>,
}

impl Command for UpdateApi {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        let mut reads = vec![StreamId::Tenant(self.tenant), StreamId::Api(self.api)];
        if self.signing_algorithm != Patch::Keep {
            reads.push(StreamId::KeyRing(self.tenant));
        }
        reads
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let api = read.api(self.api)?.changeable()?;
        let tokens = TokenSettings {
            access_token_seconds: self
                .access_token_seconds
                .over(api.tokens.access_token_seconds.as_ref()),
            signing_algorithm: self
                .signing_algorithm
                .over(api.tokens.signing_algorithm.as_ref()),
        };
        self.check(api, &tokens).map_err(Refusal::Invalid)?;

        let mut events = Vec::new();
        if let Some(name) = &self.name
            && *name != api.name
        {
            events.push(ApiEvent::ApiRenamed { name: name.clone() });
        }
        if let Some(scopes) = &self.scopes
            && by_name(scopes) != api.scopes
        {
            events.push(ApiEvent::ApiScopesChanged {
                scopes: scopes.clone(),
            });
        }
        if let Some(roles) = &self.roles
            && by_role(roles) != api.roles
        {
            events.push(ApiEvent::ApiRolesChanged {
                roles: roles.clone(),
            });
        }
        if let Some(custom_claims) = &self.custom_claims
            && *custom_claims != api.custom_claims
        {
            events.push(ApiEvent::ApiClaimsChanged {
                custom_claims: custom_claims.clone(),
            });
        }
        let mut change = ChangeSet::of(StreamId::Api(self.api), events);
        let settings = Settings {
            tenant: self.tenant,
            api: self.api,
            key: self.key.as_ref(),
            is_new: false,
        };
        change.and(settings.change((api.tokens, tokens), read, now)?);
        Ok(change)
    }
}

impl UpdateApi {
    /// Checks the API as it will be. Roles that stay as they are cannot be named by their place, so
    /// what does not fit them any more is a fault of the scopes.
    fn check(&self, api: &Api, tokens: &TokenSettings) -> Result<(), Faults> {
        let kept: Vec<_> = api.scopes.iter().map(scope_definition).collect();
        let scopes = self.scopes.as_ref().unwrap_or(&kept);
        if let Some(roles) = &self.roles {
            return check(scopes, roles, tokens);
        }
        let mut faults = check(scopes, &[], tokens).err().unwrap_or_default();
        let names: BTreeSet<_> = scopes.iter().map(|scope| &scope.name).collect();
        for (role, scope) in lost(&api.roles, &names) {
            let message = format!(
                "`{scope}` is missing, and the role `{role}` grants it; change `roles` together with `scopes`"
            );
            faults.add("scopes", Invalid::new("granted_by_role", message));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

fn scope_definition(
    (name, description): (&Scope, &Option<crate::value::Description>),
) -> ScopeDefinition {
    ScopeDefinition {
        name: name.clone(),
        description: description.clone(),
    }
}

/// What roles grant that is not among these scopes.
fn lost<'a>(
    roles: &'a BTreeMap<RoleName, ScopeSet>,
    names: &'a BTreeSet<&Scope>,
) -> impl Iterator<Item = (&'a RoleName, &'a Scope)> {
    roles
        .iter()
        .flat_map(|(role, scopes)| scopes.iter().map(move |scope| (role, scope)))
        .filter(|(_, scope)| !names.contains(scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::ApiRefusal,
        key_ring::KeyRingRefusal,
        testing::{
            self, ACME, ADMIN_API_ID, ORDERS, acme_with_orders, closed, new_key, orders, with_key,
        },
    };

    fn nothing() -> UpdateApi {
        UpdateApi {
            tenant: ACME,
            api: ORDERS,
            name: None,
            scopes: None,
            roles: None,
            custom_claims: None,
            access_token_seconds: Patch::Keep,
            signing_algorithm: Patch::Keep,
            key: None,
        }
    }

    fn scope(name: &str) -> ScopeDefinition {
        ScopeDefinition {
            name: name.parse().unwrap(),
            description: None,
        }
    }

    fn role(name: &str, scopes: &str) -> RoleDefinition {
        RoleDefinition {
            name: name.parse().unwrap(),
            scopes: ScopeSet::parse(scopes).unwrap(),
        }
    }

    fn settings(seconds: Option<u32>, algorithm: Option<SigningAlgorithm>) -> ApiEvent {
        ApiEvent::ApiTokenSettingsChanged {
            access_token_seconds: seconds,
            signing_algorithm: algorithm,
        }
    }

    #[test]
    fn what_stays_the_same_is_no_event() {
        testing::given(acme_with_orders())
            .when(&nothing())
            .then_nothing();
        let orders = orders();
        let mut scopes = orders.scopes;
        scopes.reverse();
        let same = UpdateApi {
            name: Some(orders.name),
            scopes: Some(scopes),
            roles: Some(orders.roles),
            access_token_seconds: Patch::Clear,
            signing_algorithm: Patch::Clear,
            ..nothing()
        };
        testing::given(acme_with_orders())
            .when(&same)
            .then_nothing();
    }

    #[test]
    fn each_part_is_an_event_with_its_whole_value() {
        let (scopes, roles) = (
            vec![scope("orders:read")],
            vec![role("reader", "orders:read")],
        );
        let all = UpdateApi {
            name: Some("Sales".parse().unwrap()),
            scopes: Some(scopes.clone()),
            roles: Some(roles.clone()),
            access_token_seconds: Patch::Set(60),
            ..nothing()
        };
        testing::given(acme_with_orders()).when(&all).then([
            ApiEvent::ApiRenamed {
                name: "Sales".parse().unwrap(),
            },
            ApiEvent::ApiScopesChanged { scopes },
            ApiEvent::ApiRolesChanged { roles },
            settings(Some(60), None),
        ]);
    }

    #[test]
    fn one_setting_stays_when_the_other_changes() {
        let shorter = UpdateApi {
            access_token_seconds: Patch::Set(90),
            ..nothing()
        };
        let es256 = Some(SigningAlgorithm::Es256);
        testing::given(acme_with_orders())
            .and([settings(Some(60), es256)])
            .when(&shorter)
            .then([settings(Some(90), es256)]);
        let cleared = UpdateApi {
            access_token_seconds: Patch::Clear,
            signing_algorithm: Patch::Clear,
            ..nothing()
        };
        let change = testing::given(with_key())
            .and([testing::orders_created(), settings(Some(60), es256)])
            .when(&cleared)
            .change();
        let kinds = change.events().iter().map(|(_, event)| event.kind().0);
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            ["AlgorithmChosen", "ApiTokenSettingsChanged"]
        );
    }

    #[test]
    fn another_algorithm_has_an_active_key_or_brings_it() {
        let eddsa = SigningAlgorithm::EdDsa;
        let signed = |key| UpdateApi {
            signing_algorithm: Patch::Set(eddsa),
            key,
            ..nothing()
        };
        let given = || testing::given(with_key()).and([testing::orders_created()]);
        given()
            .when(&signed(None))
            .refused(KeyRingRefusal::NoActiveKey { algorithm: eddsa });
        let key = NewKey {
            algorithm: eddsa,
            ..new_key()
        };
        let change = given().when(&signed(Some(key.clone()))).change();
        assert_eq!((change.events().len(), change.vault().len()), (4, 1));
        // The key is there now, so the next command keeps its own to itself.
        let other = UpdateApi {
            access_token_seconds: Patch::Set(60),
            ..signed(Some(key))
        };
        let change = given().and_change(&change).when(&other).change();
        assert_eq!((change.events().len(), change.vault().len()), (1, 0));
    }

    #[test]
    fn every_fault_of_the_api_as_it_will_be_is_named() {
        let faults =
            |command: UpdateApi| testing::given(acme_with_orders()).when(&command).faults();
        let fewer = UpdateApi {
            scopes: Some(vec![scope("orders:write")]),
            access_token_seconds: Patch::Set(59),
            ..nothing()
        };
        assert_eq!(faults(fewer), ["accessTokenSeconds", "scopes"]);
        let unknown = UpdateApi {
            roles: Some(vec![role("clerk", "orders:burn")]),
            ..nothing()
        };
        assert_eq!(faults(unknown), ["roles[0].scopes"]);
        let both = UpdateApi {
            scopes: Some(vec![scope("a"), scope("a")]),
            roles: Some(vec![role("clerk", "a b")]),
            ..nothing()
        };
        assert_eq!(faults(both), ["scopes[1].name", "roles[0].scopes"]);
    }

    #[test]
    fn the_admin_api_and_a_retired_one_stay_as_they_are() {
        let admin = UpdateApi {
            api: ADMIN_API_ID,
            ..nothing()
        };
        testing::given(acme_with_orders())
            .when(&admin)
            .refused(ApiRefusal::BuiltIn);
        testing::given(acme_with_orders())
            .and([ApiEvent::ApiRetired {}])
            .when(&nothing())
            .refused(ApiRefusal::Retired {
                identifier: orders().identifier,
            });
        testing::given(acme_with_orders())
            .and([closed()])
            .when(&nothing())
            .refused(crate::tenant::TenantRefusal::Closed);
    }
}
