//! A client's secrets: issued, rotated with an overlap, revoked.

mod defer;
mod due;
mod event;
mod fold;
mod issue;
mod new_secret;
mod refusal;
mod revoke;
mod rotate;
mod schedule;
mod secret;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use defer::DeferRetirement;
pub use due::RecordDueSecrets;
pub use event::{IssuedSecret, Retirement, SecretRotationEvent};
pub use issue::IssueSecret;
pub(crate) use issue::first;
use new_secret::latest_end;
pub use new_secret::{KeptSecret, NewSecret};
pub use refusal::SecretRefusal;
pub use revoke::RevokeSecret;
pub(crate) use revoke::all as revoke_all;
pub use rotate::RotateSecret;
pub(crate) use schedule::unscheduled;
pub use schedule::{NextRotation, Reminder, Schedule, ScheduleRotation};
pub use secret::{Ended, Revocation, Secret, SecretState, Validity};

use crate::{id::SecretId, tenant::MAX_OVERLAP_SECONDS, time::Timestamp};

/// A client's secrets, by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecretRotation {
    /// Every secret that the client ever had; a replay leaves out those that have ended. Each in a box: a B-tree has
    /// room for eleven, and most clients have one.
    pub secrets: BTreeMap<SecretId, Box<Secret>>,
    /// How many the client ever had.
    #[serde(default)]
    pub issued: u32,
    /// How often they are to be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// When the tenant's policy asks for the next rotation. A schedule of the client's own comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Reminder>,
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
        open.map(|secret| secret.life()).max()
    }

    /// The secrets that are accepted, or will be.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = (SecretId, &Secret)> {
        self.secrets
            .iter()
            .filter(move |(_, secret)| secret.state(now).is_live())
            .map(|(id, secret)| (*id, &**secret))
    }
    /// All of them in the order in which they were issued.
    pub fn in_order(&self) -> Vec<(SecretId, &Secret)> {
        let mut all: Vec<_> = self.secrets.iter().map(|(id, it)| (*id, &**it)).collect();
        all.sort_by_key(|(_, secret)| secret.number);
        all
    }

    fn add(&mut self, issued: &IssuedSecret) {
        self.issued = self.issued.saturating_add(1);
        let secret = Secret::of(issued, self.issued);
        self.secrets.insert(issued.secret, Box::new(secret));
    }
}
