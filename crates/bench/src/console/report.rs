//! What was measured.

use std::{fmt::Write as _, fs, path::Path};

use serde::Serialize;

use super::GOAL;
use crate::{error::Error, machine::Machine};

/// One page of one store, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Timed {
    pub(super) page: String,
    pub(super) first: f64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) kib: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct OnStore {
    pub(super) store: &'static str,
    pub(super) pages: Vec<Timed>,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
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

    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{}. A tenant with {} clients at a time and a roll of {} entries, and {} tokens in the last four weeks; each page is asked for {} times, one \
             after the other, by somebody who is signed in. Milliseconds, to the last byte; the goal is {GOAL:.0}.\n",
            self.machine.line(),
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

    /// Writes `console.md` and `console.json`.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        fs::create_dir_all(directory).map_err(Error::io("make the directory of results"))?;
        let write = |extension: &str, text: String| {
            let file = directory.join("console").with_extension(extension);
            fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))
        };
        write("md", format!("# The console\n\n{}", self.table()))?;
        write("json", format!("{}\n", serde_json::to_string_pretty(self)?))
    }
}
