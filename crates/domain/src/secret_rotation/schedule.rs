use serde::{Deserialize, Serialize};

use super::{MAX_OVERLAP_SECONDS, Secret, SecretRefusal, SecretRotation, SecretRotationEvent};
use crate::{
    change::ChangeSet,
    client::ClientRefusal,
    command::{Command, ReadSet},
    id::{ClientId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    tenant::{AuthMethod, TenantPolicy},
    time::Timestamp,
};

/// The shortest and the longest time between two rotations, in seconds: an hour and five years.
const INTERVAL: std::ops::RangeInclusive<u32> = 3_600..=157_680_000;

/// How long before it is due a rotation is announced at the earliest, in seconds: a week.
const LONGEST_NOTICE: i64 = 604_800;

/// How often a client's secret is to be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The time between two rotations, in seconds.
    pub every_seconds: u32,
    /// How long the old secret stays accepted after such a rotation, in seconds.
    pub overlap_seconds: u32,
    /// When the next rotation is due.
    pub next_due_at: Timestamp,
    /// Whether that one was announced.
    #[serde(default)]
    pub announced: bool,
}

/// When the tenant's policy asks for a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The time between two rotations, in seconds.
    pub every_seconds: i64,
    /// When the next rotation is due.
    pub next_due_at: Timestamp,
    /// Whether that one was announced.
    #[serde(default)]
    pub announced: bool,
}

impl Reminder {
    /// What the policy asks of a secret.
    fn of(secret: &Secret) -> Option<Self> {
        secret.rotate_by.map(|next_due_at| Self {
            every_seconds: next_due_at.seconds() - secret.issued_at.seconds(),
            next_due_at,
            announced: false,
        })
    }
}

impl SecretRotation {
    /// The policy asks for the next rotation when it does of the first secret that stays: another one beside it puts
    /// nothing off. Where all are retiring, it goes on to ask for what it has asked for.
    pub(super) fn remind(&mut self) {
        let stays = |secret: &&Secret| secret.is_open() && secret.retires_at.is_none();
        let all = self.secrets.values().map(AsRef::as_ref);
        let mut staying = all.filter(stays).peekable();
        if staying.peek().is_none() {
            return;
        }
        let next = staying.filter_map(Reminder::of);
        let next = next.min_by_key(|reminder| reminder.next_due_at);
        let asks_already = |next: &Reminder| {
            self.reminder
                .is_some_and(|before| before.next_due_at == next.next_due_at)
        };
        if !next.as_ref().is_some_and(asks_already) {
            self.reminder = next;
        }
    }
}

/// How long ahead a rotation is announced, in seconds: a week, and never more than a quarter of the interval.
fn notice(every_seconds: i64) -> i64 {
    LONGEST_NOTICE.min(every_seconds / 4)
}

/// From when on a rotation may be announced.
fn announced_from(next_due_at: Timestamp, every_seconds: i64) -> Timestamp {
    next_due_at.plus_seconds(-notice(every_seconds))
}

impl Schedule {
    /// The schedule after a rotation.
    pub(super) fn rotated(self, at: Timestamp) -> Self {
        Self {
            next_due_at: at.plus_seconds(i64::from(self.every_seconds)),
            announced: false,
            ..self
        }
    }
}

/// Says how often a client's secret is to be rotated, or that it need not be any more. Nobody but
/// its owner can put a new secret in place, so what is scheduled is the announcement.
pub struct ScheduleRotation {
    /// The tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The time between two rotations, in seconds. None: no schedule any more.
    pub every_seconds: Option<u32>,
    /// How long the old secret stays accepted, in seconds. None: as the tenant's policy has it.
    pub overlap_seconds: Option<u32>,
}

