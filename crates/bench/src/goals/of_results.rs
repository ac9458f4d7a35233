//! The goals, and what the results say of each.

use super::Results;
use crate::{
    lifecycle,
    report::{Comparison, rate},
    roll,
    run::Run,
    scale::{self, Growth},
    tokens,
};

const STORES: [&str; 2] = ["SQLite", "PostgreSQL"];

/// What is to be reached.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    AtLeast(f64),
    Below(f64),
    /// No growth beyond that of the control.
    OfControl,
}

/// One goal on one store, and what came of it.
pub(super) struct Goal {
    pub(super) measure: String,
    pub(super) store: &'static str,
    pub(super) now: Limit,
    pub(super) next: Option<Limit>,
    pub(super) measured: Option<Measured>,
    /// Where the rest of it is.
    pub(super) file: &'static str,
}

pub(super) struct Measured {
    pub(super) text: String,
    pub(super) met: bool,
    /// Whether the next goal is, where there is one.
    pub(super) next: bool,
    pub(super) quick: bool,
}

impl Limit {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::Below(most) => value < most,
            Self::OfControl => false,
        }
    }
}

impl Goal {
    fn new(
        measure: impl Into<String>,
        store: &'static str,
        file: &'static str,
        now: Limit,
    ) -> Self {
        Self {
            measure: measure.into(),
            store,
            now,
            next: None,
            measured: None,
            file,
        }
    }

    fn next(mut self, next: Limit) -> Self {
        self.next = Some(next);
        self
    }

    /// A value, how it is written, and the run that it is from.
    fn measured(mut self, value: Option<(f64, String)>, run: Option<&Run>) -> Self {
        self.measured = value.map(|(value, text)| Measured {
            text,
            met: self.now.is_met_by(value),
            next: self.next.is_some_and(|next| next.is_met_by(value)),
            quick: run.is_some_and(|run| run.quick),
        });
        self
    }
}

/// All of them.
pub(super) fn all(results: &Results) -> Vec<Goal> {
    let mut goals = of_tokens(results.tokens.as_ref());
    goals.extend(of_scale(results.scale.as_ref()));
    goals.extend(of_entries(results.entries.as_ref()));
    goals.extend(of_lifecycle(results.lifecycle.as_ref()));
    goals.extend(of_roll(results));
    goals
}

fn of_tokens(report: Option<&tokens::Report>) -> Vec<Goal> {
    const FILE: &str = "tokens";
    let run = report.and_then(|report| report.run.as_ref());
    let mut goals = Vec::new();
    for (algorithm, least, next) in [("ES256", 0.7, Some(0.8)), ("RS256", 0.95, None)] {
        for store in STORES {
            let measure = format!("warm `client_credentials`, {algorithm}, of the control");
            let mut goal = Goal::new(measure, store, FILE, Limit::AtLeast(least));
            goal.next = next.map(Limit::AtLeast);
            let name = format!("{algorithm}, {store}");
            let compared = report.and_then(|report| named(&report.closed_loop, &name));
            goals.push(goal.measured(compared.map(ratio), run));
        }
    }
    for algorithm in ["ES256", "EDDSA", "RS256"] {
        for store in STORES {
            let measure = format!("p99 at half of the peak, {algorithm}, ms");
            let goal = Goal::new(measure, store, FILE, Limit::Below(10.0));
            let name = format!("{algorithm}, {store}");
            let fixed = report.and_then(|report| {
                let mut all = report.open_loop.iter();
                all.find(|fixed| fixed.name == name)
            });
            let p99 = fixed.map(|fixed| {
                let (median, least, greatest) = fixed.p99();
                (median, format!("{median:.1} ({least:.1} to {greatest:.1})"))
            });
            goals.push(goal.next(Limit::Below(5.0)).measured(p99, run));
        }
    }
    for store in STORES {
        let measure = "honest traffic beside twice as many wrong secrets, of its rate alone";
        let goal = Goal::new(measure, store, FILE, Limit::AtLeast(0.8));
        let beside = report
            .into_iter()
            .flat_map(|report| &report.beside_wrong_secrets);
        let kept = beside
            .filter(|beside| beside.name.contains(store))
            .map(|beside| beside.among.per_second / beside.alone.per_second)
            .min_by(f64::total_cmp);
        let kept = kept.map(|kept| (kept, format!("{kept:.2}")));
        goals.push(goal.next(Limit::AtLeast(0.9)).measured(kept, run));
    }
    goals
}

