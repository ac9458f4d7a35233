//! Whom a server believes that says for whom it asks.

use std::{fs, net::IpAddr};

use serde_json::{Value, json};

use crate::server::{Server, on_both_stores};

const TRUSTED: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";

on_both_stores! {
    async fn only_a_trusted_proxy_says_from_where_a_request_comes(directory: &Path, arguments: &[String]) {
        fs::write(directory.join("chancery.toml"), format!("trusted_proxies = [\"{TRUSTED}\"]\n")).unwrap();
        let server = Server::start(directory, arguments);
        let operator = server.operator_token().await;
        let text = |name: &str| server.operator[name].as_str().unwrap();
        let mut right = Vec::new();
        for (number, (from, forwarded, recorded)) in [
            (TRUSTED, None, TRUSTED),
            (TRUSTED, Some("203.0.113.9"), "203.0.113.9"),
            // The last one is what the proxy saw; what stands before it, anybody may have sent.
            (TRUSTED, Some("198.51.100.1, 203.0.113.9"), "203.0.113.9"),
            (STRANGER, None, STRANGER),
            (STRANGER, Some("203.0.113.9"), STRANGER),
        ]
        .into_iter()
        .enumerate()
        {
            let from: IpAddr = from.parse().unwrap();
            let http = reqwest::Client::builder().local_address(from).build().unwrap();
            let agent = format!("request {number}");
            let mut request = http
                .post(format!("{}/t/system/oauth2/token", server.address))
                .basic_auth(text("client_id"), Some(text("client_secret")))
                .header("user-agent", &agent)
                .form(&[("grant_type", "client_credentials"), ("audience", "urn:chancery:admin")]);
            if let Some(forwarded) = forwarded {
                request = request.header("x-forwarded-for", forwarded);
            }
            assert_eq!(request.send().await.unwrap().status(), 200, "{agent}");
            right.push(json!({"address": recorded, "userAgent": agent}));
        }
        let query = "{ activity(tenant: \"system\") { edges { node { address userAgent } } } }";
        let answer = server.graphql(&operator, query).await.unwrap();
        let edges = answer["data"]["activity"]["edges"].as_array().unwrap();
        let found: Vec<Value> = edges
            .iter()
            .map(|edge| edge["node"].clone())
            .filter(|node| node["userAgent"].as_str().is_some_and(|agent| agent.starts_with("request ")))
            .collect();
        assert_eq!(found, right);
    }
}
