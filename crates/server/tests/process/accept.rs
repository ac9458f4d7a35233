//! A backup that is put back beside a server's directory: nobody goes on from it until somebody says so, and
//! commands that are given a copy of the database teach the server nothing.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use chancery_crypto::NoteKey;
use chancery_event_store::{Backend, Store, StoreConfig, StoreLocation, fetch_all};
use chancery_roll::checkpoint::SignedCheckpoint;
use chancery_testkit::stores::TestDatabase;
use serde_json::Value;

use crate::{
    export::audit,
    projections::{projections, run},
    server::{Server, arguments, chancery, on_both_stores, output},
};

/// A database apart from its server, as it was when it was taken.
struct Copy {
    /// What a command finds it by.
    arguments: Vec<String>,
    _database: Option<TestDatabase>,
}

fn database_url(arguments: &[String]) -> Option<&str> {
    arguments.get(1).map(String::as_str)
}

fn file(directory: &Path) -> PathBuf {
    directory.join("chancery-data/chancery.db")
}

fn postgres(tool: &str, words: &[&str]) {
    let done = Command::new(tool)
        .args(words)
        .output()
        .expect("the tools of PostgreSQL");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{tool}: {told}");
}

/// A copy of everything that is in the database of a server that does not run.
async fn copied(directory: &Path, from: &[String], name: &str) -> Copy {
    match database_url(from) {
        None => {
            let copy = directory.join(format!("{name}.db"));
            fs::copy(file(directory), &copy).unwrap();
            Copy {
                arguments: vec![
                    "--database-url".to_owned(),
                    format!("sqlite://{}", copy.display()),
                ],
                _database: None,
            }
        }
        Some(url) => {
            let database = TestDatabase::empty(Backend::Postgres).await;
            let to = arguments(directory, &database);
            let dump = directory.join(format!("{name}.dump")).display().to_string();
            postgres(
                "pg_dump",
                &["--format=custom", "--no-owner", "--file", &dump, url],
            );
            postgres(
                "pg_restore",
                &["--no-owner", "--exit-on-error", "--dbname", &to[1], &dump],
            );
            Copy {
                arguments: to,
                _database: Some(database),
            }
        }
    }
}

/// Puts a copy in the place of the server's database, as one does with a backup.
fn put_back(directory: &Path, arguments: &[String], copy: &Copy) {
    match database_url(arguments) {
        None => {
            for rest in ["-wal", "-shm"] {
                let _ = fs::remove_file(directory.join(format!("chancery-data/chancery.db{rest}")));
            }
            let url = &copy.arguments[1];
            fs::copy(url.strip_prefix("sqlite://").unwrap(), file(directory)).unwrap();
        }
        Some(url) => {
            let dump = directory.join("back.dump").display().to_string();
            let words = [
                "--format=custom",
                "--no-owner",
                "--file",
                &dump,
                &copy.arguments[1],
            ];
            postgres("pg_dump", &words);
            let words = [
                "--clean",
                "--if-exists",
                "--no-owner",
                "--exit-on-error",
                "--dbname",
                url,
                &dump,
            ];
            postgres("pg_restore", &words);
        }
    }
}

async fn mutate(server: &Server, mutation: &str) {
    let token = server.operator_token().await;
    let made = server
        .graphql(&token, &format!("mutation {{ {mutation} }}"))
        .await
        .unwrap();
    assert!(made["errors"].is_null(), "{made}");
}

async fn create_client(server: &Server, name: &str) {
    let client =
        format!("createClient(input: {{tenant: \"acme\", name: \"{name}\"}}) {{ replayed }}");
    mutate(server, &client).await;
}

fn memory(directory: &Path) -> String {
    fs::read_to_string(directory.join("chancery-data/seals-seen.ndjson")).unwrap()
}

/// Seals acme to its end, lets the server see it, and gives the checkpoint.
async fn sealed(directory: &Path, arguments: &[String], server: &Server) -> String {
    server.checkpoint("acme").await;
    let (status, _, stderr) = audit(
        directory,
        arguments,
        &["export", "--tenant", "acme", "-o", "acme.ndjson"],
    );
    assert_eq!(status, 0, "{stderr}");
    let note = server.checkpoint("acme").await;
    assert!(
        memory(directory).contains(note.lines().nth(2).unwrap()),
        "the server has seen it"
    );
    note
}

