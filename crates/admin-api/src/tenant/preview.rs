//! `previewTenantPolicy`: what a change of policy would break, before it is made.

use async_graphql::{Context, Enum, ID, InputObject, InputType, Object, SimpleObject, Value};
use chancery_application::{PolicyBreak, PolicyPreview};
use chancery_domain::{
    Faults,
    tenant::{PolicyEffect, PolicyRule},
};

use super::{policy::TenantPolicyNode, policy_input::TenantPolicyInput};
use crate::{client::ClientNode, error::Failure, page, session::Session};

/// What a preview costs against the limit on complexity, whatever is asked of it: it may look at 10,000
/// clients for each rule.
const LOOKING: usize = 10_000;

/// A policy that shall be looked at before it is applied.
#[derive(InputObject)]
pub(crate) struct PreviewTenantPolicyInput {
    /// The tenant's slug.
    tenant: String,
    /// What would change in the policy, as in `updateTenant`.
    policy: TenantPolicyInput,
}

/// What a policy would come to. Nothing is changed by asking.
#[derive(SimpleObject)]
#[graphql(name = "PolicyPreview")]
pub(crate) struct PolicyPreviewNode {
    /// The policy as it would be.
    policy: TenantPolicyNode,
    /// The rule for which `updateTenant` would refuse it whatever it breaks, like `LAST_OPERATOR`. Null:
    /// it can be applied.
    refusal: Option<&'static str>,
    /// What would stand against it, rule by rule; of rules that become stricter only. Empty: nothing
    /// breaks.
    breaks: Vec<PolicyBreakNode>,
}

/// Clients that would stand against a rule of the policy.
#[derive(SimpleObject)]
#[graphql(name = "PolicyBreak")]
pub(crate) struct PolicyBreakNode {
    /// The rule.
    rule: PolicyRuleName,
    /// What that means for them.
    effect: PolicyEffectName,
    /// What happens to them and what to do, in a sentence.
    message: String,
    /// How many clients that may obtain tokens.
    count: u32,
    /// Whether there may be more: at most 10,000 are looked at for a rule.
    more: bool,
    /// The first of them. Empty where the rule is about every client.
    clients: Vec<BrokenClientNode>,
}

/// A client that would stand against a rule.
#[derive(SimpleObject)]
#[graphql(name = "BrokenClient")]
pub(crate) struct BrokenClientNode {
    /// The client.
    client: ClientNode,
    /// Those of its secrets that stand against the rule; empty where it is not about secrets.
    secrets: Vec<ID>,
}

/// A rule that a policy can turn against what is there already.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "PolicyRule", remote = "chancery_domain::tenant::PolicyRule")]
pub(crate) enum PolicyRuleName {
    /// What the client authenticates with is not in `allowedAuthMethods` any more.
    AuthMethodNotAllowed,
    /// One of `CLIENT_SECRET_BASIC` and `CLIENT_SECRET_POST` is taken away, and the client may use either.
    SecretWayTurnedOff,
    /// The client has no name, and `requireClientName` is turned on.
    NameRequired,
    /// The client has metadata, and `allowMetadata` is turned off.
    MetadataNotAllowed,
    /// The client has no end, and `clientLifetimeDays.max` demands one.
    ExpiryRequired,
    /// The client ends later than `clientLifetimeDays.max` from now.
    LifetimeTooLong,
    /// A live secret lives longer than `secretLifetimeDays`.
    SecretLivesTooLong,
    /// The client has more live secrets than `maxLiveSecrets`.
    TooManyLiveSecrets,
    /// `refreshTokenSeconds` is turned off.
    RefreshTokensTurnedOff,
    /// `signingAlgorithm` is another.
    SigningAlgorithmChanged,
    /// `maxLiveSecrets` is 1 and `rotationOverlapSeconds` is not 0.
    RotationNeedsNoOverlap,
}

/// What it means to stand against a rule.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(
    name = "PolicyEffect",
    remote = "chancery_domain::tenant::PolicyEffect"
)]
pub(crate) enum PolicyEffectName {
    /// It gets no token any more, from that moment.
    Stops,
    /// It may stop, which depends on what the client or its APIs do.
    MayStop,
    /// It goes on as it is; the next change of what stands against the rule has to keep to it.
    Stands,
}

/// What can be asked of policies.
#[derive(Default)]
pub(crate) struct PolicyQueries;

#[Object]
impl PolicyQueries {
    /// Which clients and secrets a change of a tenant's policy would break, before it is made. A policy
    /// that is not valid is `INVALID_INPUT`, with the same answer in `extensions.preview`. Needs
    /// `tenant:read` of the tenant, or `platform:read`.
    #[graphql(complexity = "page::cost(first, child_complexity) + LOOKING")]
    async fn preview_tenant_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant, and what would change.")] input: PreviewTenantPolicyInput,
        #[graphql(
            desc = "How many clients to show of each rule at most: 1 to 1,000; 50 when left out."
        )]
        first: Option<i64>,
    ) -> Result<PolicyPreviewNode, Failure> {
        let mut faults = Faults::default();
        let change = input.policy.parse(&mut faults);
        if !faults.is_empty() {
            return Err(Failure::Input(faults));
        }
        let show = page::first(first)?;
        let session = Session::of(ctx)?;
        let (application, caller) = (&session.application, &session.caller);
        let tenant = application.tenant_named(caller, &input.tenant).await?;
        let preview = application
            .preview_policy(caller, tenant, &change, show as usize)
            .await?;
        Ok(preview.into())
    }
}

impl From<PolicyPreview> for PolicyPreviewNode {
    fn from(preview: PolicyPreview) -> Self {
        Self {
            policy: (&preview.policy).into(),
            refusal: preview.refusal,
            breaks: preview.breaks.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<PolicyBreak> for PolicyBreakNode {
    fn from(broken: PolicyBreak) -> Self {
        let clients = broken.clients.into_iter().map(|client| BrokenClientNode {
            client: ClientNode::new(client.id, client.row),
            secrets: client.secrets.into_iter().map(Into::into).collect(),
        });
        Self {
            rule: broken.rule.into(),
            effect: broken.effect.into(),
            message: broken.message,
            count: u32::try_from(broken.count).unwrap_or(u32::MAX),
            more: broken.more,
            clients: clients.collect(),
        }
    }
}

/// A rule's name on the wire.
pub(crate) fn rule_name(rule: PolicyRule) -> String {
    name(&PolicyRuleName::from(rule))
}

/// An effect's name on the wire.
pub(crate) fn effect_name(effect: PolicyEffect) -> String {
    name(&PolicyEffectName::from(effect))
}

fn name(item: &impl InputType) -> String {
    match item.to_value() {
        Value::Enum(name) => name.to_string(),
        _ => String::new(),
    }
}
