use async_graphql::{Context, ID, InputObject, Object};
use chancery_domain::{ClientId, Faults, value::Invalid};

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
    /// days), and not longer than the interval. Left out: as the tenant's policy has it, or as long as it can
    /// be where every rotation is carried out as soon as it is announced. It comes with `everySeconds` alone.
    overlap_seconds: Option<i64>,
    /// The version on which you decided, as `secretsVersion` of the client has it: when its secrets or their schedule
    /// were changed since, nothing changes and the answer is a `CONFLICT`. Left out: whichever they have now.
    expected_version: Option<String>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

/// What it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    client: ClientId,
    every: Option<u32>,
    overlap: Option<u32>,
    expected_version: Option<i64>,
}

impl Input for ScheduleSecretRotationInput {
    type Parsed = Schedule;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed> {
        let client = faults.take("client", self.client.parse());
        let every = faults.take_optional("everySeconds", self.every_seconds.map(number));
        let overlap = faults.take_optional("overlapSeconds", self.overlap_seconds.map(number));
        if self.overlap_seconds.is_some() && self.every_seconds.is_none() {
            // Whoever wants another overlap does not want the schedule to end.
            let needed = "must be given with overlapSeconds; without both, the schedule ends";
            faults.add("everySeconds", Invalid::new("missing", needed));
        }
        let expected = self.expected_version.as_deref().map(input::version);
        let expected = faults.take_optional("expectedVersion", expected);
        Some(Schedule {
            client: client?,
            every: every?,
            overlap: overlap?,
            expected_version: expected?,
        })
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
        let (schedule, request) = input::parsed(ctx, input)?;
        let Schedule {
            client,
            every,
            overlap,
            expected_version,
        } = schedule;
        let session = Session::of(ctx)?;
        let (application, caller) = (&session.application, &session.caller);
        let scheduled = application
            .schedule_rotation(caller, client, every, overlap, expected_version, &request)
            .await?;
        Ok(ClientPayload::of(scheduled))
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
            expected_version: None,
            command_id: None,
        }
    }

    fn asked(every: Option<u32>, expected_version: Option<i64>) -> Schedule {
        Schedule {
            client: CLIENT,
            every,
            overlap: None,
            expected_version,
        }
    }

    #[test]
    fn an_interval_is_given_or_ends_the_schedule() {
        assert_eq!(right(schedule()), asked(Some(7_776_000), None));
        let cancel = ScheduleSecretRotationInput {
            every_seconds: None,
            ..schedule()
        };
        assert_eq!(right(cancel), asked(None, None));
    }

    #[test]
    fn a_version_is_a_number_as_text() {
        let on_the_third = ScheduleSecretRotationInput {
            expected_version: Some("3".into()),
            ..schedule()
        };
        assert_eq!(right(on_the_third), asked(Some(7_776_000), Some(3)));
    }

    #[test]
    fn another_overlap_does_not_end_the_schedule() {
        let overlap = ScheduleSecretRotationInput {
            every_seconds: None,
            overlap_seconds: Some(5),
            ..schedule()
        };
        assert_eq!(faults(overlap), at(&[("everySeconds", "missing")]));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let wrong = ScheduleSecretRotationInput {
            client: "7".into(),
            every_seconds: Some(-1),
            overlap_seconds: Some(i64::MAX),
            expected_version: Some("latest".into()),
            command_id: None,
        };
        assert_eq!(
            faults(wrong),
            at(&[
                ("client", "id"),
                ("everySeconds", "range"),
                ("overlapSeconds", "range"),
                ("expectedVersion", "version")
            ])
        );
    }
}
