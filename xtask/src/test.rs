//! `cargo xtask test` and `cargo xtask bless`.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitStatus};

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::postgres::{Cluster, ENVIRONMENT};
use crate::programs;
use crate::run::{cargo, has_cargo, run};

/// Runs the tests on both stores. Without filters also the documentation's examples, and those
/// first, so that the summary of the tests is the last thing to be read.
pub(crate) fn test(filters: &[OsString], interrupts: &Interrupts) -> Result<(), Error> {
    if !names_packages(filters) {
        programs::find_or_install(interrupts)?;
    }
    let mut database = Database::find_or_start(interrupts)?;
    let nextest = has_cargo("nextest");

    let mut passed = true;
    if filters.is_empty() && nextest {
        let mut examples = cargo();
        examples.args(["test", "--workspace", "--doc", "--quiet"]);
        passed = database.run(&mut examples, interrupts)?.success();
    }
    let mut tests = runner(nextest);
    if !names_packages(filters) {
        tests.arg("--workspace");
    }
    tests.args(filters);
    passed &= database.run(&mut tests, interrupts)?.success();

    if passed {
        Ok(())
    } else {
        Err(Error::Failed("tests failed".into()))
    }
}

/// Runs the tests that compare a generated file with its source, and lets them write it.
pub(crate) fn bless(interrupts: &Interrupts) -> Result<(), Error> {
    let nextest = has_cargo("nextest");
    let mut tests = runner(nextest);
    tests.arg("--workspace");
    if nextest {
        tests.arg("--no-tests=pass");
    }
    tests.arg("generated_").env("CHANCERY_BLESS", "1");
    if run(&mut tests, interrupts, |_| ())?.success() {
        Ok(())
    } else {
        Err(Error::Failed("generated files could not be written".into()))
    }
}

fn runner(nextest: bool) -> Command {
    let mut command = cargo();
    if nextest {
        command.args(["nextest", "run"]);
    } else {
        command.arg("test");
    }
    command
}

/// With packages named, `--workspace` would widen the run to all of them again.
fn names_packages(filters: &[OsString]) -> bool {
    filters
        .iter()
        .take_while(|filter| *filter != OsStr::new("--"))
        .any(|filter| {
            let filter = filter.to_string_lossy();
            filter == "--package" || filter.starts_with("--package=") || filter.starts_with("-p")
        })
}

/// The PostgreSQL of a test run.
pub(crate) enum Database {
    /// The developer's own, from the environment.
    Given,
    /// Started for this run, and gone with it.
    Started(Cluster),
}

impl Database {
    pub(crate) fn find_or_start(interrupts: &Interrupts) -> Result<Self, Error> {
        if let Some(url) = std::env::var_os(ENVIRONMENT).filter(|url| !url.is_empty()) {
            eprintln!("Using {ENVIRONMENT}={}", url.to_string_lossy());
            return Ok(Self::Given);
        }
        let cluster = Cluster::start(interrupts)?;
        eprintln!("{cluster}");
        Ok(Self::Started(cluster))
    }

    pub(crate) fn run(
        &mut self,
        tests: &mut Command,
        interrupts: &Interrupts,
    ) -> Result<ExitStatus, Error> {
        match self {
            Self::Given => run(tests, interrupts, |_| ()),
            Self::Started(cluster) => cluster.run(tests, interrupts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_seen_in_every_spelling_and_only_before_the_separator() {
        let names = |filters: &[&str]| {
            names_packages(&filters.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert!(names(&["-p", "xtask"]));
        assert!(names(&["-pxtask"]));
        assert!(names(&["rotate", "--package=xtask"]));
        assert!(!names(&["rotate"]));
        assert!(!names(&["--", "-p"]));
    }
}
