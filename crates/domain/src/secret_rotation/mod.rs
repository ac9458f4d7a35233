//! A client's secrets: issued, rotated with an overlap, revoked.

mod defer;
mod due;
mod event;
mod issue;
mod revoke;
mod rotate;
mod schedule;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use defer::DeferRetirement;
pub use due::RecordDueSecrets;
pub use event::{IssuedSecret, Retirement, SecretRotationEvent};
pub use issue::IssueSecret;
pub(crate) use issue::first;
pub use revoke::RevokeSecret;
pub(crate) use revoke::all as revoke_all;
pub use rotate::RotateSecret;
pub(crate) use schedule::unscheduled;
pub use schedule::{NextRotation, Reminder, Schedule, ScheduleRotation};

use crate::{
    aggregate::Fold,
    change::VaultRow,
    client::ClientRefusal,
    command::State,
    event::Event,
    id::{ClientId, SecretId},
    refusal::refusals,
    stream::AggregateType,
    tenant::{AuthMethod, MAX_OVERLAP_SECONDS, TenantPolicy},
    time::Timestamp,
    value::{Hint, Label},
};

/// A client's secrets, by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecretRotation {
    /// Every secret that the client ever had.
    pub secrets: BTreeMap<SecretId, Secret>,
    /// How often they are to be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// When the tenant's policy asks for the next rotation. A schedule of the client's own comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Reminder>,
}

/// What is known of a secret: everything but the secret itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Its last four characters.
    pub hint: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it retires because another took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Timestamp>,
    /// Whether it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
    /// How it ended by itself, once that is recorded. Nothing is decided by it: see
    /// [`Secret::state`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// How a secret ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Another took its place.
    Retired,
    /// Its end passed.
    Expired,
}

/// How a secret was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// By an operator's decision; the tokens that it obtained stay as they are.
    Withdrawn,
    /// Because somebody else may have had it; the tokens that it obtained are inactive.
    Compromised,
}

/// Where a secret is in its life at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// Not accepted yet.
    Pending,
    /// Accepted.
    Active,
    /// Accepted until it retires.
    Retiring,
    /// Another took its place.
    Retired,
    /// Its end has passed.
    Expired,
    /// An operator revoked it.
    Revoked,
}

impl SecretState {
    /// Whether the secret is accepted, or will be: such secrets count against the policy's limit.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::Retiring)
    }

    /// Whether the secret is accepted now.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Active | Self::Retiring)
    }
}

/// A secret that was minted, and hashed or sealed, before the command that issues it.
#[derive(Clone)]
pub struct NewSecret {
    /// Its id.
    pub secret: SecretId,
    /// Its last four characters.
    pub hint: String,
    /// What is kept of it.
    pub kept: KeptSecret,
}

/// What is kept of a secret, which depends on how its client authenticates. It has no `Debug`.
#[derive(Clone)]
pub enum KeptSecret {
    /// Its Argon2id hash, in PHC form: a secret that is sent as it is can be compared with that.
    Verifier(String),
    /// The secret itself, sealed: it keys assertions.
    Sealed {
        /// Which master key sealed it.
        master_key_id: String,
        /// The sealed bytes.
        sealed: Vec<u8>,
    },
}

refusals! {
    /// The rules of a client's secrets.
    SecretRefusal {
        #[error("the client would have {live} live secrets, and the tenant's policy allows {max}; revoke one first, or rotate with an overlap of 0 seconds")]
        TooManyLiveSecrets { live: usize, max: u32 } = "TOO_MANY_LIVE_SECRETS",
        #[error("the secret would end before it begins, or has ended already; give a later expiresAt")]
        EndsTooEarly = "SECRET_ENDS_TOO_EARLY",
        #[error("the secret would live longer than the {max_days} day(s) that the tenant's policy allows; give an earlier expiresAt, or none")]
        LivesTooLong { max_days: u32 } = "SECRET_LIVES_TOO_LONG",
        #[error("the overlap can be 0 to 2592000 seconds (30 days), and is {seconds}")]
        OverlapTooLong { seconds: u32 } = "OVERLAP_TOO_LONG",
        #[error("a rotation can be scheduled every 3600 seconds (an hour) to 157680000 seconds (five years), and not every {seconds}")]
        IntervalOutOfBounds { seconds: u32 } = "ROTATION_INTERVAL_OUT_OF_BOUNDS",
        #[error("only a secret that is retiring can be given more time; this one is not retiring, or has ended")]
        NotRetiring = "SECRET_NOT_RETIRING",
        #[error("the secret retires at {retires_at} already, and a retirement is only put off; give a later time, or revoke the secret to end it earlier")]
        NotDeferred { retires_at: Timestamp } = "RETIREMENT_NOT_DEFERRED",
        #[error("the secret can retire at {latest} at the latest: 30 days from now, and not after it expires")]
        DeferredTooLong { latest: Timestamp } = "RETIREMENT_DEFERRED_TOO_LONG",
        #[error("the secret is revoked already")]
        AlreadyRevoked = "SECRET_REVOKED",
    }
}

