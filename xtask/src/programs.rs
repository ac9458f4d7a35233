//! Programs of others that tests call: what the guides' commands need, and the browser that the console is
//! tried in.

use std::env;

use crate::debian;
use crate::error::Error;
use crate::interrupts::Interrupts;

/// Names a browser that is elsewhere; the tests look at it, too.
const BROWSER: &str = "CHANCERY_CHROMIUM";

/// Debian's packages, each with the names that its program may have.
const PACKAGES: [(&str, &[&str]); 5] = [
    (
        "chromium",
        &["chromium", "chromium-browser", "google-chrome"],
    ),
    ("curl", &["curl"]),
    ("jq", &["jq"]),
    ("openssl", &["openssl"]),
    ("sqlite3", &["sqlite3"]),
];

/// Looks for them. Root on Debian installs those that are missing; elsewhere it is said which are, and the
/// tests that need them will fail.
pub(crate) fn find_or_install(interrupts: &Interrupts) -> Result<(), Error> {
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(package, names)| !is_there(package, names))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let named = missing.join(", ");
    if !debian::can_install() {
        eprintln!(
            "missing, so tests that need them will fail: {named} (Debian: `apt-get install`; a Chromium \
             elsewhere can be named in {BROWSER})"
        );
        return Ok(());
    }
    eprintln!("missing: {named}; installing Debian's packages");
    debian::update(interrupts)?;
    for package in missing {
        debian::install(package, interrupts)?;
    }
    Ok(())
}

fn is_there(package: &str, names: &[&str]) -> bool {
    if package == "chromium" && env::var_os(BROWSER).is_some() {
        return true;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| names.iter().any(|name| directory.join(name).exists()))
}
