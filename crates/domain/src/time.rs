//! Moments, in microseconds since 1970 (UTC), and the one door through which time comes in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::value::Invalid;

/// Where the present comes from. The server's clock reads the system's; a test's clock is moved.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Whether it may be believed. What one that is wrong would end or make cannot be taken back, so who
    /// issues, writes or deletes asks it after the moment that it goes by.
    ///
    /// # Errors
    /// [`ClockFault`].
    fn trusted(&self) -> Result<(), ClockFault> {
        Ok(())
    }
}

/// Why a clock may not be believed: by so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    /// Ahead of the database's.
    #[error(
        "this node's clock is {0} s ahead of the database's: set the one that is wrong right (NTP); nothing is lost, and it goes on by itself"
    )]
    Ahead(i64),
    /// Behind the database's.
    #[error(
        "this node's clock is {0} s behind the database's: set the one that is wrong right (NTP); nothing is lost, and it goes on by itself"
    )]
    Behind(i64),
    /// Ahead of itself: less time has passed.
    #[error(
        "this node's clock has jumped {0} s ahead: set it right (NTP), and it goes on by itself, or restart the server if it is right now; nothing is lost"
    )]
    Jumped(i64),
}

/// A moment: microseconds since 1970-01-01T00:00:00Z. As text, RFC 3339 in UTC with six decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// How far a clock may be off, in seconds: behind what others have recorded, or the database's. One that
/// is further behind is wrong, and would bring back what has ended.
pub const CLOCK_TOLERANCE: i64 = 5;

/// The last moment that can be written: the end of the year 9999.
const LAST: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The moment this many microseconds after 1970, brought within the years 1970 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < 0 {
            Self(0)
        } else if micros > LAST {
            Self(LAST)
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970.
    #[expect(clippy::cast_sign_loss, reason = "never negative: see from_micros")]
    pub const fn millis(self) -> u64 {
        (self.0 / 1_000) as u64
    }

    /// Whole seconds since 1970: the form of times in tokens (RFC 7519, `NumericDate`).
    pub const fn seconds(self) -> i64 {
        self.0 / 1_000_000
    }

    /// This many seconds later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whether a clock that shows this moment is wrong, since something was recorded at that one. Nothing
    /// may be decided by it: fewer things would have ended.
    pub const fn is_behind(self, recorded: Self) -> bool {
        self.plus_seconds(CLOCK_TOLERANCE).0 < recorded.0
    }

    /// This many days of 86,400 seconds later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(86_400))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
        );
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .ok()
            .and_then(|moment| moment.format(format).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(
                "time",
                "must be a moment by RFC 3339 from 1970 on, like 2026-11-20T17:00:00Z",
            )
        };
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?;
        let micros = moment.unix_timestamp_nanos().div_euclid(1_000);
        match i64::try_from(micros) {
            Ok(micros @ 0..=LAST) => Ok(Self(micros)),
            _ => Err(refused()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339, UTC, six decimals",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn six_decimals_in_utc() {
        let moment: Timestamp = "2026-11-20T18:00:00.123456789+01:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-11-20T17:00:00.123456Z");
    }

    #[test]
    fn beyond_the_calendar_is_refused() {
        for beyond in [
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T23:59:59.999999-23:59",
        ] {
            assert!(beyond.parse::<Timestamp>().is_err(), "{beyond}");
        }
        assert!("9999-12-31T23:59:59.999999Z".parse::<Timestamp>().is_ok());
        assert!("0000-01-01T00:00:00+23:59".parse::<Timestamp>().is_err());
    }

    #[test]
    fn before_1970_is_refused() {
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }

    proptest! {
        #[test]
        fn text_and_back(micros in 0..=LAST) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse::<Timestamp>(), Ok(moment));
        }

        #[test]
        fn no_text_panics(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{0,9})?(Z|[+-][0-2][0-9]:[0-5][0-9])") {
            let _ = text.parse::<Timestamp>();
        }

        #[test]
        fn no_sum_leaves_the_calendar(micros: i64, seconds: i64) {
            let later = Timestamp::from_micros(micros).plus_seconds(seconds);
            prop_assert!(!later.to_string().is_empty());
        }
    }
}
