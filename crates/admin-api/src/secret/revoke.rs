use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{ClientId, Faults, SecretId, value::Reason};

use crate::{
    client::ClientPayload,
    error::Failure,
    input::{self, Input},
    session::Session,
};

/// A secret to be revoked.
#[derive(InputObject)]
pub(crate) struct RevokeClientSecretInput {
    /// The client's id.
    client: ID,
    /// The secret's id.
    secret: ID,
    /// Why: 1 to 500 characters. It is written to the roll.
    reason: String,
    /// Whether somebody else may have had it: then the tokens that it obtained become inactive too.
    /// Default false.
    compromised: Option<bool>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

/// A revocation, parsed.
pub(crate) struct Revocation {
    client: ClientId,
    secret: SecretId,
    reason: Reason,
    compromised: bool,
}

impl Input for RevokeClientSecretInput {
    type Parsed = Revocation;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Revocation> {
        let client = faults.take("client", self.client.parse());
        let secret = faults.take("secret", self.secret.parse());
        let reason = faults.take("reason", Reason::parse(&self.reason));
        let compromised = self.compromised.unwrap_or(false);
        Some(Revocation {
            client: client?,
            secret: secret?,
            reason: reason?,
            compromised,
        })
    }
}

/// `revokeClientSecret`.
#[derive(Default)]
pub(crate) struct RevokeClientSecret;

#[Object]
impl RevokeClientSecret {
    /// Ends a secret at once, everywhere, also one that is in use: then `warnings` says so. Needs `tenant:admin` of the client's tenant, or
    /// `platform:admin`.
    async fn revoke_client_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The secret, and why.")] input: RevokeClientSecretInput,
    ) -> Result<ClientPayload, Failure> {
        let (
            Revocation {
                client,
                secret,
                reason,
                compromised,
            },
            request,
        ) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let caller = &session.caller;
        let revoked = session
            .application
            .revoke_secret_and_tell(caller, client, secret, (reason, compromised), &request)
            .await?;
        Ok(ClientPayload::of_revoked(revoked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{at, faults, right};

    fn revocation() -> RevokeClientSecretInput {
        RevokeClientSecretInput {
            client: ClientId::from_bytes([7; 16]).into(),
            secret: SecretId::from_bytes([8; 16]).into(),
            reason: "found in a log".into(),
            compromised: None,
            command_id: None,
        }
    }

    #[test]
    fn a_secret_is_compromised_only_where_that_is_said() {
        assert!(!right(revocation()).compromised);
        assert!(
            right(RevokeClientSecretInput {
                compromised: Some(true),
                ..revocation()
            })
            .compromised
        );
    }

    #[test]
    fn ids_are_not_taken_for_one_another() {
        let RevokeClientSecretInput { client, secret, .. } = revocation();
        let swapped = RevokeClientSecretInput {
            client: secret,
            secret: client,
            reason: String::new(),
            ..revocation()
        };
        assert_eq!(
            faults(swapped),
            at(&[("client", "id"), ("secret", "id"), ("reason", "empty")])
        );
    }
}
