//! Golden files: one payload of every type and version that was ever written, as it stood in a roll.
//! They are history, so they are added and never changed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files, schemas};
use crate::{
    event::{Event, decode},
    json::canonical,
    testing::samples,
};

fn full(name: &str, version: u32) -> String {
    format!("golden/{name}.v{version}.json")
}

fn minimal(name: &str, version: u32) -> String {
    format!("golden/{name}.v{version}.min.json")
}

/// Whether this is the version in which events of this type are written today.
pub(super) fn is_current(name: &str, version: u32) -> bool {
    Event::kinds().all(|(_, other, newer)| other != name || newer <= version)
}

/// The golden payloads of a type and version.
pub(super) fn payloads(name: &str, version: u32) -> Vec<Value> {
    [full(name, version), minimal(name, version)]
        .iter()
        .filter_map(|file| files::read(file))
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

/// Writes a file that is missing, where that is allowed.
fn add(file: &str, samples: &[Event], name: &str, version: u32) {
    if files::read(file).is_some() {
        return;
    }
    let sample = samples.iter().find(|event| event.kind() == (name, version));
    let sample = sample.unwrap_or_else(|| panic!("{file} is missing, and so is its sample"));
    assert!(
        files::may_write(),
        "{file} is missing: run `cargo xtask bless`"
    );
    files::write(file, &format!("{}\n", canonical(&sample.payload())));
}

#[test]
fn generated_golden_files_exist_for_every_type_and_version() {
    let mut expected = BTreeSet::new();
    for (_, name, version) in Event::kinds() {
        add(&full(name, version), &samples::full(), name, version);
        expected.insert(full(name, version));
        let schema = schemas::of_version(name, version);
        if !schemas::spare_fields(&schema, &payloads(name, version)[0]).is_empty() {
            add(&minimal(name, version), &samples::minimal(), name, version);
            expected.insert(minimal(name, version));
        }
    }
    let found: BTreeSet<_> = files::names("golden")
        .into_iter()
        .map(|file| format!("golden/{file}"))
        .collect();
    assert_eq!(found, expected, "no golden file without its event");
}

#[test]
fn every_golden_file_is_read_and_written_again_as_it_was() {
    for (aggregate_type, name, version) in Event::kinds() {
        for file in [full(name, version), minimal(name, version)] {
            let Some(text) = files::read(&file) else {
                continue;
            };
            let payload: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(text, format!("{}\n", canonical(&payload)), "{file}");
            let event = decode(name, version, payload).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(event.aggregate_type(), aggregate_type, "{file}");
            if is_current(name, version) {
                assert_eq!(event.kind(), (name, version));
                assert_eq!(text, format!("{}\n", canonical(&event.payload())), "{file}");
            }
        }
    }
}

/// A golden file that left out a field would not notice when the field is no longer read.
#[test]
fn golden_files_have_every_field_and_none_that_can_be_left_out() {
    for (_, name, version) in Event::kinds().filter(|(_, name, version)| is_current(name, *version))
    {
        let payloads = payloads(name, version);
        let schema = schemas::of(name);
        assert_eq!(
            schemas::absent_fields(&schema, &payloads[0]),
            [""; 0],
            "{name}"
        );
        if let Some(least) = payloads.get(1) {
            assert_eq!(schemas::spare_fields(&schema, least), [""; 0], "{name}");
        }
    }
}
