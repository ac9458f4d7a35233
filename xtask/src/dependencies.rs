//! A smaller `cargo deny`: licences, sources and duplicate versions, by the same `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::semver::{Version, VersionReq};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use crate::error::Error;

/// What of `deny.toml` is held here. What is not named here is for cargo-deny alone.
#[derive(Deserialize)]
struct Policy {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    #[serde(default)]
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    spec: String,
}

/// Reads `deny.toml` and the dependencies, as `Cargo.lock` has them, and says what is not allowed.
pub(crate) fn faults() -> Result<Vec<String>, Error> {
    let text = fs::read_to_string("deny.toml").map_err(Error::io("read deny.toml"))?;
    let policy: Policy =
        toml::from_str(&text).map_err(|error| Error::Unusable(format!("deny.toml: {error}")))?;
    let mut options = vec!["--locked".to_owned()];
    for target in &policy.graph.targets {
        options.extend(["--filter-platform".to_owned(), target.clone()]);
    }
    let metadata = MetadataCommand::new()
        .other_options(options)
        .exec()
        .map_err(|error| Error::Unusable(error.to_string()))?;

    let packages = shipped(&metadata);
    let mut faults = foreign_sources(&metadata.packages);
    faults.extend(licence_faults(&packages, &policy.licenses)?);
    let versions = packages
        .iter()
        .map(|package| (package.name.as_str(), &package.version));
    faults.extend(duplicates(versions, &policy.bans.skip)?);
    Ok(faults)
}

/// The packages that are part of what we build, without those that only tests need.
fn shipped(metadata: &Metadata) -> Vec<&Package> {
    let nodes: BTreeMap<_, _> = metadata
        .resolve
        .iter()
        .flat_map(|resolve| &resolve.nodes)
        .map(|node| (&node.id, node))
        .collect();
    let mut reached: BTreeSet<&PackageId> = BTreeSet::new();
    let mut open: Vec<&PackageId> = metadata.workspace_members.iter().collect();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let edges = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        open.extend(edges.filter_map(|edge| {
            let only_tests = edge
                .dep_kinds
                .iter()
                .all(|kind| kind.kind == DependencyKind::Development);
            (!only_tests).then_some(&edge.pkg)
        }));
    }
    metadata
        .packages
        .iter()
        .filter(|package| reached.contains(&package.id))
        .collect()
}

/// Everything comes from the public registry of Rust packages or from this workspace.
fn foreign_sources(packages: &[Package]) -> Vec<String> {
    let foreign = |package: &Package| {
        let source = package
            .source
            .as_ref()
            .filter(|source| !source.is_crates_io())?;
        Some(format!(
            "{} {} comes from {source}",
            package.name, package.version
        ))
    };
    packages.iter().filter_map(foreign).collect()
}

/// The licences of `deny.toml`, read.
struct Allowed {
    everywhere: Vec<Licensee>,
    exceptions: BTreeMap<String, Vec<Licensee>>,
}

impl Allowed {
    fn read(licenses: &Licenses) -> Result<Self, Error> {
        let parse = |names: &[String]| {
            names
                .iter()
                .map(|name| Licensee::parse(name).map_err(|error| unusable(name, error)))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut exceptions = BTreeMap::<_, Vec<_>>::new();
        for exception in &licenses.exceptions {
            let allow = parse(&exception.allow)?;
            exceptions
                .entry(exception.name.clone())
                .or_default()
                .extend(allow);
        }
        Ok(Self {
            everywhere: parse(&licenses.allow)?,
            exceptions,
        })
    }

    /// Whether the licence expression of this crate can be met with what is allowed.
    fn permits(&self, name: &str, expression: Option<&str>) -> bool {
        let own = self.exceptions.get(name).map_or(&[][..], Vec::as_slice);
        // Lax: crates of before SPDX expressions write `MIT/Apache-2.0`.
        expression
            .and_then(|expression| Expression::parse_mode(expression, ParseMode::LAX).ok())
            .is_some_and(|expression| {
                expression.evaluate(|needed| {
                    self.everywhere
                        .iter()
                        .chain(own)
                        .any(|licence| licence.satisfies(needed))
                })
            })
    }
}

fn licence_faults(packages: &[&Package], licenses: &Licenses) -> Result<Vec<String>, Error> {
    let allowed = Allowed::read(licenses)?;
    Ok(packages
        .iter()
        .filter(|package| !allowed.permits(&package.name, package.license.as_deref()))
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("no licence");
            format!(
                "{} {} has {licence}, which deny.toml does not allow",
                package.name, package.version
            )
        })
        .collect())
}