/// A server with a tenant that has some history, stopped, and a copy of its database.
async fn acme_and_a_copy(directory: &Path, arguments: &[String]) -> Copy {
    let server = Server::start(directory, arguments);
    mutate(
        &server,
        "createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { replayed }",
    )
    .await;
    create_client(&server, "billing").await;
    sealed(directory, arguments, &server).await;
    assert_eq!(server.terminate(), 0);
    copied(directory, arguments, "copy").await
}

/// A command refuses with this status, in one sentence.
fn refused((status, stdout, stderr): (i32, String, String), expected: i32, says: &str) {
    assert_eq!(status, expected, "{stdout}{stderr}");
    assert!(stderr.contains(says), "no `{says}`: {stderr}");
    let sentences = stderr.lines().filter(|line| line.starts_with("chancery: "));
    assert_eq!(sentences.count(), 1, "one sentence: {stderr}");
}

on_both_stores! {
    async fn an_older_backup_is_refused_until_somebody_accepts_it(directory: &Path, arguments: &[String]) {
        let backup = acme_and_a_copy(directory, arguments).await;
        let server = Server::start(directory, arguments);
        create_client(&server, "reports").await;
        let kept = sealed(directory, arguments, &server).await;
        fs::write(directory.join("kept"), &kept).unwrap();
        assert_eq!(server.terminate(), 0);
        put_back(directory, arguments, &backup);

        // Everybody says so, and what was signed last stays published.
        let seen = "this node has seen one of";
        let server = Server::start(directory, arguments);
        server.logs(seen);
        assert_eq!(server.checkpoint("acme").await, kept);
        let ready: Value = server.get("/readyz").await.json().await.unwrap();
        assert_eq!((&ready["status"], &ready["rolls"]), (&"ready".into(), &1.into()));
        let export = |out: &str| audit(directory, arguments, &["export", "--tenant", "acme", "-o", out]);
        refused(export("none.ndjson"), 1, "chancery audit accept");
        let (status, stdout, stderr) = projections(directory, arguments, &["check"]);
        assert_eq!(status, 1, "{stdout}{stderr}");
        assert!(stdout.contains(seen), "{stdout}");

        let accept = |words: &[&str]| audit(directory, arguments, &[&["accept"], words].concat());
        refused(accept(&["--tenant", "nobody"]), 2, "there is no such tenant");
        refused(accept(&["--tenant", "A B"]), 2, "--tenant");
        assert_eq!(accept(&[]).0, 2, "whose is not left to a guess");
        assert_eq!(accept(&["--tenant", "acme", "--all"]).0, 2);
        let (status, stdout, stderr) = accept(&["--tenant", "system", "--json"]);
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((status, &report["accepted"]), (0, &Value::Array(vec![])), "{stderr}");

        // Not of a copy that is not whole. The rolls of others stay so: the server looks at them all the while.
        let of_acme = "tenant_id = (SELECT tenant_id FROM tenants WHERE slug = 'acme')";
        run(directory, arguments, &format!("CREATE TABLE tiles_then AS SELECT * FROM tiles WHERE {of_acme}")).await;
        run(directory, arguments, &format!("DELETE FROM tiles WHERE {of_acme}")).await;
        refused(accept(&["--tenant", "acme"]), 1, "is not accepted: ");
        run(directory, arguments, "INSERT INTO tiles SELECT * FROM tiles_then").await;

        let owner = |name: &str| {
            let is = fs::metadata(directory.join("chancery-data").join(name)).unwrap();
            (is.uid(), is.mode())
        };
        let before = owner("seals-seen.ndjson");
        let (status, stdout, stderr) = accept(&["--tenant", "acme"]);
        assert_eq!(status, 0, "{stderr}");
        assert!(stdout.contains(&kept), "what no longer holds is handed out: {stdout}");
        assert_eq!(owner("seals-seen.ndjson"), before);
        let (status, stdout, _) = accept(&["--all"]);
        assert_eq!((status, &*stdout), (0, "nothing contradicts what this node has seen\n"));

        // The server that runs goes on from there, and whoever kept the later checkpoint sees it.
        assert_eq!(export("acme.ndjson").0, 0);
        let earlier = server.checkpoint("acme").await;
        assert_ne!(earlier, kept);
        let ready: Value = server.get("/readyz").await.json().await.unwrap();
        assert_eq!(ready["rolls"], Value::Null, "{ready}");
        create_client(&server, "another").await;
        assert_eq!(export("acme.ndjson").0, 0);
        assert_eq!(audit(directory, &[], &["verify", "acme.ndjson"]).0, 0);
        refused(audit(directory, &[], &["verify", "acme.ndjson", "--checkpoint", "kept"]), 1, "not verified: ");
        assert_eq!(projections(directory, arguments, &["check"]).0, 0);
    }
}

