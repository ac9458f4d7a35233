//! What the endpoints count.

use chancery_directory::Unavailable;
use chancery_telemetry::{Counter, Family, Points, Repeated, Table};

use crate::{endpoint::Served, error::Refusal};

/// How many requests that are refused for one reason are told one by one in ten seconds. Whoever sends them may be
/// anybody, and all of them are counted.
const LINES: u32 = 20;

/// The directory could not be read.
const UNREAD: &str = "directory_unavailable";

/// Decisions, by their outcome and its reason; and what passed although a limit was used up.
pub(crate) struct Counted {
    decisions: Table<(&'static str, &'static str), Counter>,
    beyond: Table<&'static str, Counter>,
    lines: Table<&'static str, Repeated>,
}

/// What is told from the start, at 0: whoever compares two moments does not see the first of what was not there
/// before, and what is compared with nothing is nothing.
const FROM_THE_START: [(&str, &str); 13] = [
    ("issued", "none"),
    ("introspected", "none"),
    ("revoked", "none"),
    ("denied", "wrong_secret"),
    ("failed", "no_master_key"),
    ("failed", "directory_unavailable"),
    ("failed", "hasher_unavailable"),
    ("failed", "record_unavailable"),
    ("failed", "overtaken"),
    ("failed", "clock_behind"),
    ("failed", "clock_wrong"),
    ("failed", "no_signing_key"),
    ("failed", "defect"),
];

impl Default for Counted {
    fn default() -> Self {
        let decisions = Table::new(Counter::default);
        for decided in FROM_THE_START {
            decisions.at(&decided, |decided| *decided);
        }
        Self {
            decisions,
            beyond: Table::new(Counter::default),
            lines: Table::new(|| Repeated::new(LINES)),
        }
    }
}

impl Counted {
    /// A request came to its end; `beyond` names the limits that are used up and not enforced.
    pub(crate) fn decided(&self, outcome: &Result<Served, Refusal>, beyond: Option<&'static str>) {
        if let Some(reason) = beyond {
            self.beyond.at(&reason, |reason| *reason).one();
        }
        let decided = match outcome {
            Ok(Served::Issued(_)) => ("issued", "none"),
            Ok(Served::Introspected(_)) => ("introspected", "none"),
            Ok(Served::Revoked) => ("revoked", "none"),
            Err(refusal) => match refusal.reason() {
                Some(reason) => ("denied", reason),
                None => ("failed", failure(refusal)),
            },
        };
        self.decisions.at(&decided, |decided| *decided).one();
    }

    /// Whether the log says that a request was refused: then, how many were left out of it before for the same reason.
    pub(crate) fn line(&self, refusal: &Refusal) -> Option<u64> {
        let why = refusal.reason().unwrap_or_else(|| failure(refusal));
        self.lines.at(&why, |why| *why).say()
    }

    /// The same of what was asked of the directory and could not be read.
    pub(crate) fn line_of_directory(&self) -> Option<u64> {
        self.lines.at(&UNREAD, |why| *why).say()
    }

    pub(crate) fn families(&self) -> Vec<Family> {
        let mut points: Vec<_> = self
            .decisions
            .iter()
            .map(|((outcome, reason), count)| {
                let labels = vec![
                    ("chancery.outcome", (*outcome).into()),
                    ("chancery.reason", (*reason).into()),
                ];
                (labels, count.get())
            })
            .collect();
        points.sort_unstable();
        let mut beyond: Vec<_> = self
            .beyond
            .iter()
            .map(|(reason, count)| (vec![("chancery.reason", (*reason).into())], count.get()))
            .collect();
        beyond.sort_unstable();
        vec![
            Family {
                name: "chancery.token.decisions",
                unit: "{decision}",
                help: "Requests to issue, introspect and revoke tokens, by what became of them and why.",
                points: Points::Sums(points),
            },
            Family {
                name: "chancery.token.beyond_limits",
                unit: "{request}",
                help: "Requests that passed beyond a limit that is not enforced, by whose limit it is.",
                points: Points::Sums(beyond),
            },
        ]
    }
}

/// Why the server could not do its work.
fn failure(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unavailable(Unavailable::NoMasterKey { .. }) => "no_master_key",
        Refusal::Unavailable(_) => UNREAD,
        Refusal::Hasher(_) => "hasher_unavailable",
        Refusal::Record(_) => "record_unavailable",
        Refusal::Overtaken => "overtaken",
        Refusal::ClockBehind => "clock_behind",
        Refusal::Clock(_) => "clock_wrong",
        Refusal::NoKey(_) => "no_signing_key",
        _ => "defect",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_decide_how_much_is_logged() {
        let counted = Counted::default();
        let said = |refusal: Refusal| {
            let refused = (0..1_000).map(|_| counted.line(&refusal));
            refused.flatten().count()
        };
        // However long a thousand of them take.
        let few = usize::try_from(LINES).unwrap()..500;
        assert!(few.contains(&said(Refusal::GrantType("x".to_owned()))));
        assert!(few.contains(&said(Refusal::NoRefreshTokens)), "by reason");
    }
}
