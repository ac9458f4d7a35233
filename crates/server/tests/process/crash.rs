use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_event_store::{Database, StoreConfig, StoreLocation, fetch_all};
use serde_json::Value;

use crate::{
    export::{assert_exports, audit},
    projections::assert_rows_are_folds,
    server::{Server, on_both_stores},
};

/// How often the server is killed: so often, or as often as `CHANCERY_KILLS` says.
fn rounds(usually: usize) -> usize {
    std::env::var("CHANCERY_KILLS").map_or(usually, |times| times.parse().unwrap())
}

on_both_stores! {
    async fn kill_9_during_appends_loses_nothing_that_was_acknowledged(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let made = server
            .graphql(&token, "mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { tenant { id } } }")
            .await
            .unwrap();
        assert!(made["errors"].is_null(), "{made}");
        server.kill();

        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let mut kept = Vec::new();
        for round in 0..rounds(4) {
            let server = Arc::new(Server::start(directory, arguments));
            let token = server.operator_token().await;
            let enough = Arc::new(AtomicUsize::new(0));
            let writers: Vec<_> = (0..6)
                .map(|writer| {
                    let (server, token) = (server.clone(), token.clone());
                    let (acknowledged, enough) = (acknowledged.clone(), enough.clone());
                    tokio::spawn(async move {
                        for number in 0.. {
                            let query = format!(
                                "mutation {{ createClient(input: {{tenant: \"acme\", name: \"{round}-{writer}-{number}\"}}) {{ client {{ id }} }} }}"
                            );
                            // The connection breaks when the server is killed.
                            let Some(answer) = server.graphql(&token, &query).await else { break };
                            let Some(id) = answer["data"]["createClient"]["client"]["id"].as_str() else { break };
                            acknowledged.lock().unwrap().push(id.to_owned());
                            enough.fetch_add(1, Ordering::SeqCst);
                        }
                    })
                })
                .collect();
            while writers.iter().any(|writer| !writer.is_finished())
                && enough.load(Ordering::SeqCst) < 10 + round % 5 * 7 {
                tokio::task::yield_now().await;
            }
            // What an auditor keeps; of a roll that is not sealed yet there is none.
            let checkpoint = server.get("/t/acme/roll/checkpoint").await;
            if checkpoint.status().is_success() {
                let file = format!("checkpoint-{round}");
                std::fs::write(directory.join(&file), checkpoint.text().await.unwrap()).unwrap();
                kept.push(file);
            }
            server.kill();
            for writer in writers {
                writer.await.unwrap();
            }
            assert_rows_are_folds(directory, arguments);
            // Killed in the middle of sealing, too: the tree is what the entries add up to.
            assert_exports(directory, arguments, "acme");
        }

        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let acknowledged = acknowledged.lock().unwrap().clone();
        assert!(acknowledged.len() >= 40);
        let in_the_roll = created(directory, arguments, &kept);
        for id in &acknowledged {
            assert!(in_the_roll.contains(id), "{id} was acknowledged and is not in the roll");
            let answer = server.graphql(&token, &format!("{{ client(id: \"{id}\") {{ id }} }}")).await.unwrap();
            assert_eq!(answer["data"]["client"]["id"].as_str(), Some(&**id), "{answer}");
        }
    }
}

on_both_stores! {
    async fn kill_9_under_load_leaves_no_token_without_its_record(directory: &Path, arguments: &[String]) {
        let operator = {
            let server = Server::start(directory, arguments);
            let operator = server.operator.clone();
            server.kill();
            operator
        };
        let text = |name: &str| operator[name].as_str().unwrap().to_owned();
        let left = Arc::new(Mutex::new(Vec::new()));
        for round in 0..rounds(3) {
            let server = Arc::new(Server::start(directory, arguments));
            let before = left.lock().unwrap().len();
            let clients: Vec<_> = (0..8)
                .map(|_| {
                    let (server, left) = (server.clone(), left.clone());
                    let (id, secret) = (text("client_id"), text("client_secret"));
                    tokio::spawn(async move {
                        // Until the connection breaks; the policy allows 600 a minute.
                        while let Ok(token) = server.token("system", &id, &secret, "urn:chancery:admin").await {
                            left.lock().unwrap().push(token);
                        }
                    })
                })
                .collect();
            while left.lock().unwrap().len() < before + 40 + round % 5 * 13
                && clients.iter().any(|client| !client.is_finished()) {
                tokio::task::yield_now().await;
            }
            server.kill();
            for client in clients {
                client.await.unwrap();
            }
        }

        let left = left.lock().unwrap().clone();
        assert!(left.len() >= 120, "{}", left.len());
        let recorded = recorded(directory, arguments).await;
        for token in &left {
            let jti = jti(token);
            assert!(recorded.contains(&jti), "a token left without its record: {jti}");
        }
    }
}

/// The clients that were created by the roll of acme, which is whole and goes on from every checkpoint
/// that was kept.
pub(crate) fn created(
    directory: &std::path::Path,
    arguments: &[String],
    kept: &[String],
) -> BTreeSet<String> {
    let words = ["export", "--tenant", "acme", "-o", "acme.ndjson"];
    let (status, _, stderr) = audit(directory, arguments, &words);
    assert_eq!(status, 0, "{stderr}");
    let mut words = vec!["verify", "acme.ndjson"];
    if !kept.is_empty() {
        words.push("--checkpoint");
        words.extend(kept.iter().map(String::as_str));
    }
    let (status, _, stderr) = audit(directory, &[], &words);
    assert_eq!(status, 0, "{stderr}");
    let file = std::fs::read_to_string(directory.join("acme.ndjson")).unwrap();
    let entries = file
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries
        .filter(|entry| entry["type"] == "ClientCreated")
        .map(|entry| entry["aggregate_id"].as_str().unwrap().to_owned())
        .collect()
}

/// The ids of the tokens that the log has, as the next start finds it.
pub(crate) async fn recorded(
    directory: &std::path::Path,
    arguments: &[String],
) -> BTreeSet<String> {
    let server = Server::start(directory, arguments);
    assert_eq!(server.get("/readyz").await.status().as_u16(), 200);
    server.terminate();
    recorded_by(directory, arguments).await
}

/// The same, as it is now.
pub(crate) async fn recorded_by(
    directory: &std::path::Path,
    arguments: &[String],
) -> BTreeSet<String> {
    let location = arguments
        .iter()
        .position(|argument| argument == "--database-url")
        .map_or_else(
            || StoreLocation::Sqlite(directory.join("chancery-data/tokens.db")),
            |at| StoreLocation::Postgres(arguments[at + 1].clone()),
        );
    let records = match location {
        StoreLocation::Sqlite(_) => {
            "SELECT record.value->>6 FROM (SELECT body FROM activity_fresh UNION ALL SELECT body FROM activity_segments),
                    json_each(body) AS record"
        }
        StoreLocation::Postgres(_) => {
            "SELECT record.value->>6 FROM (SELECT body FROM token_log.activity_fresh
                    UNION ALL SELECT body FROM token_log.activity_segments) AS all_of_them,
                    json_array_elements(body::json) AS record (value)"
        }
    };
    let log = Database::connect(&StoreConfig::new(location))
        .await
        .unwrap();
    let rows = fetch_all!(&log, (String,), records).unwrap();
    rows.into_iter().map(|(jti,)| jti).collect()
}

pub(crate) fn jti(token: &str) -> String {
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}