on_both_stores! {
    /// Status 3, whatever is out of reach; then nothing has changed, and the same command does it later.
    async fn what_cannot_be_accepted_now_can_be_later(directory: &Path, arguments: &[String]) {
        let backup = acme_and_a_copy(directory, arguments).await;
        let server = Server::start(directory, arguments);
        create_client(&server, "reports").await;
        sealed(directory, arguments, &server).await;
        assert_eq!(server.terminate(), 0);
        put_back(directory, arguments, &backup);
        let accept = |arguments: &[String]| audit(directory, arguments, &["accept", "--all"]);
        let before = memory(directory);

        if let Some(url) = database_url(arguments) {
            let (server, database) = url.rsplit_once('/').unwrap();
            let user = server.rsplit_once('@').map_or("postgres://", |(user, _)| user);
            let at = if user.ends_with('/') { "" } else { "@" };
            let mut nowhere = arguments.to_vec();
            nowhere[1] = format!("{user}{at}127.0.0.1:1/{}", database.split('?').next().unwrap());
            refused(accept(&nowhere), 3, "the database cannot be reached");
        }
        // What keeps the memory's writers apart cannot be opened, so nothing can be remembered.
        let data = directory.join("chancery-data");
        let lock = data.join("seals-seen.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        for _ in 0..2 {
            refused(accept(arguments), 3, "seals-seen.ndjson");
            assert_eq!(memory(directory), before, "nothing was given up");
        }
        refused(audit(directory, arguments, &["export", "--tenant", "acme", "-o", "x"]), 1, "chancery audit accept");
        fs::remove_dir(&lock).unwrap();
        let (status, stdout, stderr) = accept(arguments);
        assert!(status == 0 && stdout.contains("No longer holds:"), "{stdout}{stderr}");

        // It was given up, and the database did not hear of it any more: told again, it does.
        run(directory, arguments, "UPDATE seals SET fault = 'this node has seen another'").await;
        let (status, stdout, stderr) = accept(arguments);
        assert_eq!((status, &*stdout), (0, "nothing contradicts what this node has seen\n"), "{stderr}");
        let server = Server::start(directory, arguments);
        create_client(&server, "another").await;
        let ready: Value = server.get("/readyz").await.json().await.unwrap();
        assert_eq!(ready["rolls"], Value::Null, "{ready}");
        sealed(directory, arguments, &server).await;
        assert_eq!(server.terminate(), 0);
    }
}

on_both_stores! {
    /// What is put in the place of a backup by somebody who has the database and no key is not accepted.
    async fn no_lie_is_accepted(directory: &Path, arguments: &[String]) {
        let backup = acme_and_a_copy(directory, arguments).await;
        let server = Server::start(directory, arguments);
        create_client(&server, "reports").await;
        sealed(directory, arguments, &server).await;
        assert_eq!(server.terminate(), 0);
        put_back(directory, arguments, &backup);
        let before = memory(directory);
        let accept = || audit(directory, arguments, &["accept", "--tenant", "acme"]);
        let sql = async |sql: &str| run(directory, arguments, sql).await;
        let not = |says: &str| {
            refused(accept(), 1, says);
            assert_eq!(memory(directory), before, "{says}");
        };
        let acme = "tenant_id = (SELECT tenant_id FROM tenants WHERE slug = 'acme')";

        // Somebody's own key, and a seal that agrees with the roll and with that key.
        sql("CREATE TABLE seals_then AS SELECT * FROM seals").await;
        let (note, key) = stored_seal(directory, arguments).await;
        let truth = SignedCheckpoint::parse(&note).unwrap().claim().clone();
        let own = NoteKey::generate(&truth.origin).unwrap().0;
        let forged = truth.sign(&own).unwrap();
        sql(&format!("UPDATE seals SET note = '{forged}', verifier_key = '{}' WHERE {acme}", own.verifier())).await;
        not("the stored verifier key is not that of the key in the vault");
        sql(&format!("UPDATE seals SET note = '{forged}', verifier_key = '{key}' WHERE {acme}")).await;
        not("not signed with the roll's key");
        sql(&format!("UPDATE seals SET note = '{note}' WHERE {acme}")).await;

        // An entry of the older copy was changed, whether its leaf was or not.
        let renamed = |from: &str, to: &str| match database_url(arguments) {
            Some(_) => format!("UPDATE events SET payload = REPLACE(payload::text, '{from}', '{to}')::json"),
            None => format!("UPDATE events SET payload = REPLACE(payload, '{from}', '{to}')"),
        };
        sql(match database_url(arguments) {
            Some(_) => "DROP TRIGGER events_are_final ON events",
            None => "DROP TRIGGER events_are_not_changed",
        })
        .await;
        sql(&renamed("billing", "bilking")).await;
        not("is not the one that was sealed");
        sql(&renamed("bilking", "billing")).await;

        // A seal that says that nothing was sealed, where there is a key.
        sql(&format!("DELETE FROM seals WHERE {acme}")).await;
        not("its seal is not in the database");
        sql(&format!("INSERT INTO seals SELECT * FROM seals_then WHERE {acme}")).await;
        let (status, stdout, stderr) = accept();
        assert!(status == 0 && stdout.contains("No longer holds:"), "{stdout}{stderr}");
    }
}

