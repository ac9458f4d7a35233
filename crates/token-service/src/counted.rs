//! What the endpoints count.

use chancery_directory::Unavailable;
use chancery_telemetry::{Counter, Family, Points, Table};

use crate::{endpoint::Served, error::Refusal};

/// Decisions, by their outcome and its reason; and what passed although a limit was used up.
pub(crate) struct Counted {
    decisions: Table<(&'static str, &'static str), Counter>,
    beyond: Table<&'static str, Counter>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            decisions: Table::new(Counter::default),
            beyond: Table::new(Counter::default),
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
        Refusal::Unavailable(_) => "directory_unavailable",
        Refusal::Hasher(_) => "hasher_unavailable",
        Refusal::Record(_) => "record_unavailable",
        Refusal::Overtaken => "overtaken",
        Refusal::ClockBehind => "clock_behind",
        Refusal::Clock(_) => "clock_wrong",
        Refusal::NoKey(_) => "no_signing_key",
        _ => "defect",
    }
}
