//! A secret as its client's history has it, and where it is in its life.

use serde::{Deserialize, Serialize};

use super::IssuedSecret;
use crate::{time::Timestamp, value::Label};

/// What is known of a secret: everything but the secret itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Its last four characters.
    pub hint: String,
    /// The client's first has 1, and each that is issued the next: which of two is newer, whatever clocks say.
    #[serde(default)]
    pub number: u32,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When the policy that held then asks for another in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_by: Option<Timestamp>,
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

impl Revocation {
    /// Whether the tokens that the secret obtained are inactive.
    pub fn reaches_tokens(self) -> bool {
        match self {
            Self::Withdrawn => false,
            Self::Compromised => true,
        }
    }
}

/// What decides where a secret is in its life, and nothing else of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// From when on it is accepted.
    pub not_before: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it retires because another took its place.
    pub retires_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: Option<Revocation>,
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

impl Validity {
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

    /// Whether the tokens that the secret obtained may still be good. One that has ended leaves them alone, unless
    /// somebody else may have had it.
    pub fn is_trusted(&self) -> bool {
        !self.revoked.is_some_and(Revocation::reaches_tokens)
    }
}

impl Secret {
    /// What decides where it is in its life.
    pub fn validity(&self) -> Validity {
        Validity {
            not_before: self.not_before,
            expires_at: self.expires_at,
            retires_at: self.retires_at,
            revoked: self.revoked,
        }
    }

    /// Where the secret is in its life.
    pub fn state(&self, now: Timestamp) -> SecretState {
        self.validity().state(now)
    }

    /// How long it lives from its begin to its end, in microseconds; the greatest number without one.
    pub fn life(&self) -> i64 {
        let begin = self.not_before.unwrap_or(self.issued_at);
        self.ends_at()
            .map_or(i64::MAX, |end| end.micros().saturating_sub(begin.micros()))
    }

    /// When it ends by itself, by whatever comes first.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let ends = [self.expires_at, self.retires_at];
        ends.into_iter().flatten().min()
    }

    /// Whether nothing of its end is recorded yet: whoever has no clock takes it for live. As long as that is
    /// so, the vault has what the secret is compared with.
    pub fn is_open(&self) -> bool {
        self.revoked.is_none() && self.ended.is_none()
    }
}

impl Secret {
    /// The one that was issued, with its number.
    pub(super) fn of(issued: &IssuedSecret, number: u32) -> Self {
        Self {
            label: issued.label.clone(),
            hint: issued.hint.to_string(),
            number,
            issued_at: issued.issued_at,
            not_before: issued.not_before,
            expires_at: issued.expires_at,
            rotate_by: issued.rotate_by,
            retires_at: None,
            revoked: None,
            ended: None,
        }
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
            number: 1,
            rotate_by: None,
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
            number: 1,
            rotate_by: None,
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