/// The note of acme's seal, and its key.
async fn stored_seal(directory: &Path, arguments: &[String]) -> (String, String) {
    let location = match database_url(arguments) {
        Some(url) => StoreLocation::Postgres(url.to_owned()),
        None => StoreLocation::Sqlite(file(directory)),
    };
    let store = Store::connect(&StoreConfig::new(location)).await.unwrap();
    let sql = "SELECT note, verifier_key FROM seals WHERE origin LIKE '%/t/acme/roll'";
    let mut rows = fetch_all!(&store, (String, String), sql).unwrap();
    store.close().await;
    rows.pop().unwrap()
}

on_both_stores! {
    async fn a_command_with_a_copy_of_the_database_teaches_the_server_nothing(directory: &Path, arguments: &[String]) {
        let copy = acme_and_a_copy(directory, arguments).await;
        // Somebody tries something out on the copy, with a directory of its own.
        let elsewhere = tempfile::tempdir().unwrap();
        if database_url(arguments).is_none() {
            let data = elsewhere.path().join("chancery-data");
            fs::create_dir(&data).unwrap();
            fs::copy(directory.join("chancery-data/master.key"), data.join("master.key")).unwrap();
        }
        let data = elsewhere.path().join("chancery-data");
        fs::create_dir_all(&data).unwrap();
        fs::copy(directory.join("chancery-data/operator.json"), data.join("operator.json")).unwrap();
        // On SQLite it is one of two files.
        let alone = [&copy.arguments[..], &["--tokens-are-lost".to_owned()]].concat();
        let server = Server::start(elsewhere.path(), &alone);
        create_client(&server, "tried out").await;
        assert_eq!(server.terminate(), 0);

        // And then looks at the copy with the directory of the server.
        let before = memory(directory);
        let beside = |words: &[&str]| {
            let mut command = chancery(directory);
            command.args(words).args(&copy.arguments);
            output(command)
        };
        for words in [
            &["projections", "check"][..],
            &["audit", "export", "--tenant", "acme", "-o", "copy.ndjson"],
            &["audit", "accept", "--all"],
            &["operator", "create", "--tenant", "acme", "--name", "x", "--scope", "audit:read"],
            &["audit", "export", "--tenant", "acme", "-o", "copy.ndjson"],
        ] {
            let (status, stdout, stderr) = beside(words);
            assert_eq!(status, 0, "{words:?}: {stdout}{stderr}");
        }
        assert_eq!(memory(directory), before);

        // Its own roll is as it was, and so is what it goes on from.
        let server = Server::start(directory, arguments);
        create_client(&server, "reports").await;
        sealed(directory, arguments, &server).await;
        let ready: Value = server.get("/readyz").await.json().await.unwrap();
        assert_eq!(ready["rolls"], Value::Null, "{ready}");
        assert!(memory(directory).len() > before.len());
        // Of the copy the server has seen nothing, and now they are of different histories.
        let words = ["audit", "export", "--tenant", "acme", "-o", "none.ndjson"];
        refused(beside(&words), 1, "chancery audit accept");
        assert_eq!(server.terminate(), 0);
    }
}

