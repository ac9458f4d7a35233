//! When something was measured, of which code, and how long that took.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::machine::{now, said};

/// One run of a benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The moment at which it began.
    began: String,
    /// The commit that was checked out; with what was changed since, it ends in `-dirty`.
    commit: Option<String>,
    pub(crate) quick: bool,
    /// How long it took, without the build.
    seconds: f64,
    #[serde(skip)]
    since: Option<Instant>,
}

impl Run {
    /// Begins now.
    pub(crate) fn begin(quick: bool) -> Self {
        Self {
            began: now().to_string(),
            commit: commit(),
            quick,
            seconds: 0.0,
            since: Some(Instant::now()),
        }
    }

    /// Notes how long it has gone on.
    pub(crate) fn look(&mut self) {
        if let Some(since) = self.since {
            self.seconds = since.elapsed().as_secs_f64();
        }
    }

    /// The day, and which code.
    pub(crate) fn of(&self) -> String {
        let day = self.began.split('T').next().unwrap_or_default();
        match &self.commit {
            Some(commit) => format!("{day}, `{commit}`"),
            None => day.to_owned(),
        }
    }
}

/// A sentence on a run, after which others can come. What was kept before runs were noted has none.
pub(crate) fn line(run: Option<&Run>) -> String {
    let Some(run) = run else {
        return String::new();
    };
    let how = if run.quick {
        "**Quick**: shorter than what is to be relied on. Measured"
    } else {
        "Measured"
    };
    format!("{how} in {:.0} s ({}). ", run.seconds, run.of())
}

/// What is checked out here. The results, which a run changes itself, do not count as changed.
fn commit() -> Option<String> {
    let commit = said("git", &["rev-parse", "--short=10", "HEAD"])?;
    let changed = said(
        "git",
        &[
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            ":/",
            ":(exclude,top)docs/benchmarks",
        ],
    )?;
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    Some(format!("{commit}{dirty}"))
}

#[cfg(test)]
mod tests {
    use super::{Run, line};

    #[test]
    fn a_quick_run_says_that_it_is_quick() {
        let run = |quick| Run {
            began: "2026-11-30T10:00:00.000000Z".to_owned(),
            commit: Some("abc".to_owned()),
            quick,
            seconds: 12.4,
            since: None,
        };
        assert!(line(Some(&run(true))).starts_with("**Quick**"));
        let whole = "Measured in 12 s (2026-11-30, `abc`). ";
        assert_eq!(line(Some(&run(false))), whole);
        assert_eq!(line(None), "");
    }
}
