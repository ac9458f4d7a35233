//! What is to be thought of a credential: by its use, and by what the client would have without it.

use chancery_domain::Timestamp;
use chancery_token_log::{LastUse, Times};

use super::{DAY, HOUR};

/// What is to be thought of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client has no other that stays: without it, it obtains no tokens.
    OnlyOne,
    /// The one that the others make room for: the newest, or one that lasts longer than that.
    Newest,
    /// Used within the last hour.
    InUse,
    /// Used within the last day.
    RecentlyUsed,
    /// Never used, and accepted for less than a day: somebody may be putting it in place.
    JustIssued,
    /// Not used for a day or longer, or never; but nothing says that the one which stays has taken its place.
    NotChangedOver,
    /// Not used for a day or longer, and the one that stays was used since.
    Unused,
    /// Never used, and the one that stays was.
    NeverUsed,
}

impl Verdict {
    /// Whether it can go without anybody noticing.
    pub(super) fn is_safe(self) -> bool {
        matches!(self, Self::Unused | Self::NeverUsed)
    }
}

/// A credential that is accepted.
#[derive(Clone)]
pub(super) struct Accepted {
    pub(super) id: String,
    pub(super) issued_at: Timestamp,
    /// Since when it is accepted.
    pub(super) since: Timestamp,
    /// When another takes its place.
    pub(super) retires_at: Option<Timestamp>,
    /// When it ends, by whatever comes first. None: it does not.
    pub(super) ends_at: Option<Timestamp>,
}

/// What speaks for a credential and against it. Times are in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Whether it is the one that stays.
    pub(super) stays: bool,
    /// Whether it was issued last.
    pub(super) newest: bool,
    /// Whether nothing that stays would be left without it.
    pub(super) alone: bool,
    /// When it ends.
    pub(super) ends_at: Option<Timestamp>,
    /// For how long it is accepted.
    pub(super) age: i64,
    /// For how long it was not used. None: it never was.
    pub(super) idle: Option<i64>,
    /// The same of the one that stays.
    pub(super) keeper_idle: Option<i64>,
}

/// Which of them stays: the one that lasts longest, and of several the newest. They are in the order in which
/// they were issued.
pub(super) fn keeper(accepted: &[Accepted]) -> Option<&Accepted> {
    accepted.iter().max_by_key(|it| lasts(it.ends_at))
}

/// What has no end lasts longest.
pub(super) fn lasts(end: Option<Timestamp>) -> (bool, Option<Timestamp>) {
    (end.is_none(), end)
}

pub(super) fn ago(seconds: i64) -> String {
    let of =
        |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds.max(0) {
        seconds @ 0..60 => of(seconds, "second"),
        seconds @ 60..HOUR => of(seconds / 60, "minute"),
        seconds if seconds < 2 * DAY => of(seconds / HOUR, "hour"),
        seconds => of(seconds / DAY, "day"),
    }
}

fn times(often: Times) -> String {
    let least = if often.at_least { "at least " } else { "" };
    match often.count {
        1 => format!("{least}once"),
        count => format!("{least}{count} times"),
    }
}

impl Standing {
    pub(super) fn verdict(&self) -> Verdict {
        match (self.idle, self.keeper_idle) {
            _ if self.stays && self.alone => Verdict::OnlyOne,
            _ if self.stays => Verdict::Newest,
            (Some(idle), _) if idle < HOUR => Verdict::InUse,
            (Some(idle), _) if idle < DAY => Verdict::RecentlyUsed,
            (None, _) if self.age < DAY => Verdict::JustIssued,
            (_, None) => Verdict::NotChangedOver,
            (Some(idle), Some(keeper)) if idle < keeper => Verdict::NotChangedOver,
            (Some(_), _) => Verdict::Unused,
            (None, _) => Verdict::NeverUsed,
        }
    }

    /// When it was used last, and from where.
    pub(super) fn used(&self, last: Option<&LastUse>) -> String {
        let from = last
            .and_then(|last| last.address.as_ref())
            .map(|address| format!(" from {address}"))
            .unwrap_or_default();
        self.idle.map_or_else(
            || "never used".to_owned(),
            |idle| format!("last used {} ago{from}", ago(idle)),
        )
    }

