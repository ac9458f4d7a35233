use async_graphql::{Context, ID, InputObject, Object};
use chancery_application::NewSecretInput;
use chancery_domain::{Faults, value::Label};

use super::SecretIssuedPayload;
use crate::{
    error::Failure,
    input::{self, Input},
    scalars::DateTime,
    session::Session,
};

/// A secret to be issued beside those that the client has.
#[derive(InputObject)]
pub(crate) struct IssueClientSecretInput {
    /// The client's id.
    client: ID,
    /// The name for people: 1 to 100 characters.
    label: Option<String>,
    /// From when on it is accepted. Left out, or in the past: at once.
    not_before: Option<DateTime>,
    /// From when on it is not accepted any more, within the tenant's policy. Left out: as the policy
    /// has it.
    expires_at: Option<DateTime>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for IssueClientSecretInput {
    type Parsed = NewSecretInput;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<NewSecretInput> {
        let client = faults.take("client", self.client.parse());
        let label = faults.take_optional("label", self.label.as_deref().map(Label::parse));
        let not_before =
            faults.take_optional("notBefore", self.not_before.map(|moment| moment.parse()));
        let expires_at =
            faults.take_optional("expiresAt", self.expires_at.map(|moment| moment.parse()));
        Some(NewSecretInput {
            client: client?,
            label: label?,
            not_before: not_before?,
            expires_at: expires_at?,
        })
    }
}

/// `issueClientSecret`.
#[derive(Default)]
pub(crate) struct IssueClientSecret;

#[Object]
impl IssueClientSecret {
    /// Issues another secret; those that the client has stay as they are. Needs `tenant:admin` of
    /// the client's tenant, or `platform:admin`.
    async fn issue_client_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, and what its secret is like.")] input: IssueClientSecretInput,
    ) -> Result<SecretIssuedPayload, Failure> {
        let (secret, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let issued = session
            .application
            .issue_secret(&session.caller, secret, &request)
            .await?;
        Ok(SecretIssuedPayload::of(issued))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, value};
    use chancery_domain::ClientId;

    use super::*;
    use crate::input::testing::{at, faults, right};

    fn input(value: async_graphql::Value) -> IssueClientSecretInput {
        InputType::parse(Some(value))
            .map_err(|_| "not an input")
            .unwrap()
    }

    #[test]
    fn a_secret_can_begin_and_end_at_a_moment() {
        let client = ClientId::from_bytes([7; 16]).to_string();
        let secret = right(input(
            value!({"client": client, "notBefore": "2026-11-20T18:00:00+01:00"}),
        ));
        assert_eq!(
            secret.not_before.unwrap().to_string(),
            "2026-11-20T17:00:00.000000Z"
        );
        assert_eq!((secret.label, secret.expires_at), (None, None));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let wrong = value!({"client": "secret_x", "label": "", "notBefore": "soon", "expiresAt": "1969-01-01T00:00:00Z"});
        assert_eq!(
            faults(input(wrong)),
            at(&[
                ("client", "id"),
                ("label", "empty"),
                ("notBefore", "time"),
                ("expiresAt", "time")
            ])
        );
    }
}
