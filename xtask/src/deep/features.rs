//! The SDK with less than everything.

use std::collections::BTreeSet;

use cargo_metadata::MetadataCommand;

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{cargo, run};

const SDK: &str = "chancery-sdk";

/// Each feature of the SDK alone, and with what tests of such a program need: Cargo joins features, so
/// otherwise nothing here ever builds it with less than all of them.
pub(super) fn sdk_features(interrupts: &Interrupts) -> Result<bool, Error> {
    let mut passed = true;
    for features in sets(&features()?) {
        let mut clippy = cargo();
        clippy
            .args(["clippy", "-p", SDK, "--no-default-features"])
            .args(["--features", &features, "--", "-D", "warnings"]);
        passed &= run(&mut clippy, interrupts, |_| ())?.success();
    }
    Ok(passed)
}

fn features() -> Result<Vec<String>, Error> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| Error::Unusable(error.to_string()))?;
    let package = metadata.packages.iter().find(|package| package.name == SDK);
    let package = package.ok_or_else(|| Error::Unusable(format!("there is no {SDK}")))?;
    Ok(package.features.keys().cloned().collect())
}

/// None, and each one alone and with `testing`.
fn sets(features: &[String]) -> BTreeSet<String> {
    let alone = features.iter().filter(|feature| *feature != "default");
    let tested = alone
        .clone()
        .filter(|feature| *feature != "testing")
        .map(|feature| format!("{feature},testing"));
    [String::new()]
        .into_iter()
        .chain(alone.cloned())
        .chain(tested)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_there_alone_and_with_testing() {
        let features = ["client", "default", "testing"].map(str::to_owned);
        let sets: Vec<_> = sets(&features).into_iter().collect();
        let expected = ["", "client", "client,testing", "testing"];
        assert_eq!(sets, expected);
    }
}