    /// `last_hour`: how often it was used within it, where that was counted.
    pub(super) fn sentence(&self, last: Option<&LastUse>, last_hour: Option<Times>) -> String {
        let used = self.used(last);
        let until = self
            .ends_at
            .map(|end| format!("; it ends at {end}"))
            .unwrap_or_default();
        let unused = self.idle.map_or_else(
            || format!("never used in {}", ago(self.age)),
            |idle| format!("unused for {}", ago(idle)),
        );
        match self.verdict() {
            Verdict::OnlyOne => {
                format!("{used}; the client has no other that stays: rotate before it goes{until}")
            }
            Verdict::Newest if self.newest => {
                format!("{used}; it is the newest, and the others make room for it{until}")
            }
            Verdict::Newest => {
                format!("{used}; it lasts longest, and the others make room for it{until}")
            }
            Verdict::InUse => {
                let often = last_hour.map(|often| format!(", {} in the last hour", times(often)));
                format!("{used}{}: it is in use", often.unwrap_or_default())
            }
            Verdict::RecentlyUsed => format!("{used}: somebody may need it still"),
            Verdict::JustIssued => format!(
                "never used, and accepted for {} only: somebody may be putting it in place",
                ago(self.age)
            ),
            Verdict::NotChangedOver if self.keeper_idle.is_some() => format!(
                "{unused}, but the one that stays was not used since then: the client has not changed over"
            ),
            Verdict::NotChangedOver => format!(
                "{unused}, but the one that stays was never used: the client has not changed over"
            ),
            Verdict::Unused | Verdict::NeverUsed => format!("{unused}: it can go"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Standing = Standing {
        stays: false,
        newest: false,
        alone: false,
        ends_at: None,
        age: 30 * DAY,
        idle: None,
        keeper_idle: Some(0),
    };

    #[test]
    fn what_was_not_used_for_a_day_can_go_unless_it_is_the_only_one() {
        use Verdict::{InUse, NeverUsed, Newest, OnlyOne, RecentlyUsed, Unused};
        for (alone, stays, idle, expected) in [
            (true, true, None, OnlyOne),
            (false, true, Some(0), Newest),
            (false, false, None, NeverUsed),
            (false, false, Some(3_599), InUse),
            (false, false, Some(3_600), RecentlyUsed),
            (false, false, Some(86_399), RecentlyUsed),
            (false, false, Some(86_400), Unused),
        ] {
            let standing = Standing {
                stays,
                alone,
                idle,
                ..OTHER
            };
            assert_eq!(standing.verdict(), expected);
        }
    }

    #[test]
    fn nothing_can_go_before_the_one_that_stays_has_taken_its_place() {
        use Verdict::{JustIssued, NeverUsed, NotChangedOver, Unused};
        for (age, idle, keeper_idle, expected) in [
            (9 * DAY, Some(3 * DAY), None, NotChangedOver),
            (9 * DAY, Some(3 * DAY), Some(4 * DAY), NotChangedOver),
            (9 * DAY, Some(3 * DAY), Some(2 * DAY), Unused),
            (9 * DAY, None, None, NotChangedOver),
            (9 * DAY, None, Some(2 * DAY), NeverUsed),
            (DAY, None, Some(0), NeverUsed),
            (DAY - 1, None, Some(0), JustIssued),
        ] {
            let standing = Standing {
                age,
                idle,
                keeper_idle,
                ..OTHER
            };
            assert_eq!(standing.verdict(), expected, "{standing:?}");
        }
    }

    #[test]
    fn what_lasts_longest_stays_whatever_clocks_and_ids_say() {
        let at = |seconds| Timestamp::from_micros(0).plus_seconds(seconds);
        let accepted = |id: &str, issued, ends: Option<i64>| Accepted {
            id: id.to_owned(),
            issued_at: at(issued),
            since: at(issued),
            retires_at: None,
            ends_at: ends.map(at),
        };
        let keeper = |all: &[Accepted]| keeper(all).map(|it| it.id.clone());
        let ending = accepted("z", 9, Some(100));
        assert_eq!(keeper(&[]), None);
        assert_eq!(
            keeper(&[ending, accepted("a", 9, None)]).as_deref(),
            Some("a")
        );
        let (one, other) = (accepted("z", 1, None), accepted("a", 1, None));
        assert_eq!(keeper(&[one, other]).as_deref(), Some("a"), "the later one");
        let last = [accepted("a", 1, Some(200)), accepted("z", 2, Some(100))];
        assert_eq!(keeper(&last).as_deref(), Some("a"), "nothing else stays");
        let short = [accepted("a", 1, None), accepted("z", 2, Some(60))];
        assert_eq!(
            keeper(&short).as_deref(),
            Some("a"),
            "the newest ends in a minute"
        );
    }

    #[test]
    fn it_is_said_in_a_sentence() {
        let last = LastUse {
            at: Timestamp::from_micros(0),
            address: Some("10.0.0.7".to_owned()),
        };
        let often = |count, at_least| Times { count, at_least };
        let said = |idle, keeper_idle| {
            let standing = Standing {
                idle: Some(idle),
                keeper_idle,
                ..OTHER
            };
            standing.sentence(Some(&last), Some(often(41, false)))
        };
        assert_eq!(
            said(180, None),
            "last used 3 minutes ago from 10.0.0.7, 41 times in the last hour: it is in use"
        );
        let in_use = Standing {
            idle: Some(180),
            ..OTHER
        };
        assert_eq!(
            in_use.sentence(Some(&last), None),
            "last used 3 minutes ago from 10.0.0.7: it is in use",
            "not counted"
        );
        assert_eq!(said(6 * DAY, Some(0)), "unused for 6 days: it can go");
        assert_eq!(
            said(25 * HOUR, None),
            "unused for 25 hours, but the one that stays was never used: the client has not changed over"
        );
        assert_eq!(
            (ago(1), ago(90 * 60), times(often(1, false))),
            (
                "1 second".to_owned(),
                "1 hour".to_owned(),
                "once".to_owned()
            )
        );
        assert_eq!(times(often(64, true)), "at least 64 times");
    }
}
