use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    audit::assert_exports,
    projections::assert_rows_are_folds,
    server::{Server, on_both_stores},
};

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
        for round in 0..4 {
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
                && enough.load(Ordering::SeqCst) < 10 + round * 7 {
                tokio::task::yield_now().await;
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
        for id in &acknowledged {
            let answer = server.graphql(&token, &format!("{{ client(id: \"{id}\") {{ id }} }}")).await.unwrap();
            assert_eq!(answer["data"]["client"]["id"].as_str(), Some(&**id), "{answer}");
        }
    }
}