impl Command for ScheduleRotation {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![
            StreamId::Tenant(self.tenant),
            StreamId::Client(self.client),
            StreamId::SecretRotation(self.client),
        ]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        let policy = &read.tenant(self.tenant)?.open()?.policy;
        let client = read.client(self.client)?.existing()?;
        let rotation = read.secrets(self.client);
        let Some(every_seconds) = self.every_seconds else {
            return Ok(unscheduled(self.client, &rotation));
        };
        if client.auth_method == AuthMethod::PrivateKeyJwt {
            return Err(ClientRefusal::HasNoSecret.into());
        }
        if !INTERVAL.contains(&every_seconds) {
            return Err(SecretRefusal::IntervalOutOfBounds {
                seconds: every_seconds,
            }
            .into());
        }
        let overlap_seconds = self
            .overlap_seconds
            .unwrap_or_else(|| default_overlap(policy, every_seconds));
        let max = MAX_OVERLAP_SECONDS.min(every_seconds);
        if overlap_seconds > max {
            return Err(SecretRefusal::OverlapTooLong {
                seconds: overlap_seconds,
                max,
            }
            .into());
        }
        if overlap_seconds > 0 && policy.max_live_secrets < 2 {
            // No rotation could be carried out with it.
            return Err(SecretRefusal::TooManyLiveSecrets {
                live: 2,
                max: policy.max_live_secrets,
            }
            .into());
        }
        let kept = rotation.schedule.is_some_and(|schedule| {
            schedule.every_seconds == every_seconds && schedule.overlap_seconds == overlap_seconds
        });
        if kept {
            return Ok(ChangeSet::default());
        }
        Ok(ChangeSet::of(
            StreamId::SecretRotation(self.client),
            [SecretRotationEvent::RotationScheduled {
                every_seconds,
                overlap_seconds,
                next_due_at: rotation.first_due(every_seconds, now),
            }],
        ))
    }
}

/// The policy's overlap, as far as a schedule can be carried out with it: whoever rotates as soon as that is
/// announced has no older secret left, and where one alone may live, there is none.
fn default_overlap(policy: &TenantPolicy, every_seconds: u32) -> u32 {
    if policy.max_live_secrets < 2 {
        return 0;
    }
    let between = i64::from(every_seconds) - notice(every_seconds.into());
    let longest = u32::try_from(between).unwrap_or(every_seconds);
    policy.rotation_overlap_seconds.min(longest)
}

/// The end of a schedule, where there is one.
pub(crate) fn unscheduled(client: ClientId, rotation: &SecretRotation) -> ChangeSet {
    let cancelled = rotation
        .next_rotation()
        .map(|_| SecretRotationEvent::RotationScheduleCancelled {});
    ChangeSet::of(StreamId::SecretRotation(client), cancelled)
}

/// The next rotation that somebody is to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextRotation {
    /// When it is due.
    pub due_at: Timestamp,
    /// From when on it may be announced. None: it was.
    pub announced_from: Option<Timestamp>,
}

impl SecretRotation {
    /// When the next rotation is due, by the client's own schedule or else by the tenant's policy.
    pub fn next_rotation(&self) -> Option<NextRotation> {
        let next = |due_at, every, announced: bool| NextRotation {
            due_at,
            announced_from: (!announced).then(|| announced_from(due_at, every)),
        };
        if let Some(own) = self.schedule {
            let every = i64::from(own.every_seconds);
            return Some(next(own.next_due_at, every, own.announced));
        }
        let lasts = |secret: &Secret| secret.revoked.is_none() && secret.ended.is_none();
        let mut all = self.secrets.values().map(AsRef::as_ref);
        let policy = self.reminder.filter(|_| all.any(lasts))?;
        Some(next(
            policy.next_due_at,
            policy.every_seconds,
            policy.announced,
        ))
    }