impl Secret {
    /// Where the secret is in its life. The moment at which something ends is already after its end.
    pub fn state(&self, now: Timestamp) -> SecretState {
        let passed = |moment: Option<Timestamp>| moment.filter(|moment| *moment <= now);
        if self.revoked.is_some() {
            return SecretState::Revoked;
        }
        // Whichever end came first is the one that it had.
        match (passed(self.expires_at), passed(self.retires_at)) {
            (Some(expired), Some(retired)) if expired < retired => return SecretState::Expired,
            (_, Some(_)) => return SecretState::Retired,
            (Some(_), None) => return SecretState::Expired,
            (None, None) => {}
        }
        if self.not_before.is_some_and(|begin| begin > now) {
            SecretState::Pending
        } else if self.retires_at.is_some() {
            SecretState::Retiring
        } else {
            SecretState::Active
        }
    }
}

impl Secret {
    /// How long it lives from its begin to its end, in microseconds; the greatest number without one.
    pub fn life(&self) -> i64 {
        let begin = self.not_before.unwrap_or(self.issued_at);
        let ends = [self.expires_at, self.retires_at];
        let end = ends.into_iter().flatten().min();
        end.map_or(i64::MAX, |end| end.micros().saturating_sub(begin.micros()))
    }

    /// Whether nothing of its end is recorded yet: whoever has no clock takes it for live. As long as that is
    /// so, the vault has what the secret is compared with.
    pub fn is_open(&self) -> bool {
        self.revoked.is_none() && self.ended.is_none()
    }
}

impl SecretRotation {
    /// How many secrets there are whose end is not recorded: those that are live, and those whose
    /// moment has just passed.
    pub fn open_count(&self) -> usize {
        self.secrets
            .values()
            .filter(|secret| secret.is_open())
            .count()
    }

    /// The longest life of those whose end is not recorded, in microseconds.
    pub fn longest_open_life(&self) -> Option<i64> {
        let open = self.secrets.values().filter(|secret| secret.is_open());
        open.map(Secret::life).max()
    }

    /// The secrets that are accepted, or will be.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = (SecretId, &Secret)> {
        self.secrets
            .iter()
            .filter(move |(_, secret)| secret.state(now).is_live())
            .map(|(id, secret)| (*id, secret))
    }
}

impl NewSecret {
    fn issued(
        &self,
        label: Option<&Label>,
        policy: &TenantPolicy,
        now: Timestamp,
        (not_before, expires_at): (Option<Timestamp>, Option<Timestamp>),
    ) -> IssuedSecret {
        IssuedSecret {
            secret: self.secret,
            label: label.cloned(),
            hint: Hint::of(&self.hint),
            issued_at: now,
            not_before,
            expires_at,
            rotate_by: policy
                .secret_rotation_days
                .map(|days| now.plus_days(i64::from(days))),
        }
    }

    /// Whether what is kept of it serves a client that authenticates this way: the client may have
    /// been changed since the secret was made.
    pub(crate) fn fits(&self, method: AuthMethod) -> Result<(), ClientRefusal> {
        match (method, &self.kept) {
            (AuthMethod::ClientSecret, KeptSecret::Verifier(_))
            | (AuthMethod::ClientSecretJwt, KeptSecret::Sealed { .. }) => Ok(()),
            (AuthMethod::PrivateKeyJwt, _) => Err(ClientRefusal::HasNoSecret),
            (AuthMethod::ClientSecret | AuthMethod::ClientSecretJwt, _) => {
                Err(ClientRefusal::AuthMethodChanged)
            }
        }
    }

    fn vault_row(&self, client: ClientId) -> VaultRow {
        let secret = self.secret;
        match self.kept.clone() {
            KeptSecret::Verifier(phc) => VaultRow::Verifier {
                secret,
                client,
                phc,
            },
            KeptSecret::Sealed {
                master_key_id,
                sealed,
            } => VaultRow::SealedSecret {
                secret,
                client,
                master_key_id,
                sealed,
            },
        }
    }
}

/// When a secret that begins at `begin` ends at the latest.
fn latest_end(policy: &TenantPolicy, begin: Timestamp) -> Option<Timestamp> {
    policy
        .secret_lifetime_days
        .map(|days| begin.plus_days(i64::from(days)))
}

impl From<&IssuedSecret> for Secret {
    fn from(issued: &IssuedSecret) -> Self {
        Self {
            label: issued.label.clone(),
            hint: issued.hint.to_string(),
            issued_at: issued.issued_at,
            not_before: issued.not_before,
            expires_at: issued.expires_at,
            retires_at: None,
            revoked: None,
            ended: None,
        }
    }
}

impl Fold for SecretRotation {
    const TYPE: AggregateType = AggregateType::SecretRotation;
    type Event = SecretRotationEvent;

