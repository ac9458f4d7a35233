//! A node that is not exchanged yet, while a newer one has migrated the store.

use std::path::Path;

use serde_json::Value;

use crate::{
    crash::{jti, recorded_by},
    projections::run,
    server::{Server, on_both_stores},
};

/// Tokens go on, and nothing is changed.
async fn only_issues(server: &Server, directory: &Path, arguments: &[String]) {
    let token = server.operator_token().await;
    let create = "mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { tenant { id } } }";
    let refused = server.graphql(&token, create).await.unwrap();
    let code = &refused["errors"][0]["extensions"]["code"];
    assert_eq!(code, "UNAVAILABLE", "{refused}");
    let none = server.graphql(&token, "{ tenant(slug: \"acme\") { id } }");
    let none = none.await.unwrap();
    assert_eq!(none["data"]["tenant"], Value::Null, "{none}");
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status(), 200, "{}", ready.text().await.unwrap());
    let recorded = recorded_by(directory, arguments).await;
    assert!(recorded.contains(&jti(&token)));
}

on_both_stores! {
    async fn an_older_node_issues_tokens_and_changes_nothing_also_when_it_restarts(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        server.operator_token().await;
        // As `chancery migrate` of a newer binary leaves it.
        let later = "INSERT INTO chancery_schema (version, name, sql) SELECT MAX(version) + 1, 'later', '' FROM chancery_schema";
        run(directory, arguments, later).await;
        only_issues(&server, directory, arguments).await;
        assert_eq!(server.terminate(), 0);

        let server = Server::start(directory, arguments);
        server.logs("this one issues tokens and refuses changes");
        only_issues(&server, directory, arguments).await;
        assert_eq!(server.terminate(), 0);
    }
}
