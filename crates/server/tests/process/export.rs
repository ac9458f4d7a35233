use std::path::Path;

use serde_json::Value;

use crate::server::{Server, chancery, on_both_stores, output};

/// Exit status, standard output, standard error.
pub(crate) fn audit(
    directory: &Path,
    arguments: &[String],
    words: &[&str],
) -> (i32, String, String) {
    let mut command = chancery(directory);
    command.arg("audit").args(words).args(arguments);
    output(command)
}

/// Fails unless the tenant's whole roll is there as it was sealed: the export computes its root. Gives
/// how many entries it has.
pub(crate) fn assert_exports(directory: &Path, arguments: &[String], tenant: &str) -> usize {
    let (status, stdout, stderr) = audit(directory, arguments, &["export", "--tenant", tenant]);
    assert_eq!(status, 0, "{stderr}");
    let mut lines = stdout.lines();
    let header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let numbers =
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["tenant_seq"].as_u64());
    let numbers: Vec<_> = numbers.map(Option::unwrap).collect();
    assert!(
        numbers
            .iter()
            .copied()
            .eq(1..=header["to"].as_u64().unwrap()),
        "{numbers:?}"
    );
    numbers.len()
}

on_both_stores! {
    async fn a_roll_is_exported_beside_a_running_server(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        server.checkpoint("system").await;
        let entries = assert_exports(directory, arguments, "system");
        let (status, stdout, stderr) =
            audit(directory, arguments, &["export", "--tenant", "system", "-o", "system.ndjson"]);
        assert_eq!(status, 0, "{stderr}");
        let key = server.get("/t/system/roll/key").await.text().await.unwrap();
        assert!(stdout.contains(key.trim()), "{stdout}");
        let file = std::fs::read_to_string(directory.join("system.ndjson")).unwrap();
        assert_eq!(file.lines().count(), entries + 1);
        let (status, part, _) = audit(directory, arguments, &["export", "--tenant", "system", "--from", "3"]);
        assert_eq!(status, 0);
        assert_eq!(part.lines().skip(1).collect::<Vec<_>>(), file.lines().skip(3).collect::<Vec<_>>());

        let beyond = (entries + 1).to_string();
        for (words, sentence) in [
            (&["--tenant", "nobody"][..], "there is no such tenant"),
            (&["--tenant", "A B"], "--tenant"),
            (&["--tenant", "system", "--from", &beyond], "so there is none from"),
            (&["--tenant", "system", "--from", "0"], "so there is none from"),
        ] {
            let words: Vec<_> = ["export"].iter().chain(words).copied().chain(["-o", "none.ndjson"]).collect();
            let (status, _, stderr) = audit(directory, arguments, &words);
            assert_eq!(status, 2, "{stderr}");
            assert!(stderr.contains(sentence), "{stderr}");
        }
        for nowhere in ["nowhere/none.ndjson", "."] {
            let words = ["export", "--tenant", "system", "-o", nowhere];
            let (status, _, stderr) = audit(directory, arguments, &words);
            assert_eq!(status, 2, "{stderr}");
            assert!(stderr.contains("cannot be written: -o names a file"), "{stderr}");
        }
        let left: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("none")), "{left:?}");
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".tmp")), "{left:?}");
    }
}

on_both_stores! {
    /// An export of a live server verifies with the key that the server publishes, and the file and the
    /// database tell the same past.
    async fn what_a_live_server_exports_verifies_and_replays_as_its_database_does(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        server.checkpoint("system").await;
        let entries = assert_exports(directory, arguments, "system");
        let (status, _, stderr) =
            audit(directory, arguments, &["export", "--tenant", "system", "-o", "system.ndjson"]);
        assert_eq!(status, 0, "{stderr}");
        let key = server.get("/t/system/roll/key").await.text().await.unwrap();
        let (status, stdout, stderr) = audit(directory, &[], &["verify", "system.ndjson", "--key", key.trim()]);
        assert_eq!(status, 0, "{stdout}{stderr}");
        assert!(stdout.contains(&format!("entries 1 to {entries} of system")), "{stdout}");

        for moment in [&["--seq", "2"][..], &["--seq", &entries.to_string()]] {
            let told = |arguments: &[String], source: &[&str]| {
                let words: Vec<_> = ["replay", "--json"].iter().chain(source).chain(moment).copied().collect();
                audit(directory, arguments, &words)
            };
            let (of_file, of_database) = (told(&[], &["system.ndjson"]), told(arguments, &["--tenant", "system"]));
            assert_eq!(of_file.0, 0, "{}", of_file.2);
            assert_eq!(of_file, of_database);
        }
        let between = |source: &[&str]| {
            let words = ["diff", "--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
            audit(directory, if source[0] == "--tenant" { arguments } else { &[] }, &[&words[..], source].concat())
        };
        let (of_file, of_database) = (between(&["system.ndjson"]), between(&["--tenant", "system"]));
        assert_eq!(of_file.0, 2, "there was no tenant in 2000: {}", of_file.1);
        assert_eq!(of_file, of_database);

        for (words, says) in [
            (&["--tenant", "nobody"][..], "there is no such tenant"),
            (&["--tenant", "A B"], "--tenant"),
            (&["--tenant", "system", "--seq", "1000000"], "there is no entry 1000000"),
            (&["--tenant", "system", "system.ndjson"], "cannot be used with"),
            (&[], "required"),
        ] {
            let words: Vec<_> = ["replay"].iter().chain(words).copied().collect();
            let (status, _, stderr) = audit(directory, arguments, &words);
            assert_eq!(status, 2, "{stderr}");
            assert!(stderr.contains(says), "{stderr}");
        }
    }
}

/// An installation that does not run, whose first roll is sealed.
async fn stopped_and_sealed(directory: &Path) {
    let server = Server::start(directory, &[]);
    server.checkpoint("system").await;
    assert_eq!(server.terminate(), 0);
}

/// Only a file is replaced by an export: what a link names, and never a pipe or a device.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_replaces_files_and_nothing_else() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    stopped_and_sealed(directory).await;
    let export = |out: &str| audit(directory, &[], &["export", "--tenant", "system", "-o", out]);
    let pipe = directory.join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    symlink("pipe", directory.join("to-pipe")).unwrap();
    symlink("nowhere", directory.join("to-nowhere")).unwrap();
    for (name, says) in [
        ("pipe", "it is no regular file"),
        ("to-pipe", "it is no regular file"),
        ("to-nowhere", "leads nowhere"),
    ] {
        let (status, stdout, stderr) = export(name);
        assert_eq!((status, &*stdout), (2, ""), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());

    std::fs::write(directory.join("real"), "before").unwrap();
    symlink("real", directory.join("to-real")).unwrap();
    let (status, stdout, stderr) = export("to-real");
    assert!(
        status == 0 && stdout.contains("are in to-real"),
        "{stdout}{stderr}"
    );
    assert!(directory.join("to-real").is_symlink());
    let written = std::fs::read_to_string(directory.join("real")).unwrap();
    assert!(written.starts_with('{'), "{written}");
    let (status, stdout, _) = export("-");
    assert_eq!((status, stdout), (0, written));
}

/// Half of a roll is no export, whoever stopped reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_nobody_reads_to_its_end_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    stopped_and_sealed(directory).await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = chancery(directory);
    command.args(["audit", "export", "--tenant", "system"]);
    let ended = command.stdout(writer).output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("standard output was closed before the end of the roll"),
        "{stderr}"
    );
}
