use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::server::{Server, on_both_stores};

on_both_stores! {
    /// At the most talkative level, after mutations, tokens and failures: no secret, no token, no
    /// header that holds one, no hash and no key.
    async fn no_secret_is_logged(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let mut secrets = vec![
            server.operator["client_secret"].as_str().unwrap().to_owned(),
            token.clone(),
        ];
        let run = async |query: &str| server.graphql(&token, query).await.unwrap();
        run("mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { tenant { id } } }").await;
        run("mutation { createApi(input: {tenant: \"acme\", identifier: \"https://a.example\", name: \"A\", scopes: [{name: \"a\"}]}) { api { id } } }").await;
        let made = run("mutation { createClient(input: {tenant: \"acme\", name: \"c\", grants: [{api: \"https://a.example\", scopes: [\"a\"]}]}) { client { id } secret { id plaintext } } }").await;
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{value}")).to_owned()
        };
        let client = text(&made, "/data/createClient/client/id");
        let first = text(&made, "/data/createClient/secret/plaintext");
        let rotated = run(&format!("mutation {{ rotateClientSecret(input: {{client: \"{client}\"}}) {{ secret {{ plaintext }} }} }}")).await;
        let second = text(&rotated, "/data/rotateClientSecret/secret/plaintext");
        for secret in [&first, &second] {
            let access = server.token("acme", &client, secret, "https://a.example").await.unwrap();
            secrets.push(access);
            secrets.push(STANDARD.encode(format!("{client}:{secret}")));
        }
        let other = if first.ends_with('x') { 'y' } else { 'x' };
        let wrong = format!("{}{other}", &first[..first.len() - 1]);
        assert_eq!(server.token("acme", &client, &wrong, "https://a.example").await, Err(401));
        assert_eq!(server.token("acme", &second, &first, "https://a.example").await, Err(401));
        secrets.extend([first, second, wrong]);

        server.kill();
        let log = server.log();
        assert!(log.contains("acme"), "something was logged");
        for secret in &secrets {
            // Half of one would be too much as well.
            let half = &secret[secret.len() / 4..secret.len() * 3 / 4];
            assert!(!log.contains(half), "a secret is in the log");
        }
        for trace in ["argon2id", "PRIVATE KEY", "Basic ", "Bearer "] {
            assert!(!log.contains(trace), "`{trace}` is in the log");
        }
    }
}
