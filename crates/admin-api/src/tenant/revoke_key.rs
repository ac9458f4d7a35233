use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{Faults, KeyId, value::Reason};

use super::TenantPayload;
use crate::{
    error::Failure,
    input::{self, Input},
    session::Session,
};

/// A signing key to be revoked.
#[derive(InputObject)]
pub(crate) struct RevokeSigningKeyInput {
    /// The tenant's slug.
    tenant: String,
    /// The key's id: the `kid` of its tokens.
    key: ID,
    /// Why: 1 to 500 characters. It is written to the roll.
    reason: String,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for RevokeSigningKeyInput {
    type Parsed = (String, KeyId, Reason);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let key = faults.take("key", self.key.parse());
        let reason = faults.take("reason", Reason::parse(&self.reason));
        Some((self.tenant, key?, reason?))
    }
}

/// `revokeSigningKey`.
#[derive(Default)]
pub(crate) struct RevokeSigningKey;

#[Object]
impl RevokeSigningKey {
    /// Takes a signing key out of the key set at once. Where it signs, the key that waited does from now
    /// on, or one that is made now. What it signed is refused by everybody who has the key set since then:
    /// after at most five minutes. Needs `tenant:admin` of the tenant, or `platform:admin`.
    async fn revoke_signing_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, and why.")] input: RevokeSigningKeyInput,
    ) -> Result<TenantPayload, Failure> {
        let ((slug, key, reason), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let (application, caller) = (&session.application, &session.caller);
        let tenant = application.tenant_named(caller, &slug).await?;
        let revoked = application
            .revoke_signing_key(caller, tenant, key, reason, &request)
            .await?;
        TenantPayload::of(session, revoked).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{at, faults};

    #[test]
    fn a_key_and_a_reason_are_needed() {
        let wrong = RevokeSigningKeyInput {
            tenant: "acme".into(),
            key: "acme".into(),
            reason: String::new(),
            command_id: None,
        };
        assert_eq!(faults(wrong), at(&[("key", "id"), ("reason", "empty")]));
    }
}