    fn fold(before: Option<Self>, event: &SecretRotationEvent) -> Option<Self> {
        match event {
            SecretRotationEvent::SecretIssued { issued } => {
                let mut rotation = before.unwrap_or_default();
                rotation.secrets.insert(issued.secret, issued.into());
                rotation.reminder = Reminder::of(issued);
                Some(rotation)
            }
            SecretRotationEvent::SecretRotated { issued, retires } => {
                let mut rotation = before.unwrap_or_default();
                for retirement in retires {
                    if let Some(old) = rotation.secrets.get_mut(&retirement.secret) {
                        old.retires_at = Some(retirement.retires_at);
                    }
                }
                rotation.secrets.insert(issued.secret, issued.into());
                rotation.reminder = Reminder::of(issued);
                rotation.schedule = rotation
                    .schedule
                    .map(|schedule| schedule.rotated(issued.issued_at));
                Some(rotation)
            }
            SecretRotationEvent::RetirementDeferred { secret, retires_at } => {
                before.map(|mut rotation| {
                    if let Some(secret) = rotation.secrets.get_mut(secret) {
                        secret.retires_at = Some(*retires_at);
                    }
                    rotation
                })
            }
            SecretRotationEvent::SecretRetired { secret } => before.map(|mut rotation| {
                rotation.end(*secret, Ended::Retired);
                rotation
            }),
            SecretRotationEvent::SecretExpired { secret } => before.map(|mut rotation| {
                rotation.end(*secret, Ended::Expired);
                rotation
            }),
            SecretRotationEvent::RotationScheduled {
                every_seconds,
                overlap_seconds,
                next_due_at,
            } => {
                let mut rotation = before.unwrap_or_default();
                rotation.schedule = Some(Schedule {
                    every_seconds: *every_seconds,
                    overlap_seconds: *overlap_seconds,
                    next_due_at: *next_due_at,
                    announced: false,
                });
                Some(rotation)
            }
            SecretRotationEvent::RotationScheduleCancelled {} => before.map(|rotation| Self {
                schedule: None,
                reminder: None,
                ..rotation
            }),
            SecretRotationEvent::RotationDue { due_at: _ } => before.map(|mut rotation| {
                if let Some(schedule) = &mut rotation.schedule {
                    schedule.announced = true;
                } else if let Some(reminder) = &mut rotation.reminder {
                    reminder.announced = true;
                }
                rotation
            }),
            SecretRotationEvent::SecretRevoked {
                secret,
                reason: _,
                compromised,
            } => before.map(|mut rotation| {
                if let Some(secret) = rotation.secrets.get_mut(secret) {
                    secret.revoked = Some(if *compromised {
                        Revocation::Compromised
                    } else {
                        Revocation::Withdrawn
                    });
                }
                rotation
            }),
        }
    }

    fn event(event: &Event) -> Option<&SecretRotationEvent> {
        match event {
            Event::SecretRotation(event) => Some(event),
            _ => None,
        }
    }

    fn into_state(state: Option<Self>) -> State {
        State::SecretRotation(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;

    #[test]
    fn a_secret_lives_by_the_clock_alone() {
        let secret = Secret {
            label: None,
            hint: "wxyz".to_owned(),
            issued_at: NOW,
            not_before: Some(NOW.plus_seconds(10)),
            expires_at: Some(NOW.plus_seconds(30)),
            retires_at: None,
            revoked: None,
            ended: None,
        };
        let at = |secret: &Secret, seconds| secret.state(NOW.plus_seconds(seconds));
        assert_eq!(at(&secret, 9), SecretState::Pending);
        assert_eq!(at(&secret, 10), SecretState::Active);
        assert_eq!(at(&secret, 29), SecretState::Active);
        assert_eq!(at(&secret, 30), SecretState::Expired);
        let retiring = Secret {
            retires_at: Some(NOW.plus_seconds(20)),
            ..secret.clone()
        };
        assert_eq!(at(&retiring, 19), SecretState::Retiring);
        assert_eq!(at(&retiring, 20), SecretState::Retired);
        let revoked = Secret {
            revoked: Some(Revocation::Withdrawn),
            ..secret
        };
        assert_eq!(at(&revoked, 15), SecretState::Revoked);
    }

    #[test]
    fn the_end_that_comes_first_is_the_end() {
        let secret = Secret {
            label: None,
            hint: "wxyz".to_owned(),
            issued_at: NOW,
            not_before: None,
            expires_at: Some(NOW.plus_seconds(10)),
            retires_at: Some(NOW.plus_seconds(20)),
            revoked: None,
            ended: None,
        };
        let at = |seconds| secret.state(NOW.plus_seconds(seconds));
        assert_eq!(at(9), SecretState::Retiring);
        assert_eq!(at(10), SecretState::Expired);
        assert_eq!(at(20), SecretState::Expired, "and so it stays");
        let both = Secret {
            retires_at: secret.expires_at,
            ..secret
        };
        assert_eq!(both.state(NOW.plus_seconds(10)), SecretState::Retired);
    }
}
