//! Checks with programs of others: tests that are otherwise ignored, told where those are. They are built with
//! the whole workspace, as `cargo xtask test` builds them: one package alone would have other features.

use std::process::{Command, Stdio};

use super::tools::{directory, go, npm, promtool, python, systemd};
use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{cargo, run};
use crate::test::Database;

/// What the integrators' guide and the clients of others need.
const NPM: &[&str] = &["openid-client@6.9.0", "oauth4webapi@3.8.8", "jose@6.2.18"];
const PYPI: &[&str] = &[
    "authlib==1.9.10",
    "cryptography==50.0.2",
    "pyjwt==2.15.1",
    "requests==2.34.2",
    "schemathesis==4.32.5",
];

/// The alerts fed with series: what fires and what does not.
pub(super) fn alerts(interrupts: &Interrupts) -> Result<bool, Error> {
    let mut rules = promtool()?;
    rules.args(["check", "rules", "deploy/alerts.yaml"]);
    let mut fed = promtool()?;
    fed.args(["test", "rules", "deploy/alerts.test.yaml"]);
    Ok(run(&mut rules, interrupts, |_| ())?.success()
        & run(&mut fed, interrupts, |_| ())?.success())
}

/// The unit as systemd reads it: it says nothing of what it understands. The binary it starts need not be here.
pub(super) fn unit(_: &Interrupts) -> Result<bool, Error> {
    const UNIT: &str = "deploy/chancery.service";
    let mut verify = systemd()?;
    let unit = std::fs::read_to_string(UNIT).map_err(Error::io("read the unit"))?;
    let copy = directory("unit")?.join("chancery.service");
    std::fs::write(
        &copy,
        unit.replace("/usr/local/bin/chancery ", "/bin/true "),
    )
    .map_err(Error::io("write a copy of the unit"))?;
    let said = verify.arg("verify").arg(copy).output();
    let said = said.map_err(Error::io("run systemd-analyze"))?;
    let told = String::from_utf8_lossy(&said.stderr);
    eprint!("{told}");
    // It may say something of this machine's own units.
    Ok(said.status.success() && !told.contains("chancery.service"))
}

/// The SDK against the npm package `oidc-provider`, another vendor's authorization server.
pub(super) fn sdk_peer(interrupts: &Interrupts) -> Result<bool, Error> {
    let directory = npm(&["oidc-provider@9.13.3"], interrupts)?;
    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--test", "peer"])
        .args(["--", "--ignored"])
        .env("CHANCERY_TEST_OIDC_PROVIDER", directory);
    match_something(&tests)?;
    Ok(run(&mut tests, interrupts, |_| ())?.success())
}

/// The SDK as it would be published: complete, and built from its package alone. Nothing is uploaded.
pub(super) fn sdk_package(interrupts: &Interrupts) -> Result<bool, Error> {
    let mut publish = cargo();
    publish
        .args(["publish", "--dry-run", "--allow-dirty", "--all-features"])
        .args(["-p", "chancery-sdk"]);
    Ok(run(&mut publish, interrupts, |_| ())?.success())
}

/// Every page of the console before the npm package `axe-core`: light and dark, wide and narrow.
pub(super) fn axe(interrupts: &Interrupts) -> Result<bool, Error> {
    let directory = npm(&["axe-core@4.14.1"], interrupts)?;
    let mut story = cargo();
    story
        .args(["test", "--workspace", "--test", "stories", "--"])
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("console::axe::no_page_violates_level_a_or_aa")
        .env(
            "CHANCERY_TEST_AXE",
            directory.join("node_modules/axe-core/axe.min.js"),
        );
    match_something(&story)?;
    Ok(run(&mut story, interrupts, |_| ())?.success())
}

/// The programs of the integrators' guide, and other vendors' clients in every way to authenticate, against
/// the server on both stores.
pub(super) fn clients(interrupts: &Interrupts) -> Result<bool, Error> {
    let mut tests = process_tests("integrators::");
    tests
        .args(["--skip", "made_up"])
        .env("CHANCERY_TEST_NPM", npm(NPM, interrupts)?)
        .env("CHANCERY_TEST_PYTHON", python(PYPI, interrupts)?)
        .env("CHANCERY_TEST_GO", go()?);
    on_both_stores(&mut tests, interrupts)
}

/// Requests that schemathesis makes up from the OpenAPI document, against the server on both stores.
pub(super) fn openapi(interrupts: &Interrupts) -> Result<bool, Error> {
    let mut tests = process_tests("integrators::requests_made_up");
    tests.env("CHANCERY_TEST_PYTHON", python(PYPI, interrupts)?);
    on_both_stores(&mut tests, interrupts)
}

/// The server killed twenty times under load, where every run of the tests kills it a few times.
pub(super) fn kills(interrupts: &Interrupts) -> Result<bool, Error> {
    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--test", "process"])
        .args(["--", "kill_9"])
        .env("CHANCERY_KILLS", "20");
    on_both_stores(&mut tests, interrupts)
}

fn process_tests(filter: &str) -> Command {
    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--test", "process"])
        .args(["--", "--ignored", filter]);
    tests
}

fn on_both_stores(tests: &mut Command, interrupts: &Interrupts) -> Result<bool, Error> {
    match_something(tests)?;
    let mut database = Database::find_or_start(interrupts)?;
    Ok(database.run(tests, interrupts)?.success())
}

/// Refuses tests that are named by a filter which matches none: those would pass without being run.
fn match_something(tests: &Command) -> Result<(), Error> {
    let mut list = cargo();
    list.args(tests.get_args()).arg("--list");
    let listed = list
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::io("list the tests"))?;
    if listed.status.success() && names_a_test(&String::from_utf8_lossy(&listed.stdout)) {
        return Ok(());
    }
    let filter: Vec<_> = tests
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    Err(Error::Failed(format!(
        "`cargo {}` runs no test: has it another name now?",
        filter.join(" ")
    )))
}

fn names_a_test(listed: &str) -> bool {
    listed.lines().any(|line| line.ends_with(": test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_a_test_is_told_from_one_with() {
        assert!(names_a_test("a::b: test\n\n1 test, 0 benchmarks\n"));
        assert!(!names_a_test("0 tests, 0 benchmarks\n"));
        assert!(!names_a_test(""));
    }
}
