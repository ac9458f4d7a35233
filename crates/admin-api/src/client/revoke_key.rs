use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{ClientId, Faults, KeyId, value::Reason};

use super::ClientPayload;
use crate::{
    error::Failure,
    input::{self, Input},
    session::Session,
};

/// A key to be revoked.
#[derive(InputObject)]
pub(crate) struct RevokeClientKeyInput {
    /// The client's id.
    client: ID,
    /// The key's id, like `key_01h…`: see `Client.keys`.
    key: ID,
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
    key: KeyId,
    reason: Reason,
    compromised: bool,
}

impl Input for RevokeClientKeyInput {
    type Parsed = Revocation;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Revocation> {
        let client = faults.take("client", self.client.parse());
        let key = faults.take("key", self.key.parse());
        let reason = faults.take("reason", Reason::parse(&self.reason));
        let compromised = self.compromised.unwrap_or(false);
        Some(Revocation {
            client: client?,
            key: key?,
            reason: reason?,
            compromised,
        })
    }
}

/// `revokeClientKey`.
#[derive(Default)]
pub(crate) struct RevokeClientKey;

#[Object]
impl RevokeClientKey {
    /// Ends a key at once, everywhere, and for good: it cannot be registered again. Where it is in use,
    /// `warnings` says so. Needs `tenant:admin` of the client's tenant, or
    /// `platform:admin`.
    async fn revoke_client_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, and why.")] input: RevokeClientKeyInput,
    ) -> Result<ClientPayload, Failure> {
        let (
            Revocation {
                client,
                key,
                reason,
                compromised,
            },
            request,
        ) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let caller = &session.caller;
        let revoked = session
            .application
            .revoke_client_key_and_tell(caller, client, key, (reason, compromised), &request)
            .await?;
        Ok(ClientPayload::of_revoked(revoked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{at, faults, right};

    fn revocation() -> RevokeClientKeyInput {
        RevokeClientKeyInput {
            client: ClientId::from_bytes([7; 16]).into(),
            key: KeyId::from_bytes([8; 16]).into(),
            reason: "its host was stolen".into(),
            compromised: None,
            command_id: None,
        }
    }

    #[test]
    fn a_key_is_compromised_only_where_that_is_said() {
        assert!(!right(revocation()).compromised);
        assert!(
            right(RevokeClientKeyInput {
                compromised: Some(true),
                ..revocation()
            })
            .compromised
        );
    }

    #[test]
    fn ids_are_not_taken_for_one_another() {
        let RevokeClientKeyInput { client, key, .. } = revocation();
        let swapped = RevokeClientKeyInput {
            client: key,
            key: client,
            reason: String::new(),
            ..revocation()
        };
        assert_eq!(
            faults(swapped),
            at(&[("client", "id"), ("key", "id"), ("reason", "empty")])
        );
    }
}