/// No crate is there in two versions, apart from those that `skip` explains; and no explanation
/// outlives its duplicate.
fn duplicates<'a>(
    packages: impl Iterator<Item = (&'a str, &'a Version)>,
    skip: &[Skip],
) -> Result<Vec<String>, Error> {
    let skip = skip
        .iter()
        .map(|skip| parse_spec(&skip.spec))
        .collect::<Result<Vec<_>, _>>()?;
    let mut versions = BTreeMap::<&str, BTreeSet<&Version>>::new();
    for (name, version) in packages {
        versions.entry(name).or_default().insert(version);
    }

    let mut faults = Vec::new();
    for (name, versions) in &versions {
        let explained = |version: &Version| {
            skip.iter()
                .any(|(skipped, range)| skipped == name && range.matches(version))
        };
        let left: Vec<_> = versions
            .iter()
            .filter(|version| !explained(version))
            .map(ToString::to_string)
            .collect();
        if left.len() > 1 {
            faults.push(format!(
                "{name} is there more than once: {}",
                left.join(", ")
            ));
        }
    }
    for (name, range) in &skip {
        let needed = versions.get(name).is_some_and(|versions| {
            versions.len() > 1 && versions.iter().any(|version| range.matches(version))
        });
        if !needed {
            faults.push(format!(
                "deny.toml skips {name} {range}, no duplicate any more: remove it"
            ));
        }
    }
    Ok(faults)
}

/// `name:<range>`, the one form of cargo-deny's package specs that we write.
fn parse_spec(spec: &str) -> Result<(&str, VersionReq), Error> {
    let (name, range) = spec
        .split_once(':')
        .ok_or_else(|| unusable(spec, "expected `name:range`"))?;
    Ok((
        name,
        VersionReq::parse(range).map_err(|error| unusable(spec, error))?,
    ))
}

fn unusable(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Unusable(format!("deny.toml: {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_permitted_when_its_expression_can_be_met() {
        let allowed = Allowed::read(&Licenses {
            allow: vec!["MIT".into(), "Apache-2.0 WITH LLVM-exception".into()],
            exceptions: vec![Exception {
                name: "data".into(),
                allow: vec!["Zlib".into()],
            }],
        })
        .unwrap();
        assert!(allowed.permits("any", Some("MIT")));
        assert!(allowed.permits("any", Some("GPL-3.0 OR MIT")));
        assert!(allowed.permits("any", Some("MIT/Apache-2.0")));
        assert!(allowed.permits("any", Some("Apache-2.0 WITH LLVM-exception")));
        assert!(allowed.permits("data", Some("Zlib AND MIT")));
        assert!(!allowed.permits("any", Some("Zlib AND MIT")));
        assert!(!allowed.permits("any", Some("Apache-2.0")));
        assert!(!allowed.permits("any", Some("what I like")));
        assert!(!allowed.permits("any", None));
    }

    fn duplicates_of(packages: &[(&str, &str)], skip: &[&str]) -> Vec<String> {
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, version)| (*name, version.parse::<Version>().unwrap()))
            .collect();
        let skip: Vec<_> = skip
            .iter()
            .map(|spec| Skip {
                spec: (*spec).to_owned(),
            })
            .collect();
        duplicates(
            packages.iter().map(|(name, version)| (*name, version)),
            &skip,
        )
        .unwrap()
    }

    #[test]
    fn a_second_version_needs_an_explanation() {
        let syn = [("syn", "2.0.119"), ("syn", "3.0.9"), ("serde", "1.0.0")];
        assert_eq!(
            duplicates_of(&syn, &[]),
            ["syn is there more than once: 2.0.119, 3.0.9"]
        );
        assert!(duplicates_of(&syn, &["syn:2"]).is_empty());
    }

    #[test]
    fn an_explanation_goes_with_its_duplicate() {
        let moved_on = [("syn", "3.0.9")];
        assert_eq!(duplicates_of(&moved_on, &["syn:2"]).len(), 1);
        assert_eq!(duplicates_of(&moved_on, &["syn:3"]).len(), 1);
        assert_eq!(duplicates_of(&moved_on, &["gone:1"]).len(), 1);
    }
}
