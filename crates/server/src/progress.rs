//! How far long work is: a bar on a terminal, nothing in a pipe.

use std::borrow::Cow;

use chancery_projections::{Difference, Watch};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error, where that is a terminal; taken away when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many steps of something.
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, steps: u64) -> Self {
        let style = "{msg} {wide_bar} {human_pos}/{human_len}, {per_sec}, {eta} left";
        Self::styled(what, steps, style)
    }

    /// A bar for a file of so many bytes.
    pub(crate) fn bytes(what: impl Into<Cow<'static, str>>, bytes: u64) -> Self {
        let style = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        Self::styled(what, bytes, style)
    }

    fn styled(what: impl Into<Cow<'static, str>>, steps: u64, style: &str) -> Self {
        let bar = ProgressBar::new(steps).with_message(what);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// There are so many steps.
    pub(crate) fn of(&self, steps: u64) {
        self.0.set_length(steps);
    }

    /// So many steps in all.
    pub(crate) fn reached(&self, steps: u64) {
        self.0.set_position(steps);
    }

    /// So many steps more.
    pub(crate) fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// How many differences are kept for the report; all of them are counted.
const KEPT: usize = 1_000;

/// Watches a check or a rebuild: shows how far it is, keeps what it finds.
pub(crate) struct Watching {
    progress: Progress,
    /// How many differences there were.
    pub(crate) differing: u64,
    /// How many of them a rebuild puts right.
    pub(crate) rebuilt: u64,
    /// The first of them.
    pub(crate) differences: Vec<Difference>,
}

impl Watching {
    /// Watches work on so many events.
    pub(crate) fn new(what: &'static str, events: i64) -> Self {
        Self {
            progress: Progress::new(what, events.unsigned_abs()),
            differing: 0,
            rebuilt: 0,
            differences: Vec::new(),
        }
    }
}

impl Watch for Watching {
    fn folded(&mut self, events: u64) {
        self.progress.advance(events);
    }

    fn differs(&mut self, difference: Difference) {
        self.differing += 1;
        self.rebuilt += u64::from(difference.is_rebuilt());
        if self.differences.len() < KEPT {
            self.differences.push(difference);
        }
    }
}