fn of_scale(report: Option<&scale::Report>) -> Vec<Goal> {
    const FILE: &str = "scale";
    let run = report.and_then(|report| report.run.as_ref());
    let sizes = |store| sizes_on(report, store);
    let mut goals = Vec::new();
    for store in STORES {
        let measure = "growth of a token from 1,000 to 1,000,000 clients, processor time and rate";
        let mut goal = Goal::new(measure, store, FILE, Limit::OfControl);
        let far = sizes(store).filter(|sizes| {
            sizes.first().is_some_and(|size| size.clients <= 1_000)
                && sizes.last().is_some_and(|size| size.clients >= 1_000_000)
        });
        goal.measured = far
            .and_then(Growth::of_tokens)
            .and_then(|it| grown(&it, run));
        goals.push(goal);
    }
    for store in STORES {
        let measure = "resident memory, 100,000 clients warm, MiB";
        let goal = Goal::new(measure, store, FILE, Limit::Below(300.0));
        let mut all = sizes(store).into_iter().flatten();
        let warm = all.find(|size| size.clients == 100_000);
        let mib = warm.and_then(|size| Some(size.everybody.as_ref()?.again.memory_mib));
        goals.push(goal.measured(mib.map(|mib| (mib, format!("{mib:.0}"))), run));
    }
    goals
}

fn sizes_on<'a>(report: Option<&'a scale::Report>, store: &str) -> Option<&'a [scale::Size]> {
    let mut stores = report.into_iter().flat_map(|report| &report.stores);
    let found = stores.find(|on_store| on_store.store == store);
    found.map(|on_store| on_store.sizes.as_slice())
}

/// A growth beside what the control differs from itself by.
fn grown(growth: &Growth, run: Option<&Run>) -> Option<Measured> {
    let control = growth.control.as_ref()?;
    Some(Measured {
        text: format!(
            "{:.2} and {:.2}; the control {:.2} and {:.2}",
            growth.cpu,
            growth.rate,
            control.cpu,
            1.0 / control.rate
        ),
        met: growth.cpu <= control.cpu && growth.rate >= 1.0 / control.rate,
        next: false,
        quick: run.is_some_and(|run| run.quick),
    })
}

/// Where only the roll grows.
fn of_entries(report: Option<&scale::Report>) -> Vec<Goal> {
    const FILE: &str = "scale-entries";
    let run = report.and_then(|report| report.run.as_ref());
    let far = |store| {
        sizes_on(report, store).filter(|sizes| {
            sizes.first().is_some_and(|size| size.events <= 20_000)
                && sizes.last().is_some_and(|size| size.events >= 10_000_000)
        })
    };
    let mut goals = Vec::new();
    for store in STORES {
        let measure =
            "growth of `updateClient` from 10,000 to 10,000,000 entries, processor time and rate";
        let mut goal = Goal::new(measure, store, FILE, Limit::OfControl);
        goal.measured = far(store)
            .and_then(Growth::of_changes)
            .and_then(|it| grown(&it, run));
        goals.push(goal);
    }
    for store in STORES {
        let measure = "growth of lists of fifty, the one that grew most, processor time";
        let goal = Goal::new(measure, store, FILE, Limit::Below(1.25));
        let grown = far(store).and_then(|sizes| {
            let (first, last) = (sizes.first()?, sizes.last()?);
            let pairs = first.lists.iter().zip(&last.lists);
            let grown = pairs.map(|((name, before), (_, after))| {
                (after.cpu_microseconds / before.cpu_microseconds, name)
            });
            grown.max_by(|(one, _), (other, _)| one.total_cmp(other))
        });
        let grown = grown.map(|(times, name)| (times, format!("{times:.2} ({name})")));
        goals.push(goal.measured(grown, run));
    }
    goals
}

