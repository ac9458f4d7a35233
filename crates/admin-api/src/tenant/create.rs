use async_graphql::{Context, InputObject, Object};
use chancery_application::NewTenant;
use chancery_domain::{
    Faults,
    tenant::{PolicyChange, TenantPolicy},
    value::{DisplayName, Slug},
};

use super::{TenantPayload, policy_input::TenantPolicyInput};
use crate::{
    error::Failure,
    input::{self, Input},
    session::Session,
};

/// A tenant to be created.
#[derive(InputObject)]
pub(crate) struct CreateTenantInput {
    /// The name in URLs, for ever: 3 to 40 of the characters a-z, 0-9 and -, beginning with a
    /// letter. A slug is never given twice.
    slug: String,
    /// The name for people: 1 to 100 characters.
    display_name: String,
    /// What the policy has other than the defaults.
    policy: Option<TenantPolicyInput>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for CreateTenantInput {
    type Parsed = NewTenant;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<NewTenant> {
        let slug = faults.take("slug", Slug::parse(&self.slug));
        let display_name = faults.take("displayName", DisplayName::parse(&self.display_name));
        let policy = self
            .policy
            .map_or_else(PolicyChange::default, |policy| policy.parse(faults));
        // What is wrong with the policy as a whole belongs into the same answer.
        if let Err(more) = policy.over(&TenantPolicy::default()) {
            faults.merge(more);
        }
        Some(NewTenant {
            slug: slug?,
            display_name: display_name?,
            policy,
        })
    }
}

/// `createTenant`.
#[derive(Default)]
pub(crate) struct CreateTenant;

#[Object]
impl CreateTenant {
    /// Creates a tenant, with its first signing key and its built-in admin API. Needs
    /// `platform:admin`.
    async fn create_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant.")] input: CreateTenantInput,
    ) -> Result<TenantPayload, Failure> {
        let (tenant, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let created = session
            .application
            .create_tenant(&session.caller, tenant, &request)
            .await?;
        TenantPayload::of(session, created).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{at, faults, right};

    fn acme() -> CreateTenantInput {
        CreateTenantInput {
            slug: "acme".into(),
            display_name: "ACME".into(),
            policy: None,
            command_id: None,
        }
    }

    #[test]
    fn a_tenant_needs_a_slug_and_a_name() {
        let tenant = right(acme());
        assert_eq!(
            (tenant.slug.as_str(), tenant.display_name.as_str()),
            ("acme", "ACME")
        );
        assert_eq!(tenant.policy, PolicyChange::default());
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let policy = async_graphql::value!({"maxLiveSecrets": -1});
        let policy = async_graphql::InputType::parse(Some(policy)).ok();
        let input = CreateTenantInput {
            slug: "A".into(),
            display_name: " ".into(),
            policy,
            ..acme()
        };
        assert_eq!(
            faults(input),
            at(&[
                ("slug", "slug"),
                ("displayName", "empty"),
                ("policy.maxLiveSecrets", "range")
            ])
        );
    }
}
