use std::{fs, net::TcpListener, path::Path, process::Command};

use crate::server::{chancery, output};

/// One sentence on standard error, this status, and nothing made.
fn refused(directory: &Path, command: Command, status: i32, says: &str) {
    let before = entries(directory);
    let (code, stdout, stderr) = output(command);
    assert_eq!((code, &*stdout), (status, ""), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
    assert_eq!(stderr.trim().lines().count(), 1, "{stderr}");
    assert_eq!(entries(directory), before, "something was made");
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

fn serve(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = chancery(directory);
    command.arg("serve").args(arguments);
    command
}

#[test]
fn an_unknown_configuration_key() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("chancery.toml"),
        "lisen = '127.0.0.1:0'\n",
    )
    .unwrap();
    refused(directory.path(), serve(directory.path(), &[]), 2, "lisen");
    let mut command = serve(directory.path(), &["--config", "/dev/null"]);
    command.env("CHANCERY_DATADIR", "x");
    refused(directory.path(), command, 2, "CHANCERY_DATADIR");
}

#[test]
fn an_unusable_database_url() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["mysql://localhost/chancery", "", "postgres//x"] {
        refused(
            directory.path(),
            serve(
                directory.path(),
                &["--listen", "127.0.0.1:0", "--database-url", url],
            ),
            2,
            "database_url",
        );
    }
}

#[test]
fn a_database_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "kG3sPMT0yUgEPZ1VUhnIXBD3hSY6Zy8s0jVtsXdNPLA=").unwrap();
    fs::create_dir(directory.path().join("chancery-data")).unwrap();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://nobody:hunter2@127.0.0.1:{free}/none");
    let command = serve(
        directory.path(),
        &[
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            &url,
            "--master-key-file",
            key.to_str().unwrap(),
        ],
    );
    let (status, _, stderr) = output(command);
    assert_eq!(status, 3, "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn postgres_without_a_master_key() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "postgres://localhost/chancery",
    ];
    refused(
        directory.path(),
        serve(directory.path(), &arguments),
        2,
        "master_key",
    );
}

#[test]
fn a_port_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(
        directory.path(),
        serve(directory.path(), &["--listen", &address]),
        3,
        "the port is in use",
    );
    // Whoever reads JSON reads this too; and nobody is left without it.
    for (level, is_json) in [("info", true), ("off", false)] {
        let mut command = serve(
            directory.path(),
            &["--listen", &address, "--log-format", "json"],
        );
        command.env("CHANCERY_LOG__LEVEL", level);
        let (status, _, told) = output(command);
        assert_eq!((status, told.lines().count()), (3, 1), "{told}");
        assert!(told.contains("the port is in use"), "{told}");
        let line: Option<serde_json::Value> = serde_json::from_str(&told).ok();
        assert_eq!(
            line.is_some_and(|line| line["level"] == "ERROR"),
            is_json,
            "{told}"
        );
    }
}

#[test]
fn an_unwritable_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", "file/below"];
    refused(
        directory.path(),
        serve(directory.path(), &arguments),
        2,
        "file/below",
    );
}

#[test]
fn an_empty_master_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = serve(directory.path(), &["--listen", "127.0.0.1:0"]);
    command.env("CHANCERY_MASTER_KEY", "");
    refused(directory.path(), command, 2, "master_key");
}

#[test]
fn a_lost_master_key_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = chancery(directory.path());
    command.arg("migrate");
    assert_eq!(output(command).0, 0);
    fs::remove_file(directory.path().join("chancery-data/master.key")).unwrap();
    refused(
        directory.path(),
        serve(directory.path(), &["--listen", "127.0.0.1:0"]),
        2,
        "master",
    );
}
