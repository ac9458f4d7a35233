use async_graphql::{Context, InputObject, MaybeUndefined, Object};
use chancery_application::TenantChange;
use chancery_domain::{Faults, value::DisplayName};

use super::{TenantPayload, policy_input::TenantPolicyInput};
use crate::{
    error::Failure,
    input::{self, Input, kept},
    session::Session,
};

/// What shall change about a tenant: a field that is left out stays as it is, in the policy too.
#[derive(InputObject)]
pub(crate) struct UpdateTenantInput {
    /// The tenant's slug.
    tenant: String,
    /// The name for people: 1 to 100 characters.
    display_name: MaybeUndefined<String>,
    /// What changes in the policy. The policy is valid as a whole afterwards, or nothing changes.
    policy: MaybeUndefined<TenantPolicyInput>,
    /// Whether to refuse a policy that would break what is there, as `previewTenantPolicy` tells it:
    /// then nothing changes. Default false.
    refuse_if_breaks: Option<bool>,
    /// The version on which you decided, as `version` of the tenant has it: when the tenant was changed since, nothing
    /// changes and the answer is a `CONFLICT`. Left out: whichever it has now.
    expected_version: Option<String>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for UpdateTenantInput {
    type Parsed = (String, TenantChange);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let name = kept(faults, "displayName", self.display_name);
        let display_name =
            faults.take_optional("displayName", name.map(|name| DisplayName::parse(&name)));
        let policy = kept(faults, "policy", self.policy);
        let policy = policy.map(|policy| policy.parse(faults));
        let expected = self.expected_version.as_deref().map(input::version);
        let expected = faults.take_optional("expectedVersion", expected);
        let change = TenantChange {
            expected_version: expected?,
            display_name: display_name?,
            policy: policy.unwrap_or_default(),
            refuse_if_breaks: self.refuse_if_breaks.unwrap_or_default(),
        };
        Some((self.tenant, change))
    }
}

/// `updateTenant`.
#[derive(Default)]
pub(crate) struct UpdateTenant;

#[Object]
impl UpdateTenant {
    /// Changes a tenant's name for people and its policy. What stays the same is no change and is not
    /// written to the roll. A signing algorithm that the tenant has not used before gets a key, which
    /// signs an hour later; the keys before sign until then. A policy that cannot be applied is refused with
    /// what it would break in `extensions.preview`. Needs `tenant:admin` of the tenant, or
    /// `platform:admin`.
    async fn update_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant, and what shall change.")] input: UpdateTenantInput,
    ) -> Result<TenantPayload, Failure> {
        let ((slug, change), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let tenant = session
            .application
            .tenant_named(&session.caller, &slug)
            .await?;
        let changed = session
            .application
            .update_tenant(&session.caller, tenant, change, &request)
            .await?;
        TenantPayload::of(session, changed).await
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, Name, Value, value};
    use chancery_domain::tenant::PolicyChange;

    use super::*;
    use crate::input::testing::{self, at};

    fn input(changes: Value) -> UpdateTenantInput {
        let Value::Object(mut members) = changes else {
            panic!("an object")
        };
        members.insert(Name::new("tenant"), "acme".into());
        InputType::parse(Some(Value::Object(members)))
            .map_err(|_| "not an input")
            .unwrap()
    }

    #[test]
    fn what_is_left_out_stays() {
        let (slug, change) = testing::right(input(value!({})));
        assert_eq!((&*slug, change.display_name), ("acme", None));
        assert_eq!(change.policy, PolicyChange::default());
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faulty = input(value!({"displayName": " ", "policy": {"maxLiveSecrets": -1}}));
        assert_eq!(
            testing::faults(faulty),
            at(&[("displayName", "empty"), ("policy.maxLiveSecrets", "range")])
        );
        let nulls = input(value!({"displayName": null, "policy": null}));
        assert_eq!(
            testing::faults(nulls),
            at(&[("displayName", "null"), ("policy", "null")])
        );
    }
}
