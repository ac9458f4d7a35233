//! How many failures are borne, and in what time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// So many in so long, written `300/60s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailureLimit {
    /// How many.
    pub(crate) count: NonZeroU32,
    /// In how long; whole seconds, from one to a day.
    pub(crate) window: Duration,
}

/// Not such a limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a limit; write a number and seconds, up to 86400s, as in 300/60s")]
pub(crate) struct FailureLimitError(String);

const DAY: u64 = 86_400;

impl FromStr for FailureLimit {
    type Err = FailureLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limit = || {
            let (count, seconds) = text.split_once('/')?;
            let seconds = digits(seconds.strip_suffix('s')?)?.parse().ok()?;
            let window = (1..=DAY)
                .contains(&seconds)
                .then(|| Duration::from_secs(seconds))?;
            Some(Self {
                count: digits(count)?.parse().ok()?,
                window,
            })
        };
        limit().ok_or_else(|| FailureLimitError(text.to_owned()))
    }
}

/// Rust's own parser takes a sign.
fn digits(text: &str) -> Option<&str> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(text)
}

impl fmt::Display for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.count, self.window.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_itself_again() {
        for text in ["300/60s", "1/1s", "4294967295/86400s"] {
            assert_eq!(text.parse::<FailureLimit>().unwrap().to_string(), text);
        }
        let limit: FailureLimit = "300/60s".parse().unwrap();
        assert_eq!(
            (limit.count.get(), limit.window),
            (300, Duration::from_mins(1))
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "300",
            "300/60",
            "/60s",
            "300/s",
            "0/60s",
            "300/0s",
            "300/86401s",
            "+3/6s",
            "-1/60s",
            "300/1m",
            "300 / 60s",
            "9999999999/1s",
        ] {
            assert!(text.parse::<FailureLimit>().is_err(), "{text}");
        }
    }
}
