use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{ClientId, Faults};

use crate::{
    client::ClientPayload,
    error::Failure,
    input::{self, Input, number},
    session::Session,
};

/// How often a client's secret is to be rotated.
#[derive(InputObject)]
pub(crate) struct ScheduleSecretRotationInput {
    /// The client's id.
    client: ID,
    /// The time between two rotations, in seconds: 3,600 (an hour) to 157,680,000 (five years). Null
    /// or left out: no schedule any more.
    every_seconds: Option<i64>,
    /// How long the old secret stays usable after such a rotation, in seconds: 0 to 2,592,000 (30
    /// days), and not longer than the interval. Left out: as the tenant's policy has it.
    overlap_seconds: Option<i64>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for ScheduleSecretRotationInput {
    type Parsed = (ClientId, Option<u32>, Option<u32>);

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let client = faults.take("client", self.client.parse());
        let every = faults.take_optional("everySeconds", self.every_seconds.map(number));
        let overlap = faults.take_optional("overlapSeconds", self.overlap_seconds.map(number));
        Some((client?, every?, overlap?))
    }
}

/// `scheduleSecretRotation`.
#[derive(Default)]
pub(crate) struct ScheduleSecretRotation;

#[Object]
impl ScheduleSecretRotation {
    /// Says how often a client's secret is to be rotated, or that it need not be any more. Each due
    /// rotation is announced once in the roll, as `RotationDue`, a week ahead (or a quarter of a
    /// shorter interval); the rotation itself stays with whoever can put the new secret in place, and
    /// begins the next interval. Needs `tenant:admin` of the client's tenant, or `platform:admin`.
    async fn schedule_secret_rotation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, and how often.")] input: ScheduleSecretRotationInput,
    ) -> Result<ClientPayload, Failure> {
        let ((client, every, overlap), request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let scheduled = session
            .application
            .schedule_rotation(&session.caller, client, every, overlap, None, &request)
            .await?;
        ClientPayload::of(session, scheduled).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{at, faults, right};

    const CLIENT: ClientId = ClientId::from_bytes([7; 16]);

    fn schedule() -> ScheduleSecretRotationInput {
        ScheduleSecretRotationInput {
            client: CLIENT.into(),
            every_seconds: Some(7_776_000),
            overlap_seconds: None,
            command_id: None,
        }
    }

    #[test]
    fn an_interval_is_given_or_ends_the_schedule() {
        assert_eq!(right(schedule()), (CLIENT, Some(7_776_000), None));
        let cancel = ScheduleSecretRotationInput {
            every_seconds: None,
            ..schedule()
        };
        assert_eq!(right(cancel), (CLIENT, None, None));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let wrong = ScheduleSecretRotationInput {
            client: "7".into(),
            every_seconds: Some(-1),
            overlap_seconds: Some(i64::MAX),
            command_id: None,
        };
        assert_eq!(
            faults(wrong),
            at(&[
                ("client", "id"),
                ("everySeconds", "range"),
                ("overlapSeconds", "range")
            ])
        );
    }
}
