//! What is done to an export, and what is said of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::sync::LazyLock;

use chancery_crypto::{NoteKey, VerifierKey};
use chancery_domain::{Entry, Timestamp};
use chancery_roll::{
    line,
    testing::{Sample, checkpoint, export},
    verify::{Fault, Kept, Known, Report, VerifyError, Vouched, verify},
};
use proptest::prelude::*;

const SIZE: usize = 40;

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| Sample::new(1, 3).take(SIZE).collect());
static KEY: LazyLock<NoteKey> = LazyLock::new(Sample::key);
static FILE: LazyLock<String> = LazyLock::new(|| export(&ENTRIES, 1, &KEY));

fn check(file: &str, known: &Known) -> Result<Report, VerifyError> {
    verify(file.as_bytes(), known, |_| ())
}

fn fault_of(file: &str, known: &Known) -> Fault {
    match check(file, known) {
        Err(VerifyError::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn fault(file: &str) -> Fault {
    fault_of(file, &Known::default())
}

/// The file with its lines changed; line 0 is the header, line *n* entry *n*.
fn with(change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines = FILE.lines().map(ToOwned::to_owned).collect();
    change(&mut lines);
    lines.join("\n") + "\n"
}

fn key(key: &NoteKey) -> Known {
    Known {
        key: Some(key.verifier().clone()),
        checkpoints: Vec::new(),
    }
}

fn kept(entries: &[Entry], size: usize, key: &NoteKey) -> Kept {
    Kept {
        name: format!("kept-{size}"),
        checkpoint: checkpoint(entries, size, key),
    }
}

fn with_kept(checkpoints: impl IntoIterator<Item = Kept>) -> Known {
    Known {
        key: None,
        checkpoints: checkpoints.into_iter().collect(),
    }
}

/// A roll with another entry 20, signed with the same key.
fn other_history() -> Vec<Entry> {
    let mut entries = ENTRIES.clone();
    entries[19].trace_id = None;
    entries
}

#[test]
fn an_export_verifies_from_any_entry_on() {
    for from in [1, 2, 3, 16, 17, SIZE] {
        let report = check(&export(&ENTRIES, from, &KEY), &key(&KEY)).unwrap();
        assert_eq!((report.from, report.to), (from as u64, SIZE as u64));
        assert_eq!(report.root, checkpoint(&ENTRIES, SIZE, &KEY).claim().root);
        assert_eq!(report.tenant, Sample::tenant());
    }
}

#[test]
fn who_vouches_for_the_key_is_said() {
    let report = |known| check(&FILE, &known).unwrap();
    assert_eq!(report(Known::default()).vouched_by, Vouched::Unvouched);
    assert_eq!(report(key(&KEY)).vouched_by, Vouched::Key);
    let report = report(with_kept([kept(&ENTRIES, 7, &KEY)]));
    assert_eq!(
        (report.vouched_by, report.checkpoints),
        (Vouched::Checkpoint, 1)
    );
}

#[test]
fn an_entry_that_was_changed_is_named_or_the_range_that_it_is_in() {
    let file = with(|lines| lines[20] = lines[20].replacen(':', ": ", 1));
    assert!(
        fault(&file)
            .to_string()
            .starts_with("entry 20 was changed: it is not in its canonical form")
    );
    let file = with(|lines| lines[20] = lines[20].replace("\"id\":\"event_", "\"id\":\"avent_"));
    assert!(
        fault(&file)
            .to_string()
            .starts_with("entry 20 was changed: its member `id`")
    );
    let file = with(|lines| {
        lines[20] = lines[20].replace("\"recorded_at\":\"2026", "\"recorded_at\":\"2025");
    });
    assert!(matches!(fault(&file), Fault::Time { entry: 20, .. }));
    let file = with(|lines| {
        lines[20] = line::write(&Entry {
            sequence: 90,
            ..ENTRIES[19].clone()
        });
    });
    assert!(matches!(
        fault(&file),
        Fault::Aggregate {
            entry: 20,
            found: 90,
            ..
        }
    ));
    let tenant = chancery_domain::TenantId::from_bytes([0; 16]);
    let file = with(|lines| {
        lines[20] = line::write(&Entry {
            tenant,
            ..ENTRIES[19].clone()
        });
    });
    assert!(matches!(fault(&file), Fault::Tenant { entry: 20, .. }));

    // Changed so well that only the root tells: older checkpoints say where to look.
    let file = with(|lines| lines[20] = line::write(&other_history()[19]));
    assert_eq!(
        fault(&file),
        Fault::Root {
            first: 1,
            last: 40,
            by: None
        }
    );
    let known = with_kept([30, 10, 19].map(|size| kept(&ENTRIES, size, &KEY)));
    let found = fault_of(&file, &known);
    assert_eq!(
        found,
        Fault::Root {
            first: 20,
            last: 30,
            by: Some("kept-30".to_owned())
        }
    );
    assert_eq!((found.kind(), found.entries()), ("changed", Some((20, 30))));
    let known = with_kept([19, 20].map(|size| kept(&ENTRIES, size, &KEY)));
    assert!(
        fault_of(&file, &known)
            .to_string()
            .starts_with("entry 20 was changed")
    );
}

#[test]
fn an_entry_that_was_removed_is_named() {
    let file = with(|lines| drop(lines.remove(7)));
    assert_eq!(fault(&file), Fault::Removed { entry: 7, found: 8 });
    assert_eq!(
        fault(&file).to_string(),
        "entry 7 is missing: the line after entry 6 says 8"
    );
    let file = with(|lines| drop(lines.remove(1)));
    assert_eq!(
        fault(&file).to_string(),
        "entry 1 is missing: the line after the header says 2"
    );
    // Renumbered after it, so that no number is missing.
    let file = with(|lines| {
        let mut entries = ENTRIES.clone();
        entries.remove(6);
        entries.push(ENTRIES[39].clone());
        for (line, (entry, number)) in lines[1..].iter_mut().zip(entries.iter().zip(1..)) {
            *line = line::write(&Entry {
                tenant_seq: number,
                ..entry.clone()
            });
        }
    });
    assert!(matches!(
        fault(&file),
        Fault::Aggregate { .. } | Fault::Root { .. }
    ));
}

#[test]
fn an_entry_that_was_inserted_is_named() {
    let file = with(|lines| lines.insert(8, lines[3].clone()));
    assert_eq!(fault(&file), Fault::Inserted { entry: 8, found: 3 });
    let file = with(|lines| lines.insert(8, lines[7].clone()));
    assert_eq!(
        fault(&file).to_string(),
        "a line was inserted before entry 8: it says that it is entry 7"
    );
    let file = with(|lines| lines.push(lines[40].clone()));
    assert_eq!(fault(&file), Fault::Extra { to: 40 });
    let file = with(|lines| lines.push(String::new()));
    assert_eq!(fault(&file), Fault::Extra { to: 40 });
    let file = with(|lines| lines.insert(8, String::new()));
    assert!(matches!(fault(&file), Fault::Line { entry: 8, .. }));
}

#[test]
fn entries_that_were_swapped_are_named() {
    let file = with(|lines| lines.swap(7, 8));
    assert_eq!(fault(&file), Fault::Swapped { entry: 7, found: 8 });
    let file = with(|lines| lines.swap(7, 30));
    assert_eq!(
        fault(&file),
        Fault::Removed {
            entry: 7,
            found: 30
        }
    );
}

#[test]
fn an_export_that_was_cut_short_is_refused() {
    let file = with(|lines| lines.truncate(31));
    assert_eq!(fault(&file), Fault::Truncated { entry: 31, to: 40 });
    let file = with(|lines| lines.truncate(1));
    assert_eq!(fault(&file), Fault::Truncated { entry: 1, to: 40 });
    assert_eq!(fault(&FILE[..FILE.len() - 1]), Fault::Cut { entry: 40 });
    assert_eq!(fault(&FILE[..FILE.len() - 100]), Fault::Cut { entry: 40 });
    // Cut, the header mended, and signed again with the right key: only who has seen more can tell.
    let shorter = export(&ENTRIES[..30], 1, &KEY);
    assert!(check(&shorter, &key(&KEY)).is_ok());
    let found = fault_of(&shorter, &with_kept([kept(&ENTRIES, 40, &KEY)]));
    assert_eq!(found.entries(), Some((31, 31)));
    assert!(
        found
            .to_string()
            .starts_with("entry 31 is missing: the checkpoint in kept-40"),
        "{found}"
    );
}

#[test]
fn an_export_that_was_signed_again_is_refused_by_the_key_or_an_older_checkpoint() {
    let forger = Sample::key();
    let file = export(&other_history(), 1, &forger);
    assert!(
        check(&file, &Known::default()).is_ok(),
        "it agrees with itself"
    );
    assert!(matches!(
        fault_of(&file, &key(&KEY)),
        Fault::OtherKey { .. }
    ));
    assert!(matches!(
        fault_of(&file, &with_kept([kept(&ENTRIES, 10, &KEY)])),
        Fault::KeptKey { .. }
    ));
    // By somebody who has the key.
    let file = export(&other_history(), 1, &KEY);
    assert!(check(&file, &key(&KEY)).is_ok());
    assert!(check(&file, &with_kept([kept(&ENTRIES, 19, &KEY)])).is_ok());
    let found = fault_of(
        &file,
        &with_kept([kept(&ENTRIES, 20, &KEY), kept(&ENTRIES, 10, &KEY)]),
    );
    assert_eq!(
        found,
        Fault::Root {
            first: 11,
            last: 20,
            by: Some("kept-20".to_owned())
        }
    );
    // The key in the header is the forger's, the checkpoint is not, or the other way round.
    let header = |key: &VerifierKey| FILE.replace(&KEY.verifier().to_string(), &key.to_string());
    assert!(matches!(
        fault(&header(forger.verifier())),
        Fault::Checkpoint(_)
    ));
}

#[test]
fn checkpoints_of_different_histories_are_inconsistent() {
    let (one, other) = (kept(&ENTRIES, 25, &KEY), kept(&other_history(), 25, &KEY));
    let other = Kept {
        name: "other".to_owned(),
        ..other
    };
    let found = fault_of(&FILE, &with_kept([one.clone(), other.clone()]));
    assert_eq!(
        found,
        Fault::Split {
            name: "kept-25".to_owned(),
            other: "other".to_owned(),
            size: 25
        }
    );
    let later = kept(&other_history(), 26, &KEY);
    assert!(matches!(
        fault_of(&FILE, &with_kept([one, later])),
        Fault::Root {
            first: 26,
            last: 26,
            ..
        }
    ));
}

#[test]
fn a_checkpoint_of_another_tenant_is_not_compared() {
    let (theirs, _) = NoteKey::generate("auth.example.com/t/umbrella/roll").unwrap();
    let found = fault_of(&FILE, &with_kept([kept(&ENTRIES, 10, &theirs)]));
    assert_eq!(
        found.to_string(),
        "the checkpoint in kept-10 is one of auth.example.com/t/umbrella/roll, and the file is an export of auth.example.com/t/acme/roll"
    );
}

#[test]
fn a_part_of_the_roll_is_compared_with_what_its_prefix_tells() {
    let file = export(&ENTRIES, 21, &KEY);
    // 20 = 16 + 4.
    for size in [16, 20, 21, 40] {
        assert!(
            check(&file, &with_kept([kept(&ENTRIES, size, &KEY)])).is_ok(),
            "{size}"
        );
    }
    let found = fault_of(&file, &with_kept([kept(&ENTRIES, 18, &KEY)]));
    assert!(matches!(
        found,
        Fault::Incomparable {
            size: 18,
            from: 21,
            ..
        }
    ));
    let found = fault_of(&file, &with_kept([kept(&other_history(), 20, &KEY)]));
    assert_eq!(
        found,
        Fault::Root {
            first: 1,
            last: 20,
            by: Some("kept-20".to_owned())
        }
    );
    // The numbers of aggregates that began before are not known, but they have no gap either.
    let mut lines: Vec<_> = file.lines().collect();
    lines.remove(5);
    assert_eq!(
        fault(&(lines.join("\n") + "\n")),
        Fault::Removed {
            entry: 25,
            found: 26
        }
    );
}

#[test]
fn a_header_that_was_changed_is_refused() {
    for (what, other) in [
        ("\"slug\":\"acme\"", "\"slug\":\"bcme\""),
        ("\"origin\":\"auth", "\"origin\":\"buth"),
        ("\"to\":40", "\"to\":39"),
        ("\"to\":40", "\"to\":41"),
        ("\\n40\\n", "\\n41\\n"),
    ] {
        let file = FILE.replacen(what, other, 1);
        assert_ne!(file, *FILE);
        assert!(
            matches!(fault(&file), Fault::Header(_) | Fault::Checkpoint(_)),
            "{what}"
        );
    }
    let (elsewhere, _) = NoteKey::generate("auth.example.com/t/bcme/roll").unwrap();
    let file = export(&ENTRIES, 1, &elsewhere);
    assert!(
        matches!(fault(&file), Fault::Header(_)),
        "the slug is not the origin's"
    );
}

/// The contract alone, by another hand: other crates for JSON, hashes and signatures, and a tree that is
/// computed from its definition.
#[test]
fn whoever_has_the_contract_can_write_a_verifier() {
    use sha2::{Digest, Sha256};
    fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
        match leaves {
            [] => Sha256::digest([]).to_vec(),
            [leaf] => leaf.clone(),
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                Sha256::digest([&[1][..], &root(&leaves[..k]), &root(&leaves[k..])].concat())
                    .to_vec()
            }
        }
    }
    let (header, events) = FILE.split_once('\n').unwrap();
    let header: serde_json::Value = serde_json::from_str(header).unwrap();
    let leaves: Vec<_> = events
        .lines()
        .map(|line| Sha256::digest([b"\0", line.as_bytes()].concat()).to_vec())
        .collect();
    let note =
        signed_note::Note::from_bytes(header["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    let key = signed_note::StandardVerifier::new(header["key"].as_str().unwrap()).unwrap();
    note.verify(&signed_note::VerifierList::new(vec![Box::new(key)]))
        .unwrap();
    let signed = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(signed.origin(), header["origin"]);
    assert_eq!(
        (signed.size(), signed.hash().0.to_vec()),
        (leaves.len() as u64, root(&leaves))
    );
    for (line, number) in events.lines().zip(1..) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["tenant_seq"], number);
        assert_eq!(serde_json_canonicalizer::to_string(&event).unwrap(), line);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Of an export no byte can be another, in the header or in an entry.
    #[test]
    fn no_byte_can_be_another(at in 0..FILE.len(), flip in 1..=255_u8) {
        let mut bytes = FILE.as_bytes().to_vec();
        bytes[at] ^= flip;
        prop_assert!(verify(&bytes[..], &Known::default(), |_| ()).is_err(), "byte {}", at);
    }

    #[test]
    fn no_byte_can_be_missing_or_doubled(at in 0..FILE.len(), double: bool) {
        let mut bytes = FILE.as_bytes().to_vec();
        if double { bytes.insert(at, bytes[at]) } else { bytes.remove(at); }
        prop_assert!(verify(&bytes[..], &Known::default(), |_| ()).is_err(), "byte {}", at);
    }

    /// Cut anywhere: never a whole one, and never a panic.
    #[test]
    fn no_beginning_of_an_export_is_one(at in 0..FILE.len()) {
        let error = verify(&FILE.as_bytes()[..at], &Known::default(), |_| ()).unwrap_err();
        let in_header = at <= FILE.find('\n').unwrap();
        prop_assert_eq!(matches!(error, VerifyError::Open(_)), in_header);
    }

    #[test]
    fn times_and_numbers_of_any_size_are_refused_without_a_panic(tenant_seq: i64, sequence: i64, micros: i64) {
        let entry = Entry { tenant_seq, sequence, recorded_at: Timestamp::from_micros(micros), ..ENTRIES[19].clone() };
        let file = with(|lines| lines[20] = line::write(&entry));
        prop_assert!(check(&file, &Known::default()).is_err() || entry == ENTRIES[19]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_export_verifies(seed: u64, size in 1..200_usize, from: prop::sample::Index) {
        let entries: Vec<_> = Sample::new(seed, 4).take(size).collect();
        let from = from.index(size) + 1;
        prop_assert!(check(&export(&entries, from, &KEY), &key(&KEY)).is_ok());
    }
}
