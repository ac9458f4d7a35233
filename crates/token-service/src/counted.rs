//! What the endpoints count.

use chancery_telemetry::{Counter, Family, Points, Table};

use crate::{endpoint::Served, error::Refusal};

/// Decisions, by their outcome and its reason.
pub(crate) struct Counted {
    decisions: Table<(&'static str, &'static str), Counter>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            decisions: Table::new(Counter::default),
        }
    }
}

impl Counted {
    /// A request came to its end.
    pub(crate) fn decided(&self, outcome: &Result<Served, Refusal>) {
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
        vec![Family {
            name: "chancery.token.decisions",
            unit: "{decision}",
            help: "Requests to issue, introspect and revoke tokens, by what became of them and why.",
            points: Points::Sums(points),
        }]
    }
}

/// Why the server could not do its work.
fn failure(refusal: &Refusal) -> &'static str {
    match refusal {
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
