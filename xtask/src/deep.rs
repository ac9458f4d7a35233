//! `cargo xtask check --deep`: what takes minutes, or programs of others.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{cargo, run};

/// Where the programs of others are installed; it is never committed and may be deleted.
const TOOLS: &str = "target/deep";

/// One deep check.
struct Deep {
    name: &'static str,
    run: fn(&Interrupts) -> Result<bool, Error>,
}

const ALL: &[Deep] = &[Deep {
    name: "sdk-peer",
    run: sdk_peer,
}];

/// Runs every deep check, or the one that is named, also after another has failed, and names those
/// that did.
pub(crate) fn check(only: Option<&str>, interrupts: &Interrupts) -> Result<(), Error> {
    let chosen: Vec<_> = ALL
        .iter()
        .filter(|deep| only.is_none_or(|name| name == deep.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = ALL.iter().map(|deep| deep.name).collect();
        return Err(Error::Unusable(format!(
            "there is no deep check of that name; there are: {}",
            names.join(", ")
        )));
    }
    let mut failed = Vec::new();
    for deep in chosen {
        eprintln!("deep check: {}", deep.name);
        if !(deep.run)(interrupts)? {
            failed.push(deep.name);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Failed(format!("failed: {}", failed.join(", "))))
    }
}

/// The SDK against the npm package `oidc-provider`, another vendor's authorization server.
fn sdk_peer(interrupts: &Interrupts) -> Result<bool, Error> {
    let directory = npm(&["oidc-provider@9.13.3"], interrupts)?;
    let mut tests = cargo();
    tests
        .args(["test", "-p", "chancery-sdk", "--test", "peer"])
        .args(["--", "--ignored"])
        .env("CHANCERY_TEST_OIDC_PROVIDER", directory);
    Ok(run(&mut tests, interrupts, |_| ())?.success())
}

/// Installs packages of npm, of these versions, and gives the directory that has them.
fn npm(packages: &[&str], interrupts: &Interrupts) -> Result<PathBuf, Error> {
    needs(
        "npm",
        "install Node.js 20 or later, with npm (Debian: apt-get install nodejs npm)",
    )?;
    let directory = tools("npm")?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
        .arg("--prefix")
        .arg(&directory)
        .args(packages);
    if run(&mut install, interrupts, |_| ())?.success() {
        Ok(directory)
    } else {
        Err(Error::Unusable(format!(
            "npm could not install {}; it needs its registry, or what it installed before in {TOOLS}",
            packages.join(", ")
        )))
    }
}

/// A directory for tools of one kind, with its whole path.
fn tools(kind: &str) -> Result<PathBuf, Error> {
    let directory = Path::new(TOOLS).join(kind);
    std::fs::create_dir_all(&directory)
        .and_then(|()| directory.canonicalize())
        .map_err(Error::io("make the directory of tools"))
}

/// Refuses to go on without a program.
fn needs(program: &str, advice: &str) -> Result<(), Error> {
    let there = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match there {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Unusable(format!("{program} is not here: {advice}"))),
    }
}
