//! `cargo xtask check --deep`: what takes minutes, or programs of others.

mod features;
mod fuzz;
mod programs;
mod tools;

use crate::error::Error;
use crate::interrupts::Interrupts;

/// One deep check.
struct Deep {
    name: &'static str,
    run: fn(&Interrupts) -> Result<bool, Error>,
}

const ALL: &[Deep] = &[
    Deep {
        name: "alerts",
        run: programs::alerts,
    },
    Deep {
        name: "unit",
        run: programs::unit,
    },
    Deep {
        name: "sdk-peer",
        run: programs::sdk_peer,
    },
    Deep {
        name: "sdk-package",
        run: programs::sdk_package,
    },
    Deep {
        name: "sdk-features",
        run: features::sdk_features,
    },
    Deep {
        name: "clients",
        run: programs::clients,
    },
    Deep {
        name: "openapi",
        run: programs::openapi,
    },
    Deep {
        name: "kills",
        run: programs::kills,
    },
    Deep {
        name: "axe",
        run: programs::axe,
    },
    Deep {
        name: "fuzz",
        run: fuzz::fuzz,
    },
];

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
