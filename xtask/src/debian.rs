//! Debian's packages, which root may install.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::run;

/// Whether packages can be installed here.
pub(crate) fn can_install() -> bool {
    geteuid().is_root() && Path::new("/etc/debian_version").exists()
}

/// Learns which packages there are. One source of them out of reach need not matter, as long as what is
/// installed then can be.
pub(crate) fn update(interrupts: &Interrupts) -> Result<(), Error> {
    match apt_get(&["update"], interrupts) {
        Err(Error::Unusable(text)) => {
            eprintln!("{text}");
            Ok(())
        }
        done => done,
    }
}

/// Installs a package with what it needs and nothing more.
pub(crate) fn install(package: &str, interrupts: &Interrupts) -> Result<(), Error> {
    apt_get(
        &["install", "--yes", "--no-install-recommends", package],
        interrupts,
    )
}

fn apt_get(arguments: &[&str], interrupts: &Interrupts) -> Result<(), Error> {
    let mut command = Command::new("apt-get");
    command
        .args([
            "-qq",
            "-o",
            "DPkg::Lock::Timeout=120",
            "-o",
            "Dpkg::Use-Pty=0",
        ])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if run(&mut command, interrupts, |_| ())?.success() {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "`apt-get {}` failed; what it was for can be installed by hand",
        arguments.join(" ")
    )))
}
