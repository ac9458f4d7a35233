//! The direction of dependencies between our crates: who may stand on whom.
//!
//! Held are normal and build dependencies. What only tests need is free.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Each crate of the workspace and which of the others it may name. A crate that is not written
/// yet may be here already.
const ALLOWED: &[(&str, &[&str])] = &[
    // Values and pure decisions.
    ("chancery-domain", &[]),
    ("chancery-crypto", &["chancery-telemetry"]),
    // What every part counts and traces with; it stands on nothing.
    ("chancery-telemetry", &[]),
    // The roll is verified offline, so it knows no database.
    ("chancery-roll", &["chancery-domain", "chancery-crypto"]),
    // Storage.
    ("chancery-event-store", &["chancery-domain"]),
    (
        "chancery-projections",
        &["chancery-domain", "chancery-event-store"],
    ),
    (
        "chancery-token-log",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-crypto",
            "chancery-event-store",
        ],
    ),
    // What a token decision needs. It reads the store and follows its heads.
    (
        "chancery-directory",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-crypto",
            "chancery-event-store",
            "chancery-projections",
        ],
    ),
    // The one door for changes.
    (
        "chancery-application",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-crypto",
            "chancery-roll",
            "chancery-event-store",
            "chancery-projections",
            "chancery-token-log",
            "chancery-directory",
        ],
    ),
    // The crate that faces the internet: see the test below.
    (
        "chancery-token-service",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-crypto",
            "chancery-directory",
            "chancery-token-log",
        ],
    ),
    // Doors for operators: they change and read through the application only.
    (
        "chancery-admin-api",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-application",
        ],
    ),
    (
        "chancery-console",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-application",
        ],
    ),
    // Published, for people who have nothing else of ours.
    ("chancery-sdk", &[]),
    // What tenants' developers build, with what is published for them.
    ("chancery-examples", &["chancery-sdk"]),
    // The binary wires everything together.
    (
        "chancery",
        &[
            "chancery-telemetry",
            "chancery-domain",
            "chancery-crypto",
            "chancery-roll",
            "chancery-event-store",
            "chancery-projections",
            "chancery-token-log",
            "chancery-directory",
            "chancery-application",
            "chancery-token-service",
            "chancery-admin-api",
            "chancery-console",
        ],
    ),
    // A platform in a box has no doors: each door is tested by the crate that owns it.
    (
        "chancery-testkit",
        &[
            "chancery-domain",
            "chancery-crypto",
            "chancery-roll",
            "chancery-event-store",
            "chancery-projections",
            "chancery-token-log",
            "chancery-directory",
            "chancery-application",
        ],
    ),
    // Stories come in through the doors, by dependencies of their tests.
    (
        "chancery-stories",
        &[
            "chancery-testkit",
            "chancery-domain",
            "chancery-sdk",
            "chancery",
        ],
    ),
    // Speaks with the server over the network, signs as it does, and writes rolls to read and rebuild, and
    // installations and token traffic of a size that nobody would make over the network.
    (
        "chancery-bench",
        &[
            "chancery-domain",
            "chancery-crypto",
            "chancery-roll",
            "chancery-event-store",
            "chancery-projections",
            "chancery-token-log",
            "chancery-application",
            "chancery-telemetry",
        ],
    ),
    // Builds before anything else does.
    ("xtask", &[]),
];

/// Each of our crates with the names of the crates that it stands on, ours and others'.
fn workspace() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let stands_on = |package: &Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), stands_on(package)))
        .collect()
}

#[test]
fn crates_stand_only_on_what_lies_below_them() {
    let crates = workspace();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    assert_eq!(
        allowed.len(),
        ALLOWED.len(),
        "a crate is in the table twice"
    );

    let mut faults = Vec::new();
    for (name, dependencies) in &crates {
        let Some(allowed) = allowed.get(name.as_str()) else {
            faults.push(format!(
                "{name} is not in the table of this test: say what it may stand on"
            ));
            continue;
        };
        for dependency in dependencies
            .iter()
            .filter(|dependency| crates.contains_key(*dependency))
        {
            if !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_token_service_cannot_name_anything_that_changes_who_may_do_what() {
    let crates = workspace();
    let token_service = &crates["chancery-token-service"];
    for appending in [
        "chancery-event-store",
        "chancery-projections",
        "chancery-application",
    ] {
        assert!(
            !token_service.contains(appending),
            "the crate that faces the internet depends on {appending}, which can append an event"
        );
    }
}

#[test]
fn domain_crypto_and_roll_do_no_input_or_output() {
    let crates = workspace();
    for pure in ["chancery-domain", "chancery-crypto", "chancery-roll"] {
        let Some(dependencies) = crates.get(pure) else {
            continue;
        };
        for outside in ["sqlx", "axum", "reqwest", "postgres-es", "sqlite-es"] {
            assert!(
                !dependencies.contains(outside),
                "{pure} depends on {outside}"
            );
        }
    }
}

#[test]
fn the_table_has_no_circles() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while done.len() < allowed.len() {
        let before = done.len();
        for (name, below) in &allowed {
            if below.iter().all(|name| done.contains(name)) {
                done.insert(name);
            }
        }
        assert!(done.len() > before, "these stand on each other: {:?}", {
            allowed
                .keys()
                .filter(|name| !done.contains(*name))
                .collect::<Vec<_>>()
        });
    }
}
