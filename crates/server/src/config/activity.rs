//! How the activity log is kept.

use std::fmt;
use std::str::FromStr;

use chancery_token_log::Durability;

/// What is kept of activity, and when a token may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActivityConfig {
    /// When a token may leave.
    pub(crate) durability: DurabilityName,
    /// After how many days activity is deleted.
    pub(crate) retention: RetentionDays,
}

/// `before_response` or `async`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DurabilityName(pub(crate) Durability);

/// Whole days, from one to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetentionDays(pub(crate) u32);

/// Neither of the two.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a durability; write before_response or async")]
pub(crate) struct DurabilityError(String);

/// Not so many days.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number of days from 1 to {MOST_DAYS}")]
pub(crate) struct RetentionError(String);

const MOST_DAYS: u32 = 3_650;

impl FromStr for DurabilityName {
    type Err = DurabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "before_response" => Ok(Self(Durability::BeforeResponse)),
            "async" => Ok(Self(Durability::Async)),
            _ => Err(DurabilityError(text.to_owned())),
        }
    }
}

impl fmt::Display for DurabilityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Durability::BeforeResponse => "before_response",
            Durability::Async => "async",
        })
    }
}

impl FromStr for RetentionDays {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|days| digits && (1..=MOST_DAYS).contains(days))
            .map(Self)
            .ok_or_else(|| RetentionError(text.to_owned()))
    }
}

impl fmt::Display for RetentionDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_itself_again_and_refuses_everything_else() {
        for text in ["before_response", "async"] {
            assert_eq!(text.parse::<DurabilityName>().unwrap().to_string(), text);
        }
        for text in ["1", "90", "3650"] {
            assert_eq!(text.parse::<RetentionDays>().unwrap().to_string(), text);
        }
        for text in ["", "sync", "Async", "before-response"] {
            assert!(text.parse::<DurabilityName>().is_err(), "{text}");
        }
        for text in ["", "0", "-1", "+9", "3651", "9.5", "90d", "99999999999"] {
            assert!(text.parse::<RetentionDays>().is_err(), "{text}");
        }
    }
}
