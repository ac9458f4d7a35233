//! `keys rotate-master` by the binary: killed at every step beside a running server, and with few rights.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{
        fs::{MetadataExt, lchown},
        process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chancery_event_store::{Backend, Store, StoreConfig, StoreLocation, fetch_all};
use chancery_testkit::stores::{TestDatabase, TestRole};
use sqlx::{Connection, PgConnection};

use crate::{
    sealed::Office,
    server::{Server, arguments, chancery, on_both_stores, output},
};

/// A library that kills its process at one of its steps.
fn killer(directory: &Path) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/kill_at.c");
    let library = directory.join("kill_at.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
    let made = compiler
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(made.success());
    library
}

on_both_stores! {
    /// Killed at each thing that it tells a file or the database, from wherever the kill before has left it,
    /// and the server beside it started anew at every state that this comes to: all that is sealed opens
    /// with the keys that are there, and tokens are issued. In the end the new key alone is enough.
    async fn a_rotation_that_is_killed_at_every_step(directory: &Path, arguments: &[String]) {
        let office = Office::furnish(directory, arguments).await;
        let library = killer(directory);
        let mut server = Server::start(directory, &office.arguments);
        let mut reached = vec![office.state().await];
        let generated = arguments.is_empty();
        let is_on_its_way = |state: &BTreeSet<String>| state.contains("master.next.key");
        let (mut kills, mut step) = (0, 1);
        loop {
            let mut rotate = office.rotate();
            rotate.env("LD_PRELOAD", &library).env("KILL_AT", step.to_string());
            let done = rotate.stdin(Stdio::null()).output().unwrap();
            if done.status.code() == Some(0) {
                break;
            }
            let told = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.signal(), Some(9), "at step {step}: {told}");
            kills += 1;
            let state = office.state().await;
            if reached.last() == Some(&state) {
                office.serves(&server).await;
                step += 1;
            } else {
                reached.push(state);
                assert_eq!(server.terminate(), 0);
                server = Server::start(directory, &office.arguments);
                office.serves(&server).await;
                office.is_exported();
                let mut lately = reached.iter().rev().map(is_on_its_way);
                if generated && lately.next() == Some(false) && lately.next() == Some(true) {
                    // Killed when all was done: begun again it would be another rotation.
                    break;
                }
                // From here on the way is shorter by what is done already.
                step = (step - 6_i64).max(1);
            }
        }
        // The next key, the installation's, two tables; and two files, where the key was generated.
        assert!(reached.len() >= if generated { 5 } else { 3 }, "{reached:#?}");
        assert!(kills >= 15, "{kills}");
        office.serves(&server).await;
        assert_eq!(server.terminate(), 0);

        if !generated {
            fs::remove_file(directory.join("chancery.toml")).unwrap();
            fs::rename(directory.join("postgres-master.key"), directory.join("old")).unwrap();
        }
        office.state().await;
        office.serves(&Server::start(directory, &office.arguments)).await;
        office.is_exported();
        if !generated {
            let mut old = chancery(directory);
            old.args(&arguments[..2]).args(["--master-key-file", "old", "serve"]);
            let (status, _, told) = output(old);
            assert_eq!(status, 2, "{told}");
        }
    }
}

/// Whoever starts it again because the first one gave no answer, and whoever else does so at that moment,
/// loses no key, whether or not one of them is killed: the database opens with the keys that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_at_once_lose_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let office = Office::furnish(directory.path(), &[]).await;
    let library = killer(directory.path());
    for round in 0..8 {
        let runs: Vec<_> = (0..4)
            .map(|number| {
                let mut rotate = office.rotate();
                if number == round % 4 {
                    rotate.env("LD_PRELOAD", &library);
                    rotate.env("KILL_AT", (round * 4).to_string());
                }
                rotate.stdin(Stdio::null()).stdout(Stdio::piped());
                rotate.stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for run in runs {
            let done = run.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&done.stderr);
            let killed = done.status.signal() == Some(9);
            assert!(killed || done.status.code() == Some(0), "{round}: {told}");
        }
        office.state().await;
    }
    office.serves(&Server::start(directory.path(), &[])).await;
}

/// A server that was not restarted with both keys opens nothing that it had not opened before: it says so, to
/// whoever sends it requests and to whoever asks it for a token, and that it is no defect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_new_key_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let arguments = arguments(directory.path(), &database);
    let office = Office::furnish(directory.path(), &arguments).await;
    let left_behind = Server::start(directory.path(), &arguments);
    let (status, told, faults) = output(office.rotate());
    assert_eq!(status, 0, "{faults}");
    assert!(told.contains("restart them with both"), "{told}");
    // It looks by itself too, and remembers for five seconds what it found.
    let since = Instant::now();
    let ready = loop {
        let ready = left_behind.get("/readyz").await;
        if ready.status() == 503 {
            break ready.text().await.unwrap();
        }
        assert!(since.elapsed() < Duration::from_secs(30), "still ready");
    };
    assert!(ready.contains("master_key_file"), "{ready}");
    assert_eq!(office.token(&left_behind).await, Err(503));
    let checkpoint = left_behind.get("/t/acme/roll/checkpoint").await;
    assert_ne!(checkpoint.status(), 500);
    let restarted = Server::start(directory.path(), &office.arguments);
    assert_eq!(restarted.get("/readyz").await.status(), 200);
    office.serves(&restarted).await;
}

