use async_graphql::{Context, InputObject, Object};
use chancery_domain::{Faults, tenant::SigningAlgorithm};

use super::{SigningAlgorithmName, TenantPayload};
use crate::{
    error::Failure,
    input::{self, Input},
    session::Session,
};

/// The tenant whose next key is to be made.
#[derive(InputObject)]
pub(crate) struct RotateSigningKeyInput {
    /// The tenant's slug.
    tenant: String,
    /// What the key signs with. Default: the policy's `signingAlgorithm`.
    algorithm: Option<SigningAlgorithmName>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for RotateSigningKeyInput {
    type Parsed = (String, Option<SigningAlgorithm>);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, _: &mut Faults) -> Option<Self::Parsed> {
        Some((self.tenant, self.algorithm.map(Into::into)))
    }
}

/// `rotateSigningKey`.
#[derive(Default)]
pub(crate) struct RotateSigningKey;

#[Object]
impl RotateSigningKey {
    /// Makes the tenant's next signing key. It is in the key set from now on and signs from its
    /// `activatesAt`, an hour later; the one before stays in the set until the last token that it signed
    /// has ended. The first key of an algorithm is ready at once. Needs `tenant:admin` of the tenant, or
    /// `platform:admin`.
    async fn rotate_signing_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant, and the algorithm.")] input: RotateSigningKeyInput,
    ) -> Result<TenantPayload, Failure> {
        let ((slug, algorithm), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let (application, caller) = (&session.application, &session.caller);
        let tenant = application.tenant_named(caller, &slug).await?;
        let rotated = application
            .rotate_signing_key(caller, tenant, algorithm, &request)
            .await?;
        TenantPayload::of(session, rotated).await
    }
}
