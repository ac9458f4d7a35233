use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{ClientId, Faults, value::Label};

use super::SecretIssuedPayload;
use crate::{
    error::Failure,
    input::{self, Input, number},
    session::Session,
};

/// A client whose secret is to be rotated.
#[derive(InputObject)]
pub(crate) struct RotateClientSecretInput {
    /// The client's id.
    client: ID,
    /// How long the older secrets stay usable, in seconds: 0 to 2,592,000 (30 days). Left out: as
    /// the tenant's policy has it. One that was to retire earlier still does.
    overlap_seconds: Option<i64>,
    /// The new secret's name for people: 1 to 100 characters.
    label: Option<String>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for RotateClientSecretInput {
    type Parsed = (ClientId, Option<u32>, Option<Label>);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let client = faults.take("client", self.client.parse());
        let overlap = faults.take_optional("overlapSeconds", self.overlap_seconds.map(number));
        let label = faults.take_optional("label", self.label.as_deref().map(Label::parse));
        Some((client?, overlap?, label?))
    }
}

/// `rotateClientSecret`.
#[derive(Default)]
pub(crate) struct RotateClientSecret;

#[Object]
impl RotateClientSecret {
    /// Issues a new secret, and lets every older one retire after an overlap in which both work. One that is
    /// not accepted yet stays as it is. Needs `tenant:admin` of the client's tenant, or `platform:admin`.
    async fn rotate_client_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, and how to rotate.")] input: RotateClientSecretInput,
    ) -> Result<SecretIssuedPayload, Failure> {
        let ((client, overlap, label), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let caller = &session.caller;
        let issued = session
            .application
            .rotate_secret(caller, client, (overlap, label), None, &request)
            .await?;
        Ok(SecretIssuedPayload::of(issued))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{at, faults, right};

    const CLIENT: ClientId = ClientId::from_bytes([7; 16]);

    fn rotation() -> RotateClientSecretInput {
        RotateClientSecretInput {
            client: CLIENT.into(),
            overlap_seconds: None,
            label: None,
            command_id: None,
        }
    }

    #[test]
    fn the_overlap_is_the_policys_or_given_and_can_be_nothing() {
        assert_eq!(right(rotation()), (CLIENT, None, None));
        let at_once = RotateClientSecretInput {
            overlap_seconds: Some(0),
            ..rotation()
        };
        assert_eq!(right(at_once).1, Some(0));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let wrong = RotateClientSecretInput {
            client: "7".into(),
            overlap_seconds: Some(-1),
            label: Some("a\nb".into()),
            command_id: None,
        };
        assert_eq!(
            faults(wrong),
            at(&[
                ("client", "id"),
                ("overlapSeconds", "range"),
                ("label", "control_character")
            ])
        );
    }
}
