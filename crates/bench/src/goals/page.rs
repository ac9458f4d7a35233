//! The page of goals. Writing to a string cannot fail.

use std::fmt::Write as _;

use super::{
    Results,
    of_results::{Goal, Limit, all},
};
use crate::{lifecycle, roll};

pub(super) fn of(results: &Results) -> String {
    let goals = all(results);
    let measured = || goals.iter().filter_map(|goal| goal.measured.as_ref());
    let met = measured().filter(|measured| measured.met).count();
    let mut text = format!(
        "# Benchmarks\n\n\
         What Chancery holds itself to, and what was measured: this page and the tables beside it are made from the numbers (JSON) that \
         are kept here, by each run and by `cargo xtask bench goals`. How it is measured is in \
         [crates/bench](../../crates/bench/README.md).\n\n\
         {met} of {} goals are met, {} are not, and {} have no result.\n\n\
         | measure | store | goal | next | measured | | |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        goals.len(),
        measured().count() - met,
        goals.len() - measured().count(),
    );
    for goal in &goals {
        row(&mut text, goal);
    }
    text.push_str(
        "\nA growth is met where it is no more than the control, which does not grow, differs from itself between the medians \
         of the sizes, in processor time and in rate.\n",
    );
    runs(&mut text, results);
    text.push_str(
        "\nWithout goals here: [telemetry](telemetry.md); [the console](console.md) and [the SDK](sdk.md), whose benchmarks fail beyond \
         their limits; and [the hot path](hot-path.md), what a token costs by part, which is written by hand.\n",
    );
    text
}

fn row(text: &mut String, goal: &Goal) {
    let limit = |limit: Limit| match limit {
        Limit::AtLeast(least) => least.to_string(),
        Limit::Below(most) => format!("< {most}"),
        Limit::OfControl => "the control's".to_owned(),
    };
    let file = goal.file;
    let (measured, verdict) = match &goal.measured {
        None => (String::new(), "no result"),
        Some(measured) => {
            let quick = if measured.quick { ", quick" } else { "" };
            let verdict = match (measured.met, measured.next) {
                (true, true) => "met, and the next",
                (true, false) => "met",
                (false, _) => "**not met**",
            };
            (format!("{}{quick}", measured.text), verdict)
        }
    };
    // Without a result there may be no such page.
    let of = match &goal.measured {
        None => file.to_owned(),
        Some(_) => format!("[{file}]({file}.md)"),
    };
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {measured} | {verdict} | {of} |",
        goal.measure,
        goal.store,
        limit(goal.now),
        goal.next.map(limit).unwrap_or_default(),
    );
}

/// When the results are from.
fn runs(text: &mut String, results: &Results) {
    let runs = [
        (
            "tokens",
            results.tokens.as_ref().map(|report| report.run.as_ref()),
        ),
        (
            "scale",
            results.scale.as_ref().map(|report| report.run.as_ref()),
        ),
        (
            "scale-entries",
            results.entries.as_ref().map(|report| report.run.as_ref()),
        ),
        (
            "lifecycle",
            results.lifecycle.as_ref().map(lifecycle::Report::run),
        ),
        ("roll", results.roll.as_ref().map(roll::Report::run)),
    ];
    text.push_str("\n| | day, commit |\n| --- | --- |\n");
    for (name, run) in runs {
        let of = match run {
            None => "not measured".to_owned(),
            Some(None) => "before runs were noted".to_owned(),
            Some(Some(run)) if run.quick => format!("{}, quick", run.of()),
            Some(Some(run)) => run.of(),
        };
        let _ = writeln!(text, "| {name} | {of} |");
    }
}

#[cfg(test)]
mod tests {
    use super::{Results, of};

    #[test]
    fn without_results_no_goal_is_met_and_none_is_missed() {
        let page = of(&Results::default());
        assert!(page.contains("0 of 41 goals are met, 0 are not, and 41 have no result."));
        assert!(!page.contains("**not met**"));
        assert!(page.contains("| tokens | not measured |"));
    }
}
