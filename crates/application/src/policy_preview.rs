//! What a change of policy would break: asked before it is made, and told with its refusal.

use chancery_domain::{
    ClientId, Row, SecretId, TenantId, Timestamp,
    client::Client,
    tenant::{PolicyChange, PolicyEffect, PolicyRule, Tenant, TenantPolicy, Tightened},
};
use chancery_event_store::{Connection, Reads, StoreError, Tx};
use chancery_projections::{policy_reach, tenants};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    operators,
    write::WriteError,
};

/// How many clients a refusal names for each rule.
const NAMED_IN_A_REFUSAL: usize = 20;

/// What a policy would come to.
#[derive(Debug)]
pub struct PolicyPreview {
    /// The policy as it would be.
    pub policy: TenantPolicy,
    /// The rule that forbids it altogether.
    pub refusal: Option<&'static str>,
    /// What would stand against it that does not stand against the policy as it is.
    pub breaks: Vec<PolicyBreak>,
}

/// Who would stand against a rule that becomes stricter.
#[derive(Debug)]
pub struct PolicyBreak {
    /// The rule.
    pub rule: PolicyRule,
    /// What that means for them.
    pub effect: PolicyEffect,
    /// What happens to them, in a sentence.
    pub message: String,
    /// How many clients that may obtain tokens, among the first ten thousand that were looked at.
    pub count: usize,
    /// Whether there may be more.
    pub more: bool,
    /// The first of them. None where the rule is about all of them.
    pub clients: Vec<BrokenClient>,
}

/// A client that would stand against a rule.
#[derive(Debug)]
pub struct BrokenClient {
    /// The client.
    pub id: ClientId,
    /// What is known of it.
    pub row: Row<Client>,
    /// Those of its secrets that stand against the rule.
    pub secrets: Vec<SecretId>,
}

impl Application {
    /// Which clients and secrets a change of a tenant's policy would break; of each rule so many
    /// clients are shown.
    ///
    /// # Errors
    /// [`Error::Previewed`] over [`Error::Invalid`] where the policy is not valid as a whole.
    pub async fn preview_policy(
        &self,
        caller: &Caller,
        tenant: TenantId,
        change: &PolicyChange,
        show: usize,
    ) -> Result<PolicyPreview, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let preview = self.preview_of(tenant, change, show).await?;
        match preview.policy.check() {
            Ok(()) => Ok(preview),
            Err(faults) => Err(preview.refusing(Error::Invalid(faults))),
        }
    }

    async fn preview_of(
        &self,
        tenant: TenantId,
        change: &PolicyChange,
        show: usize,
    ) -> Result<PolicyPreview, Error> {
        let mut on = self.parts.store.source().connection().await?;
        let row = tenants::get(&mut on, tenant).await?;
        let before = row.ok_or(Error::NotFound { what: "tenant" })?.state;
        let after = change.unchecked(&before.policy);
        let now = self.now();
        Ok(preview(&mut on, tenant, &before, after, now, show).await?)
    }

    /// Tells with the refusal of a policy what it would have broken. Without that the refusal is as
    /// good as it was.
    pub(crate) async fn with_preview(
        &self,
        tenant: TenantId,
        change: &PolicyChange,
        error: Error,
    ) -> Error {
        let of_the_policy = match &error {
            Error::Invalid(_) => true,
            Error::Guarded { rule, .. } => *rule == operators::LAST_OPERATOR,
            _ => false,
        };
        if !of_the_policy || *change == PolicyChange::default() {
            return error;
        }
        match self.preview_of(tenant, change, NAMED_IN_A_REFUSAL).await {
            Ok(preview) => preview.refusing(error),
            Err(_) => error,
        }
    }
}

impl PolicyPreview {
    fn refusing(self, cause: Error) -> Error {
        Error::Previewed {
            cause: Box::new(cause),
            preview: Box::new(self),
        }
    }
}

/// Refuses a policy that breaks something. Runs under the tenant's lock, so nobody can add a client
/// behind its back.
pub(crate) async fn guard_breaks(
    tx: &mut Tx,
    tenant: TenantId,
    before: &Tenant,
    after: &TenantPolicy,
    now: Timestamp,
) -> Result<(), WriteError> {
    let mut on = (&mut *tx).source().connection().await?;
    let after = after.clone();
    let preview = preview(&mut on, tenant, before, after, now, NAMED_IN_A_REFUSAL).await?;
    if preview.breaks.is_empty() {
        return Ok(());
    }
    Err(WriteError::Failed(preview.refusing(Error::Guarded {
        rule: "POLICY_BREAKS_CLIENTS",
        message: "the policy would break what is there, see `extensions.preview`; mend that first, or leave refuseIfBreaks out to change the policy all the same",
    })))
}

async fn preview(
    on: &mut Connection<'_>,
    tenant: TenantId,
    before: &Tenant,
    after: TenantPolicy,
    now: Timestamp,
    show: usize,
) -> Result<PolicyPreview, StoreError> {
    let locks_out = before.slug.is_system()
        && operators::lasting(on, tenant, &before.policy, now).await?
        && !operators::lasting(on, tenant, &after, now).await?;
    let forbidden = before.open().and_then(|tenant| tenant.may_have(&after));
    let forbidden = forbidden.err().map(|refusal| refusal.rule());
    let mut breaks = Vec::new();
    for tightened in Tightened::all(&before.policy, &after, now) {
        let found = policy_reach::find(&mut *on, tenant, tightened.reach, now, show).await?;
        let looked_at = found.shown.len();
        let clients: Vec<_> = found
            .shown
            .into_iter()
            .filter_map(|(id, row, secrets)| {
                let secrets = tightened.broken_by(&row.state, &secrets, now)?;
                Some(BrokenClient { id, row, secrets })
            })
            .collect();
        // What has ended by the clock, and is not recorded, is found and not broken.
        let count = found.count - (looked_at - clients.len());
        if count > 0 || found.more {
            breaks.push(PolicyBreak {
                rule: tightened.rule,
                effect: tightened.rule.effect(),
                message: tightened.message(),
                count,
                more: found.more,
                clients,
            });
        }
    }
    Ok(PolicyPreview {
        policy: after,
        refusal: forbidden.or(locks_out.then_some(operators::LAST_OPERATOR)),
        breaks,
    })
}