    /// When a schedule that begins now asks for its first rotation: counted from the newest secret
    /// that is alive, and not in the past.
    fn first_due(&self, every_seconds: u32, now: Timestamp) -> Timestamp {
        let newest = self.live(now).map(|(_, secret)| secret.issued_at).max();
        newest
            .unwrap_or(now)
            .plus_seconds(i64::from(every_seconds))
            .max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::TenantEvent;
    use crate::testing::{
        self, ACME, BILLING, NOW, new_secret, policy, revoked_first, with_billing,
    };

    const DAY: u32 = 86_400;

    fn every(seconds: impl Into<Option<u32>>) -> ScheduleRotation {
        ScheduleRotation {
            tenant: ACME,
            client: BILLING,
            every_seconds: seconds.into(),
            overlap_seconds: Some(3_600),
        }
    }

    fn scheduled(days: u32) -> SecretRotationEvent {
        SecretRotationEvent::RotationScheduled {
            every_seconds: days * DAY,
            overlap_seconds: 3_600,
            next_due_at: NOW.plus_days(i64::from(days)),
        }
    }

    #[test]
    fn a_schedule_counts_from_the_newest_secret_and_is_said_once() {
        testing::given(with_billing())
            .when(&every(30 * DAY))
            .then([scheduled(30)]);
        testing::given(with_billing())
            .and([scheduled(30)])
            .when(&every(30 * DAY))
            .then_nothing();
        testing::given(with_billing())
            .and([scheduled(30)])
            .when(&every(60 * DAY))
            .then([scheduled(60)]);
    }

    #[test]
    fn without_a_secret_it_counts_from_now_and_never_begins_in_the_past() {
        testing::given(with_billing())
            .and([revoked_first()])
            .when(&every(30 * DAY))
            .then([scheduled(30)]);
        let rotation = testing::given(with_billing()).read().secrets(BILLING);
        let late = NOW.plus_days(400);
        assert_eq!(rotation.first_due(30 * DAY, late), late);
    }

    #[test]
    fn a_schedule_is_cancelled_once() {
        testing::given(with_billing())
            .and([scheduled(30)])
            .when(&every(None))
            .then([SecretRotationEvent::RotationScheduleCancelled {}]);
        testing::given(with_billing())
            .when(&every(None))
            .then_nothing();
        let after = testing::given(with_billing())
            .and([scheduled(30)])
            .and([SecretRotationEvent::RotationScheduleCancelled {}])
            .read();
        assert_eq!(after.secrets(BILLING).schedule, None);
    }

    #[test]
    fn an_interval_is_an_hour_to_five_years_and_no_shorter_than_its_overlap() {
        for seconds in [0, 3_599, 157_680_001] {
            testing::given(with_billing())
                .when(&every(seconds))
                .refused(SecretRefusal::IntervalOutOfBounds { seconds });
        }
        testing::given(with_billing())
            .when(&ScheduleRotation {
                overlap_seconds: Some(3_601),
                ..every(3_600)
            })
            .refused(SecretRefusal::OverlapTooLong {
                seconds: 3_601,
                max: 3_600,
            });
        testing::given(with_billing()).when(&every(3_600)).change();
    }

    #[test]
    fn by_default_a_schedule_can_be_carried_out_as_soon_as_it_is_announced() {
        let overlap = |max_live_secrets, every_seconds| {
            let policy = policy(|policy| policy.max_live_secrets = max_live_secrets);
            default_overlap(&policy, every_seconds)
        };
        assert_eq!(overlap(2, 30 * DAY), DAY, "the policy's");
        assert_eq!(overlap(2, 7_200), 5_400);
        assert_eq!(overlap(1, 30 * DAY), 0);
        let one = TenantEvent::TenantPolicyChanged {
            policy: policy(|policy| policy.max_live_secrets = 1),
        };
        testing::given(with_billing())
            .and([one])
            .when(&every(30 * DAY))
            .refused(SecretRefusal::TooManyLiveSecrets { live: 2, max: 1 });
    }

    #[test]
    fn a_rotation_takes_the_schedules_overlap_and_begins_the_next_interval() {
        let rotate = crate::secret_rotation::RotateSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(2),
            label: None,
            overlap_seconds: None,
        };
        let given = || {
            testing::given(with_billing()).and([
                scheduled(30),
                SecretRotationEvent::RotationDue {
                    due_at: NOW.plus_days(30),
                },
            ])
        };
        assert!(given().read().secrets(BILLING).schedule.unwrap().announced);
        let change = given().when(&rotate).change();
        let after = given().and_change(&change).read().secrets(BILLING);
        let old = &after.secrets[&new_secret(1).secret];
        assert_eq!(old.retires_at, Some(NOW.plus_seconds(3_600)));
        let schedule = after.schedule.unwrap();
        assert_eq!(schedule.next_due_at, NOW.plus_days(30));
        assert!(!schedule.announced);
    }

    #[test]
    fn it_is_announced_a_week_ahead_or_a_quarter_of_a_short_interval() {
        let from = |every_seconds| announced_from(NOW, every_seconds);
        assert_eq!(from(90 * i64::from(DAY)), NOW.plus_days(-7));
        assert_eq!(from(4_000), NOW.plus_seconds(-1_000));
    }
}
