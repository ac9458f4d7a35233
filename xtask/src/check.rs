//! `cargo xtask check`.

use crate::dependencies;
use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{cargo, has_cargo, run};

/// Runs every check, also after one has failed, and names those that did.
pub(crate) fn check(interrupts: &Interrupts) -> Result<(), Error> {
    let mut failed = Vec::new();

    let formatted = run(
        cargo().args(["fmt", "--all", "--check"]),
        interrupts,
        |_| (),
    )?;
    if !formatted.success() {
        failed.push("formatting (`cargo fmt --all` mends it)");
    }
    if !dependencies_allowed(interrupts)? {
        failed.push("dependencies");
    }
    let mut clippy = cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    if !run(&mut clippy, interrupts, |_| ())?.success() {
        failed.push("clippy");
    }

    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Failed(format!("failed: {}", failed.join(", "))))
    }
}

fn dependencies_allowed(interrupts: &Interrupts) -> Result<bool, Error> {
    if has_cargo("deny") {
        // Advisories need the network and change by themselves; they are looked at apart from this.
        let mut deny = cargo();
        deny.args(["deny", "check", "bans", "licenses", "sources"]);
        return Ok(run(&mut deny, interrupts, |_| ())?.success());
    }
    eprintln!(
        "cargo-deny is not installed: a smaller check of licences, sources and duplicates runs"
    );
    let faults = dependencies::faults()?;
    for fault in &faults {
        eprintln!("{fault}");
    }
    Ok(faults.is_empty())
}