on_both_stores! {
    async fn a_new_installation_is_not_made_where_seals_of_another_are_remembered(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        server.checkpoint("system").await;
        assert_eq!(server.terminate(), 0);
        let (before, operator) = (memory(directory), directory.join("chancery-data/operator.json"));
        let credential = fs::read(&operator).unwrap();

        // Somebody has emptied the database.
        let (mut empty, mut database) = (Vec::new(), None);
        if database_url(arguments).is_some() {
            let another = TestDatabase::empty(Backend::Postgres).await;
            empty = self::arguments(directory, &another);
            database = Some(another);
        } else {
            fs::remove_file(file(directory)).unwrap();
        }
        let serve = || {
            let mut command = chancery(directory);
            command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]).args(&empty);
            output(command)
        };
        for _ in 0..2 {
            let (status, _, stderr) = serve();
            assert_eq!(status, 3, "{stderr}");
            let last: Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
            let sentence = last["message"].as_str().unwrap();
            assert!(sentence.contains("the database is empty, and this node has seen seals of another"), "{sentence}");
            assert!(sentence.contains("move") && sentence.contains("seals-seen.ndjson away"), "{sentence}");
        }
        assert_eq!((memory(directory), fs::read(&operator).unwrap()), (before, credential), "nothing was changed");

        // It is given up for ever.
        let seen = directory.join("chancery-data/seals-seen.ndjson");
        fs::rename(&seen, directory.join("seen.before")).unwrap();
        let server = Server::start(directory, &empty);
        server.checkpoint("system").await;
        assert_eq!(server.terminate(), 0);
        drop(database);
    }
}

/// What another user writes, the server must be able to read. Only root can be another user, so elsewhere there
/// is nothing to try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_leave_the_memory_to_its_owner_changes_nothing() {
    // Where somebody without rights may go, which the runner's own place for temporary files need not be.
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let directory = directory.path();
    let backup = acme_and_a_copy(directory, &[]).await;
    let server = Server::start(directory, &[]);
    create_client(&server, "reports").await;
    sealed(directory, &[], &server).await;
    assert_eq!(server.terminate(), 0);
    put_back(directory, &[], &backup);
    if fs::metadata(directory).unwrap().uid() != 0 {
        return;
    }
    // The memory is root's; everything else is given to somebody who has no rights.
    let nobody = 65_534;
    let mut all = vec![directory.to_owned(), directory.join("chancery-data")];
    all.extend(
        fs::read_dir(directory.join("chancery-data"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    for path in all
        .iter()
        .filter(|path| !path.ends_with("seals-seen.ndjson"))
    {
        std::os::unix::fs::chown(path, Some(nobody), Some(nobody)).unwrap();
    }
    let seen = directory.join("chancery-data/seals-seen.ndjson");
    fs::set_permissions(&seen, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let before = memory(directory);
    let binary = directory.join("chancery");
    fs::copy(env!("CARGO_BIN_EXE_chancery"), &binary).unwrap();
    let accept = |uid: Option<u32>| {
        let mut command = Command::new(&binary);
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("USER", "tester");
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        command.args(["audit", "accept", "--all"]);
        output(command)
    };
    refused(accept(Some(nobody)), 3, "belongs to the user 0");
    assert_eq!(memory(directory), before);
    let (status, stdout, stderr) = accept(None);
    assert_eq!(status, 0, "{stdout}{stderr}");
    let lock = directory.join("chancery-data/seals-seen.lock");
    assert_eq!(
        (
            fs::metadata(&seen).unwrap().uid(),
            fs::metadata(&lock).unwrap().uid()
        ),
        (0, 0)
    );

    // Where it is the server's, root leaves it so.
    std::os::unix::fs::chown(&seen, Some(nobody), Some(nobody)).unwrap();
    fs::remove_file(&lock).unwrap();
    fs::write(&seen, &before).unwrap();
    let (status, stdout, stderr) = accept(None);
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert!(memory(directory).len() > before.len());
    assert_eq!(
        (
            fs::metadata(&seen).unwrap().uid(),
            fs::metadata(&lock).unwrap().uid()
        ),
        (nobody, nobody)
    );
}
