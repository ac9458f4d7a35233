//! Programs of others, installed by their own package managers where they are never committed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::run;

/// Where they are; it may be deleted.
const TOOLS: &str = "target/deep";

/// Installs packages of npm, of these versions, and gives the directory that has them.
pub(super) fn npm(packages: &[&str], interrupts: &Interrupts) -> Result<PathBuf, Error> {
    needs(
        "npm",
        "--version",
        "install Node.js 20 or later, with npm (Debian: apt-get install nodejs npm)",
    )?;
    let directory = directory("npm")?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
        .arg("--prefix")
        .arg(&directory)
        .args(packages);
    installed("npm", &mut install, packages, interrupts)?;
    Ok(directory)
}

/// Installs packages of `PyPI`, of these versions, and gives the Python that has them.
pub(super) fn python(packages: &[&str], interrupts: &Interrupts) -> Result<PathBuf, Error> {
    needs(
        "python3",
        "--version",
        "install Python 3.10 or later, with venv (Debian: apt-get install python3-venv)",
    )?;
    let directory = directory("python")?;
    let python = directory.join("bin/python");
    if !python.exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&directory);
        installed("python3", &mut make, &["venv"], interrupts)?;
    }
    let mut install = Command::new(&python);
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(packages);
    installed("pip", &mut install, packages, interrupts)?;
    Ok(python)
}

/// Where sources of Go's modules are, as Debian's packages have them.
pub(super) fn go() -> Result<PathBuf, Error> {
    const SOURCES: &str = "/usr/share/gocode/src";
    const ADVICE: &str = "install Go 1.19 or later with the libraries of the guide (Debian: apt-get install golang-go \
         golang-golang-x-oauth2-dev golang-github-golang-jwt-jwt-dev)";
    needs("go", "version", ADVICE)?;
    let sources = PathBuf::from(SOURCES);
    for module in ["golang.org/x/oauth2", "github.com/golang-jwt/jwt"] {
        if !sources.join(module).exists() {
            return Err(Error::Unusable(format!("{module} is not here: {ADVICE}")));
        }
    }
    Ok(sources)
}

/// Prometheus' own tool.
pub(super) fn promtool() -> Result<Command, Error> {
    needs(
        "promtool",
        "--version",
        "install Prometheus 2.42 or later (Debian: apt-get install prometheus)",
    )?;
    Ok(Command::new("promtool"))
}

/// What systemd says of units.
pub(super) fn systemd() -> Result<Command, Error> {
    needs(
        "systemd-analyze",
        "--version",
        "install systemd 252 or later",
    )?;
    Ok(Command::new("systemd-analyze"))
}

fn installed(
    by: &str,
    install: &mut Command,
    packages: &[&str],
    interrupts: &Interrupts,
) -> Result<(), Error> {
    if run(install, interrupts, |_| ())?.success() {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "{by} could not install {}; it needs its registry, or what it installed before in {TOOLS}",
        packages.join(", ")
    )))
}

/// A directory for tools of one kind, with its whole path.
pub(super) fn directory(kind: &str) -> Result<PathBuf, Error> {
    let directory = Path::new(TOOLS).join(kind);
    std::fs::create_dir_all(&directory)
        .and_then(|()| directory.canonicalize())
        .map_err(Error::io("make the directory of tools"))
}

/// Refuses to go on without a program.
fn needs(program: &str, version: &str, advice: &str) -> Result<(), Error> {
    let there = Command::new(program)
        .arg(version)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match there {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Unusable(format!("{program} is not here: {advice}"))),
    }
}