fn of_lifecycle(report: Option<&lifecycle::Report>) -> Vec<Goal> {
    const FILE: &str = "lifecycle";
    let run = report.and_then(lifecycle::Report::run);
    let commands = report.map(lifecycle::Report::commands).unwrap_or_default();
    let mut goals = Vec::new();
    for title in lifecycle::titles() {
        for store in STORES {
            for spread in ["one tenant", "16 tenants"] {
                let measure = format!("{title}, {spread}, of the store without a server");
                let goal = Goal::new(measure, store, FILE, Limit::AtLeast(0.7));
                let compared = named(commands, &format!("{title}, {spread}, {store}"));
                let goal = goal.next(Limit::AtLeast(0.8));
                goals.push(goal.measured(compared.map(ratio), run));
            }
        }
    }
    // What a trial of the append did, one round trip for each statement.
    let trial = Limit::AtLeast(640.0);
    let measure = "`updateClient` within one tenant, changes/s";
    let compared = named(commands, "`updateClient`, one tenant, PostgreSQL");
    let changes = compared.map(|compared| rate(&compared.server));
    let changes = changes.map(|rate| (rate, format!("{rate:.0}")));
    goals.push(Goal::new(measure, "PostgreSQL", FILE, trial).measured(changes, run));
    goals
}

fn of_roll(results: &Results) -> Vec<Goal> {
    const FILE: &str = "roll";
    let roll = results.roll.as_ref();
    let run = roll.and_then(roll::Report::run);
    let rounded = |rate: f64| (rate, format!("{rate:.0}"));
    let mut goals = Vec::new();
    for (name, measure, least) in [
        (
            "verify",
            "verifying a roll, events/s of one core",
            200_000.0,
        ),
        (
            "replay",
            "replaying a roll, events/s of one core",
            100_000.0,
        ),
    ] {
        let measured = roll.and_then(|roll| roll.per_second(name));
        let goal = Goal::new(measure, "a file", FILE, Limit::AtLeast(least));
        goals.push(goal.measured(measured.map(rounded), run));
    }
    for (store, least) in STORES.into_iter().zip([30_000.0, 10_000.0]) {
        let mut all = roll.into_iter().flat_map(roll::Report::rebuilt);
        let rebuilt = all.find(|rebuilt| rebuilt.store == store);
        let measure = "rebuilding the read models, events/s";
        let goal = Goal::new(measure, store, FILE, Limit::AtLeast(least));
        let rate = rebuilt.map(|rebuilt| rounded(rebuilt.per_second()));
        goals.push(goal.measured(rate, run));
    }
    goals
}

fn named<'a>(comparisons: &'a [Comparison], name: &str) -> Option<&'a Comparison> {
    comparisons
        .iter()
        .find(|comparison| comparison.name == name)
}

fn ratio(comparison: &Comparison) -> (f64, String) {
    let (ratio, least, greatest) = comparison.ratio();
    // Three digits, since a goal may be missed by the third.
    let text = format!("{ratio:.3} ({least:.2} to {greatest:.2})");
    (ratio, text)
}

#[cfg(test)]
mod tests {
    use super::{Goal, Limit};

    #[test]
    fn a_goal_is_met_at_its_limit_and_a_time_only_below_it() {
        let met = |limit: Limit, value: f64| {
            let goal = Goal::new("it", "SQLite", "tokens", limit).next(Limit::AtLeast(0.8));
            let measured = goal.measured(Some((value, String::new())), None).measured;
            measured.map(|measured| (measured.met, measured.next))
        };
        assert_eq!(met(Limit::AtLeast(0.7), 0.7), Some((true, false)));
        assert_eq!(met(Limit::AtLeast(0.7), 0.8), Some((true, true)));
        assert_eq!(met(Limit::AtLeast(0.7), 0.699), Some((false, false)));
        assert_eq!(met(Limit::Below(10.0), 10.0), Some((false, true)));
        assert_eq!(met(Limit::Below(10.0), 9.9), Some((true, true)));
    }
}