/// One key in both places is not a change from one to another, and two in each other's places do not pass
/// for one: nobody is told that the key which seals everything is needed no more.
#[test]
fn keys_that_change_nothing_are_not_called_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    assert_eq!(Server::start(directory.path(), &[]).terminate(), 0);
    fs::copy(path("chancery-data/master.key"), path("one")).unwrap();
    fs::write(path("two"), "0Zr9cKc5fkN8ZdVh0LmQxMPa5S6eqBvVqQ0Zb1yWb1E=").unwrap();
    let rotate = |before: &str, file: &[&str]| {
        let previous = format!("master_key_previous_file = \"{before}\"\n");
        fs::write(path("chancery.toml"), previous).unwrap();
        let mut rotate = chancery(directory.path());
        rotate.args(file).args(["keys", "rotate-master"]);
        output(rotate)
    };
    for file in [&["--master-key-file", "one"][..], &[]] {
        let (status, _, told) = rotate("one", file);
        assert_eq!(status, 2, "{told}");
        assert!(
            told.contains("the same master key") && told.contains("Nothing was changed"),
            "{told}"
        );
    }
    let (status, told, _) = rotate("two", &["--master-key-file", "one"]);
    assert_eq!(status, 0, "{told}");
    assert!(
        told.contains("nothing was changed") && told.contains("master_key_file"),
        "{told}"
    );
    let (status, told, _) = rotate("one", &["--master-key-file", "two"]);
    assert_eq!(status, 0, "{told}");
    assert!(
        told.contains("0 were already") && told.contains("take master_key_previous_file out"),
        "{told}"
    );
}

on_both_stores! {
    /// Who has to make a key in the moment after the change, as in an emergency, need not wait for anybody.
    async fn a_running_server_seals_under_the_new_key_at_once(directory: &Path, arguments: &[String]) {
        let office = Office::furnish(directory, arguments).await;
        let server = Server::start(directory, &office.arguments);
        let token = server.operator_token().await;
        let (status, _, faults) = output(office.rotate());
        assert_eq!(status, 0, "{faults}");
        let create = r#"mutation { createTenant(input: {slug: "late", displayName: "Late"}) { tenant { id } } }"#;
        let made = server.graphql(&token, create).await.unwrap();
        assert!(made["errors"].is_null(), "{made:#}");
        office.serves(&server).await;
    }
}

/// The statements of the operations guide that make a role for it.
fn guide(role: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let guide = fs::read_to_string(path).unwrap();
    let (_, after) = guide.split_once("CREATE ROLE chancery_keys").unwrap();
    let (block, _) = after.split_once("```").unwrap();
    let statements = block.split(';').skip(1).map(str::trim);
    let statements = statements.filter(|statement| !statement.is_empty());
    statements
        .map(|statement| statement.replace("chancery_keys", role))
        .collect()
}

/// A role that owns nothing and holds what the guide says, and nothing less, is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_owns_nothing_and_has_what_the_guide_says() {
    // Dropped in the other order: a role can go when nothing is granted to it any more.
    let role = TestRole::new().await;
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(Backend::Postgres).await;
    let arguments = arguments(directory.path(), &database);
    let mut office = Office::furnish(directory.path(), &arguments).await;
    let StoreLocation::Postgres(url) = &office.location else {
        panic!("{:?}", office.location)
    };
    let mut owner = PgConnection::connect(url).await.unwrap();
    let (name,): (String,) = sqlx::query_as("SELECT current_database()::text")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    let mut run = async |statement: &str| {
        sqlx::raw_sql(statement)
            .execute(&mut owner)
            .await
            .expect(statement);
    };
    run(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC")).await;
    let before = office.state().await;
    office.arguments[1] = role.of(url);
    let statements = guide(role.name());
    assert!(statements.len() >= 4, "{statements:?}");
    for statement in statements {
        let (status, _, told) = output(office.rotate());
        assert_ne!(status, 0, "enough without: {statement}");
        assert!(told.contains("permission denied"), "{told}");
        assert_eq!(office.state().await, before);
        run(&statement.replace("DATABASE chancery", &format!("DATABASE {name}"))).await;
    }
    let server = Server::start(directory.path(), &{
        let mut arguments = office.arguments.clone();
        arguments[1].clone_from(url);
        arguments
    });
    let (status, told, faults) = output(office.rotate());
    assert_eq!(status, 0, "{told}{faults}");
    let after = office.state().await;
    assert!(
        before.is_disjoint(&after) && before.len() == after.len(),
        "{after:#?}"
    );
    office.serves(&server).await;
    let store = StoreConfig::new(StoreLocation::Postgres(role.of(url)));
    let store = Store::connect(&store).await.unwrap();
    let events = fetch_all!(&store, (i64,), "SELECT COUNT(*) FROM events");
    assert!(events.is_err(), "the roll is none of its business");
}

/// What an administrator's command makes in the data directory has to be read by the server's user, who is
/// another one. Tests that may give files away play both.
#[test]
fn a_rotation_by_the_administrator_leaves_the_key_to_the_servers_user() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    assert_eq!(server.terminate(), 0);
    let data = directory.path().join("chancery-data");
    let files = || {
        fs::read_dir(&data)
            .unwrap()
            .map(|file| file.unwrap().path())
    };
    for path in files().chain([data.clone()]) {
        match lchown(path, Some(54_321), Some(54_322)) {
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => panic!("{error}"),
            _ => {}
        }
    }
    let owner = |path: &Path| fs::metadata(path).map(|is| (is.uid(), is.gid())).unwrap();
    let whose = owner(&data);
    for words in [
        &["keys", "rotate-master"][..],
        &["audit", "accept", "--all"],
    ] {
        let mut command = chancery(directory.path());
        command.args(words);
        let (status, _, stderr) = output(command);
        assert_eq!(status, 0, "{words:?}: {stderr}");
    }
    assert!(
        files().count() > 4,
        "with the key before, and what was seen of seals"
    );
    for path in files() {
        assert_eq!(owner(&path), whose, "{}", path.display());
    }
}
