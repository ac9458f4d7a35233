//! What was measured.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::GOAL;
use crate::{
    machine::Machine,
    report::Kept,
    run::{self, Run},
};

/// One page of one store, in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timed {
    pub(super) page: String,
    pub(super) first: f64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) kib: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OnStore {
    pub(super) store: String,
    pub(super) pages: Vec<Timed>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(super) machine: Machine,
    #[serde(default)]
    pub(super) run: Option<Run>,
    pub(super) events: usize,
    pub(super) clients: usize,
    pub(super) tokens: usize,
    pub(super) rounds: usize,
    pub(super) goal_ms: f64,
    pub(super) stores: Vec<OnStore>,
}

impl Report {
    pub(super) fn slow(&self) -> Vec<String> {
        let of = |store: &OnStore| -> Vec<String> {
            let slow = store.pages.iter().filter(|page| page.p95 > GOAL);
            slow.map(|page| format!("{} on {}", page.page, store.store))
                .collect()
        };
        self.stores.iter().flat_map(of).collect()
    }
}

impl Kept for Report {
    fn name(&self) -> &'static str {
        "console"
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# The console\n\n{}. {}A tenant with {} clients at a time and a roll of {} entries, and {} tokens in the last four weeks; each page is asked for {} times, one \
             after the other, by somebody who is signed in. Milliseconds, to the last byte; the goal is {GOAL:.0}.\n",
            self.machine.line(),
            run::line(self.run.as_ref()),
            self.clients,
            self.events,
            self.tokens,
            self.rounds,
        );
        for OnStore { store, pages } in &self.stores {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n## {store}\n\n| page | p50 | p95 | the first | KiB |\n| --- | --- | --- | --- | --- |\n"
            );
            for Timed {
                page,
                first,
                p50,
                p95,
                kib,
            } in pages
            {
                let _ = writeln!(
                    text,
                    "| {page} | **{p50:.1}** | {p95:.1} | {first:.1} | {kib} |"
                );
            }
        }
        text
    }
}
