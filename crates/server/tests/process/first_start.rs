use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::server::{Server, chancery, on_both_stores, output};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

on_both_stores! {
    async fn everything_is_made_at_the_first_start_and_kept_at_the_next(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let data = directory.join("chancery-data");
        assert_eq!(mode(&data), 0o700);
        assert_eq!(mode(&data.join("operator.json")), 0o600);
        for member in ["issuer", "token_endpoint", "graphql_endpoint", "audience", "client_id", "client_secret"] {
            assert!(server.operator[member].is_string(), "{member}");
        }
        assert_eq!(server.get("/healthz").await.status(), 200);
        assert_eq!(server.get("/readyz").await.status(), 200);
        // A browser at the bare address is led to the console, a program is told what there is.
        let answer = server.get("/").await;
        assert_eq!(answer.status(), 404);
        assert!(answer.text().await.unwrap().contains("/t/{slug}/oauth2/token"));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = http.get(format!("{}/", server.url)).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (307, "/console"));
        server.operator_token().await;
        let before = server.operator.clone();
        assert_eq!(server.terminate(), 0, "a stop that was asked for is a success");

        // On another port, the same credential leads there.
        let server = Server::start(directory, arguments);
        server.operator_token().await;
        for member in ["client_id", "client_secret"] {
            assert_eq!(server.operator[member], before[member], "{member}");
        }
        assert_eq!(server.operator["graphql_endpoint"], format!("{}/graphql", server.url));
        assert_eq!(mode(&data.join("operator.json")), 0o600);
    }
}

on_both_stores! {
    async fn another_master_key_is_refused_and_changes_nothing(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        assert_eq!(server.terminate(), 0);
        let other = directory.join("other.key");
        fs::write(&other, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let mut arguments: Vec<_> = arguments.to_vec();
        if let Some(position) = arguments.iter().position(|argument| argument == "--master-key-file") {
            arguments.drain(position..position + 2);
        }
        let mut command = chancery(directory);
        command.args(["serve", "--listen", "127.0.0.1:0", "--master-key-file"]).arg(&other).args(&arguments);
        let (status, _, stderr) = output(command);
        assert_eq!(status, 2, "{stderr}");
        assert!(stderr.contains("the master key does not fit this database"), "{stderr}");
        assert_eq!(stderr.trim().lines().count(), 1, "{stderr}");
    }
}

/// It knows which tokens were revoked.
#[test]
fn a_log_of_tokens_that_is_lost_is_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    assert_eq!(server.terminate(), 0);
    let lost = directory.path().join("chancery-data/tokens.db");
    for name in ["tokens.db", "tokens.db-wal", "tokens.db-shm"] {
        let _ = fs::remove_file(lost.with_file_name(name));
    }
    let is_refused = || {
        for arguments in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["migrate"],
            &["operator", "link"],
        ] {
            let mut command = chancery(directory.path());
            command.args(arguments);
            let (status, _, told) = output(command);
            assert_eq!(status, 2, "{told}");
            assert!(told.contains("tokens.db, and there are tenants"), "{told}");
            assert!(told.contains("--tokens-are-lost"), "{told}");
        }
    };
    is_refused();
    assert!(!lost.exists());
    // A copy of what is not there has nothing in it.
    fs::write(&lost, "").unwrap();
    is_refused();
    // Whoever has lost it for ever says so.
    let server = Server::start(directory.path(), &["--tokens-are-lost".to_owned()]);
    server.logs("started with --tokens-are-lost");
    assert_eq!(server.terminate(), 0);
    let server = Server::start(directory.path(), &[]);
    assert_eq!(server.terminate(), 0);
}

/// Limits would count double, and neither would know of the other.
#[test]
fn one_sqlite_database_is_for_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let mut second = chancery(directory.path());
    second.args(["serve", "--listen", "127.0.0.1:0"]);
    let (status, _, told) = output(second);
    assert_eq!(status, 3, "{told}");
    assert!(told.contains("another server serves"), "{told}");
    assert_eq!(server.terminate(), 0);
    assert_eq!(Server::start(directory.path(), &[]).terminate(), 0);
}
