//! What an auditor does with a file: with no server, no database and no configuration.

use std::{fs, path::Path};

use chancery_crypto::NoteKey;
use chancery_domain::Entry;
use chancery_roll::testing::{Sample, checkpoint, export};
use serde_json::Value;

use crate::server::{chancery, output};

/// An auditor's desk: an empty directory with an export in it.
struct Desk {
    directory: tempfile::TempDir,
    entries: Vec<Entry>,
    key: NoteKey,
    file: String,
}

impl Desk {
    fn new() -> Self {
        let (entries, key) = (
            Sample::new(1, 3).take(60).collect::<Vec<_>>(),
            Sample::key(),
        );
        let desk = Self {
            directory: tempfile::tempdir().unwrap(),
            file: export(&entries, 1, &key),
            entries,
            key,
        };
        desk.put("roll.ndjson", &desk.file);
        desk
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Status, standard output, standard error; and nothing else is on the desk afterwards.
    fn audit(&self, words: &[&str]) -> (i32, String, String) {
        let listed = |path: &Path| fs::read_dir(path).unwrap().count();
        let before = listed(self.directory.path());
        let mut command = chancery(self.directory.path());
        // A configuration that nothing could be started with.
        command
            .env("CHANCERY_LISTEN", "nonsense")
            .arg("audit")
            .args(words);
        let printed = output(command);
        assert_eq!(listed(self.directory.path()), before);
        printed
    }

    fn refused(&self, status: i32, words: &[&str], says: &str) {
        let (found, stdout, stderr) = self.audit(words);
        assert_eq!(found, status, "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains(says), "{words:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "one sentence: {stderr}");
    }
}

#[test]
fn an_export_is_verified_offline() {
    let desk = Desk::new();
    let swallowed = ["verify", "--checkpoint", "then.txt", "roll.ndjson"];
    desk.refused(2, &swallowed, "the export to verify comes first");
    let (status, stdout, stderr) = desk.audit(&["verify", "roll.ndjson"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout.contains("entries 1 to 60 of acme"), "{stdout}");
    assert!(stdout.contains("THE KEY IS UNVOUCHED"), "{stdout}");

    let key = desk.key.verifier().to_string();
    desk.put("key", &format!("{key}\n"));
    desk.put("march", checkpoint(&desk.entries, 20, &desk.key).note());
    desk.put("may", checkpoint(&desk.entries, 60, &desk.key).note());
    for key in [&key, "key"] {
        let (status, stdout, _) = desk.audit(&["verify", "roll.ndjson", "--key", key]);
        assert_eq!(status, 0);
        assert!(
            stdout.contains("the key is the one that you gave"),
            "{stdout}"
        );
    }
    let kept = [
        "verify",
        "roll.ndjson",
        "--checkpoint",
        "march",
        "may",
        "--json",
    ];
    let (status, stdout, _) = desk.audit(&kept);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (status, &report["verified"], &report["vouched_by"]),
        (0, &true.into(), &"checkpoint".into())
    );
    assert_eq!(
        (&report["checkpoints"], &report["to"]),
        (&2.into(), &60.into())
    );
    assert_eq!(report["key"], key);
}

#[test]
fn what_was_done_to_an_export_is_answered_with_1_and_the_entry() {
    let desk = Desk::new();
    let with = |name: &str, change: fn(&mut Vec<String>)| {
        let mut lines = desk.file.lines().map(ToOwned::to_owned).collect();
        change(&mut lines);
        desk.put(name, &(lines.join("\n") + "\n"));
    };
    with("changed", |lines| {
        lines[7] = lines[7].replace("\"id\":\"event_", "\"id\":\"avent_");
    });
    desk.refused(1, &["verify", "changed"], "entry 7 was changed");
    with("removed", |lines| drop(lines.remove(7)));
    desk.refused(
        1,
        &["verify", "removed"],
        "entry 7 is missing: the line after entry 6 says 8",
    );
    with("inserted", |lines| lines.insert(7, lines[3].clone()));
    desk.refused(
        1,
        &["verify", "inserted"],
        "a line was inserted before entry 7",
    );
    with("swapped", |lines| lines.swap(7, 8));
    desk.refused(
        1,
        &["verify", "swapped"],
        "entry 7 follows it; the two were swapped",
    );
    with("truncated", |lines| lines.truncate(30));
    desk.refused(
        1,
        &["verify", "truncated"],
        "entry 30 is missing: the file ends after entry 29",
    );
    desk.put("cut", &desk.file[..desk.file.len() - 9]);
    desk.refused(
        1,
        &["verify", "cut"],
        "the file is cut in the middle of entry 60",
    );

    let key = desk.key.verifier().to_string();
    desk.put("again", &export(&desk.entries, 1, &Sample::key()));
    desk.refused(
        1,
        &["verify", "again", "--key", &key],
        "signed again by somebody else",
    );
    desk.put("march", checkpoint(&desk.entries, 20, &desk.key).note());
    desk.refused(
        1,
        &["verify", "again", "--checkpoint", "march"],
        "the checkpoint in march is not vouched for",
    );
    let (theirs, _) = NoteKey::generate("auth.example.com/t/umbrella/roll").unwrap();
    desk.put("theirs", checkpoint(&desk.entries, 20, &theirs).note());
    desk.refused(
        1,
        &["verify", "roll.ndjson", "--checkpoint", "theirs"],
        "auth.example.com/t/umbrella/roll",
    );

    let (status, stdout, _) = desk.audit(&["verify", "removed", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &report["verified"]), (1, &false.into()));
    assert_eq!(
        (&report["fault"]["kind"], &report["fault"]["first_entry"]),
        (&"removed".into(), &7.into())
    );
}

#[test]
fn what_is_of_no_use_is_answered_with_2_and_a_sentence() {
    let desk = Desk::new();
    desk.put("text", "hello\n");
    desk.put("empty", "");
    desk.put(
        "newer",
        &desk.file.replace("chancery-roll/1", "chancery-roll/2"),
    );
    desk.put("part", &export(&desk.entries, 9, &desk.key));
    let between = [
        "--from",
        "2026-01-02T00:00:00Z",
        "--to",
        "2027-01-01T00:00:00Z",
    ];
    let cannot = [
        ("text", "text: this is not an export of a roll"),
        ("empty", "empty: the file is empty"),
        ("newer", "this export has the format chancery-roll/2"),
        ("nowhere", "nowhere cannot be read"),
        (".", ". cannot be read"),
    ];
    for (file, says) in cannot {
        desk.refused(2, &["verify", file], says);
        desk.refused(2, &["replay", file], says);
        desk.refused(2, &[&["diff", file][..], &between].concat(), says);
        // A program reads the same on standard output.
        let (status, stdout, stderr) = desk.audit(&["verify", file, "--json"]);
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((status, &report["verified"]), (2, &false.into()), "{file}");
        assert_eq!(report["fault"]["kind"], "unusable", "{file}");
        let message = report["fault"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{file}: {message}");
        assert!(stderr.contains(says), "{file}: {stderr}");
    }
    desk.refused(
        2,
        &["verify", "roll.ndjson", "--key", "nonsense"],
        "--key: not a verifier key",
    );
    desk.refused(
        2,
        &["verify", "roll.ndjson", "--checkpoint", "text"],
        "--checkpoint text: not a signed checkpoint",
    );
    desk.refused(2, &["replay", "part"], "the file begins with entry 9");
    desk.refused(
        2,
        &["replay", "roll.ndjson", "--at", "2020-01-01T00:00:00Z"],
        "there was no such tenant yet: its roll begins at 2026-01-01",
    );
    desk.refused(
        2,
        &["replay", "roll.ndjson", "--seq", "61"],
        "there is no entry 61",
    );
    desk.put("cut", &desk.file[..desk.file.len() - 9]);
    desk.refused(2, &["replay", "cut"], "cut in the middle of entry 60");
    desk.refused(
        2,
        &[&["diff", "cut"][..], &between].concat(),
        "cut in the middle of entry 60",
    );
    let (status, stdout, _) = desk.audit(&["verify", "cut", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (status, &report["fault"]["first_entry"]),
        (1, &60.into()),
        "what was one is not unusable"
    );
    let times =
        |from: &'static str, to: &'static str| ["diff", "roll.ndjson", "--from", from, "--to", to];
    desk.refused(
        2,
        &times("2026-02-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        "--from is later than --to",
    );
    desk.refused(
        2,
        &times("2020-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        "there was no such tenant yet",
    );
    let (status, _, stderr) = desk.audit(&["replay", "roll.ndjson", "--at", "yesterday"]);
    assert_eq!(status, 2);
    assert!(stderr.contains("RFC 3339"), "{stderr}");
}

#[test]
fn keys_and_checkpoints_that_are_none_are_told_to_programs_too() {
    let desk = Desk::new();
    desk.put("text", "hello\n");
    for words in [
        ["--key", "nonsense"],
        ["--checkpoint", "text"],
        ["--checkpoint", "nowhere"],
    ] {
        let (status, stdout, _) =
            desk.audit(&[&["verify", "roll.ndjson", "--json"][..], &words].concat());
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(
            (status, &report["fault"]["kind"]),
            (2, &"unusable".into()),
            "{words:?}"
        );
    }
    let (status, stdout, _) = desk.audit(&["verify", "--json"]);
    assert_eq!(
        (status, &*stdout),
        (2, ""),
        "there is no file to say anything of"
    );
}

#[test]
fn a_tenant_is_shown_as_it_was() {
    let desk = Desk::new();
    let (status, stdout, stderr) = desk.audit(&["replay", "roll.ndjson", "--seq", "12"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(
        stdout.starts_with("Acme (acme)\nas of 2026-01-01T"),
        "{stdout}"
    );
    for part in [
        "entry 12",
        "policy",
        "max_live_secrets",
        "https://orders.acme.example",
        "clients: 1",
        "secret …",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let at = desk.entries[11].recorded_at.to_string();
    let (status, by_time, _) = desk.audit(&["replay", "roll.ndjson", "--at", &at, "--json"]);
    let (_, by_number, _) = desk.audit(&["replay", "roll.ndjson", "--seq", "12", "--json"]);
    assert_eq!((status, &by_time), (0, &by_number));
    let tenant: Value = serde_json::from_str(&by_time).unwrap();
    assert_eq!(
        (&tenant["tenant"]["slug"], &tenant["as_of"]["entry"]),
        (&"acme".into(), &12.into())
    );
}

#[test]
fn a_difference_is_answered_with_1_and_told() {
    let desk = Desk::new();
    let moment = |entry: usize| desk.entries[entry - 1].recorded_at.to_string();
    let (from, to) = (moment(10), moment(60));
    let times = |from, to| ["diff", "roll.ndjson", "--from", from, "--to", to];
    let (status, stdout, stderr) = desk.audit(&times(&from, &to));
    assert_eq!(status, 1);
    assert!(stdout.contains("\n+ client "), "{stdout}");
    assert!(stderr.contains("things are different"), "{stderr}");
    let (status, stdout, stderr) = desk.audit(&times(&from, &from));
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout.contains("nothing changed"), "{stdout}");
    let (status, stdout, _) = desk.audit(&[&times(&from, &to)[..], &["--json"]].concat());
    let difference: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &difference["from"]["entry"]), (1, &10.into()));
    assert!(
        difference["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|change| change["what"] == "added")
    );
}

#[test]
fn every_command_has_its_example() {
    let desk = Desk::new();
    for command in ["verify", "replay", "diff"] {
        let (status, stdout, _) = desk.audit(&[command, "--help"]);
        assert_eq!(status, 0);
        assert!(
            stdout.contains(&format!("Example: chancery audit {command} ")),
            "{stdout}"
        );
    }
}
