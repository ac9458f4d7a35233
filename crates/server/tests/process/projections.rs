use std::path::Path;

use chancery_event_store::{Store, StoreConfig, StoreLocation, execute};
use serde_json::Value;

use crate::{
    export::audit,
    server::{Server, chancery, on_both_stores, output},
};

/// Exit status, standard output, standard error.
pub(crate) fn projections(
    directory: &Path,
    arguments: &[String],
    words: &[&str],
) -> (i32, String, String) {
    let mut command = chancery(directory);
    command.arg("projections").args(words).args(arguments);
    output(command)
}

/// Fails unless every row is what its events add up to.
pub(crate) fn assert_rows_are_folds(directory: &Path, arguments: &[String]) {
    let (status, stdout, stderr) = projections(directory, arguments, &["check"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert!(
        stdout.contains("each equal to the one that is kept"),
        "{stdout}"
    );
    let words: Vec<_> = stdout.split(' ').collect();
    let number = |after: &str| {
        let at = words.iter().position(|word| *word == after).unwrap();
        words[at - 1].parse::<u64>().unwrap()
    };
    assert!(number("entries") <= number("events"), "{stdout}");
}

pub(crate) async fn run(directory: &Path, arguments: &[String], sql: &str) {
    let location = match arguments {
        [_, url, ..] => StoreLocation::Postgres(url.clone()),
        _ => StoreLocation::Sqlite(directory.join("chancery-data/chancery.db")),
    };
    let store = Store::connect(&StoreConfig::new(location)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    execute!(&mut tx, sql).unwrap();
    tx.commit().await.unwrap();
    store.close().await;
}

on_both_stores! {
    async fn rows_are_compared_and_put_right_beside_a_running_server(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        assert_rows_are_folds(directory, arguments);

        run(directory, arguments, "UPDATE clients SET state = 'another'").await;
        let (status, stdout, stderr) = projections(directory, arguments, &["check"]);
        assert_eq!(status, 1, "{stdout}{stderr}");
        assert!(stdout.contains("clients client_") && stdout.contains("`state` is another"), "{stdout}");
        assert!(stderr.contains("chancery projections rebuild"), "{stderr}");
        let (status, stdout, _) = projections(directory, arguments, &["check", "--json"]);
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((status, &report["differing"]), (1, &Value::from(1)));
        let difference = &report["differences"][0];
        assert_eq!((&difference["table"], &difference["member"]), (&Value::from("clients"), &Value::from("state")));
        assert_eq!((&difference["stored"], &difference["folded"]), (&Value::from("another"), &Value::from("enabled")));

        let (status, stdout, stderr) = projections(directory, arguments, &["rebuild", "--json"]);
        assert_eq!(status, 0, "{stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["mended"], 1, "{report}");
        assert_rows_are_folds(directory, arguments);
        assert_eq!(server.terminate(), 0);

        // Rows of older folds are made again before the server is ready.
        run(directory, arguments, "UPDATE clients SET state = 'another'").await;
        run(directory, arguments, "UPDATE read_models SET fold_version = 0").await;
        let server = Server::start(directory, arguments);
        assert_rows_are_folds(directory, arguments);
        drop(server);
    }
}

on_both_stores! {
    async fn what_is_kept_beside_the_roll_is_compared_too(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        server.checkpoint("system").await;
        assert_eq!(server.terminate(), 0);
        assert_rows_are_folds(directory, arguments);
        for table in ["sealed_keys", "secret_verifiers", "seals", "tiles", "tenant_log"] {
            run(directory, arguments, &format!("CREATE TABLE {table}_then AS SELECT * FROM {table}")).await;
        }
        let put_back = async |table: &str| {
            run(directory, arguments, &format!("DELETE FROM {table}")).await;
            run(directory, arguments, &format!("INSERT INTO {table} SELECT * FROM {table}_then")).await;
        };
        let signing = "purpose = 'signing-key'";
        for (table, change, said) in [
            ("secret_verifiers", "DELETE FROM secret_verifiers", "there are events and no row"),
            ("secret_verifiers", "UPDATE secret_verifiers SET secret_id = 'secret_00000000000000000000000000'", "there is a row and no events for it"),
            ("secret_verifiers", "UPDATE secret_verifiers SET client_id = 'another'", "`client_id` is another"),
            ("secret_verifiers", "UPDATE secret_verifiers SET tenant_id = 'another'", "there is a row and no events for it"),
            ("sealed_keys", &format!("DELETE FROM sealed_keys WHERE {signing}"), "there are events and no row"),
            ("sealed_keys", &format!("UPDATE sealed_keys SET master_key_id = 'another' WHERE {signing}"), "it does not open"),
            ("sealed_keys", &format!("UPDATE sealed_keys SET sealed = (SELECT sealed FROM sealed_keys_then WHERE purpose = 'note-key') WHERE {signing}"), "it does not open"),
            ("seals", "DELETE FROM seals", "its seal is not in the database"),
            ("seals", "UPDATE seals SET note = REPLACE(note, 'roll', 'role')", "the stored checkpoint is"),
            ("seals", "UPDATE seals SET size = size + 1", "the stored checkpoint is of another roll or another size"),
            ("sealed_keys", "DELETE FROM sealed_keys WHERE purpose = 'note-key'", "is not in the vault"),
            ("tenant_log", "UPDATE tenant_log SET head = head - 1", "and the roll says that it has"),
            ("tiles", "DELETE FROM tiles", "not stored as far as it was sealed"),
        ] {
            run(directory, arguments, change).await;
            let (status, stdout, stderr) = projections(directory, arguments, &["check"]);
            assert_eq!(status, 1, "{change}: {stdout}{stderr}");
            assert!(stdout.contains(said), "{change}: {stdout}{stderr}");
            assert!(stderr.contains("only a backup has it") && !stderr.contains("rebuild"), "{change}: {stderr}");
            put_back(table).await;
            // An alarm stays until the whole roll was found as it was sealed; this one goes with the row.
            put_back("seals").await;
            assert_rows_are_folds(directory, arguments);
        }
    }
}

on_both_stores! {
    async fn what_was_taken_out_of_the_database_is_told_and_not_made_worse(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let acme = "mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { tenant { id } } }";
        let made = server.graphql(&token, acme).await.unwrap();
        let acme = made["data"]["createTenant"]["tenant"]["id"].as_str().unwrap().to_owned();
        server.checkpoint("acme").await;
        let (status, _, stderr) = audit(directory, arguments, &["export", "--tenant", "acme", "-o", "acme.ndjson"]);
        assert_eq!(status, 0, "{stderr}");
        // The server has seen it.
        server.checkpoint("acme").await;
        assert_eq!(server.terminate(), 0);
        assert_rows_are_folds(directory, arguments);
        let tables = ["tenant_log", "installation_keys"];
        for table in tables {
            run(directory, arguments, &format!("CREATE TABLE {table}_then AS SELECT * FROM {table}")).await;
        }
        let put_back = async |table: &str| {
            run(directory, arguments, &format!("DELETE FROM {table}")).await;
            run(directory, arguments, &format!("INSERT INTO {table} SELECT * FROM {table}_then")).await;
            assert_rows_are_folds(directory, arguments);
        };

        // The moment before which nothing more is recorded, set ahead and set back.
        for change in ["recorded_at + 86400000000", "1"] {
            run(directory, arguments, &format!("UPDATE tenant_log SET recorded_at = {change} WHERE tenant_id = '{acme}'")).await;
            let (status, stdout, stderr) = projections(directory, arguments, &["check"]);
            assert_eq!(status, 1, "{stdout}{stderr}");
            assert!(stdout.contains(&format!("tenant_log {acme}: `recorded_at` is ")), "{stdout}");
            assert!(stderr.contains("`chancery projections rebuild` puts 1 of them right"), "{stderr}");
            let (status, stdout, stderr) = projections(directory, arguments, &["rebuild"]);
            assert_eq!(status, 0, "{stderr}");
            assert!(stdout.contains("; 1 were put right"), "{stdout}");
            assert_rows_are_folds(directory, arguments);
        }

        // A tenant without its head has not gone: nothing of it is deleted.
        run(directory, arguments, &format!("DELETE FROM tenant_log WHERE tenant_id = '{acme}'")).await;
        for word in ["check", "rebuild"] {
            let (status, stdout, stderr) = projections(directory, arguments, &[word]);
            assert_eq!((status, &*stdout), (1, ""), "{stderr}");
            assert!(stderr.contains(&format!("the roll of {acme} has events, and no row in tenant_log")), "{stderr}");
        }
        put_back("tenant_log").await;

        // An installation without its key is no new one.
        run(directory, arguments, "DELETE FROM installation_keys").await;
        let mut serve = chancery(directory);
        serve.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        for (status, _, stderr) in [projections(directory, arguments, &["check"]), output(serve)] {
            assert_eq!(status, 2, "{stderr}");
            assert!(stderr.contains("the key of this installation is not in the database, where its tenants are"), "{stderr}");
        }
        put_back("installation_keys").await;

        // Of a tenant that is taken away as a whole only this node knows, or who has kept a checkpoint.
        for trigger in match arguments {
            [] => &["events_are_not_deleted"][..],
            _ => &["events_are_final ON events"],
        } {
            run(directory, arguments, &format!("DROP TRIGGER {trigger}")).await;
        }
        for table in [
            "events", "tenant_log", "seals", "tiles", "sealed_keys", "sealed_secrets", "secret_verifiers", "tenants", "key_rings",
            "apis", "clients", "client_secrets", "tenant_terms", "client_grants", "row_counts", "agenda",
        ] {
            run(directory, arguments, &format!("DELETE FROM {table} WHERE tenant_id = '{acme}'")).await;
        }
        let (status, stdout, stderr) = projections(directory, arguments, &["check"]);
        assert_eq!(status, 1, "{stdout}{stderr}");
        assert!(stdout.starts_with(&format!("seals {acme}: its seal is not in the database, and this node has seen one of ")), "{stdout}");
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        let server = Server::start(directory, arguments);
        server.logs("its seal is not in the database, and this node has seen one of");
        assert_eq!(server.terminate(), 0);
    }
}

#[test]
fn without_a_database_there_is_nothing_to_compare() {
    let directory = tempfile::tempdir().unwrap();
    let (status, _, stderr) = projections(directory.path(), &[], &["check"]);
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains("there is no database at"), "{stderr}");
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        0,
        "and none is made"
    );
    let url = format!("sqlite://{}/nowhere/x.db", directory.path().display());
    let mut command = chancery(directory.path());
    command.args(["serve", "--database-url", &url]);
    let (status, _, stderr) = output(command);
    assert_eq!(status, 2, "{stderr}");
    assert!(
        stderr.contains("/nowhere of the database is not there"),
        "{stderr}"
    );
    // A key that is made now would open nothing.
    let url = "postgres://nobody@127.0.0.1:1/none";
    let (status, _, stderr) = projections(directory.path(), &[], &["check", "--database-url", url]);
    assert_eq!(status, 2, "{stderr}");
    assert!(
        stderr.contains("the server's own master key") && !stderr.contains("openssl"),
        "{stderr}"
    );
    let mut command = chancery(directory.path());
    command
        .args([
            "projections",
            "check",
            "--database-url",
            "postgres://nobody@127.0.0.1:1/none",
        ])
        .env(
            "CHANCERY_MASTER_KEY",
            "kG3sPMT0yUgEPZ1VUhnIXBD3hSY6Zy8s0jVtsXdNPLA=",
        );
    let (status, _, stderr) = output(command);
    assert_eq!(status, 3, "{stderr}");
}
