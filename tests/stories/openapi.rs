//! The `OpenAPI` document against the router that it describes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Chromium, World, story};

/// What is no REST endpoint: the admin API has a schema of its own, and these pages have none.
fn is_a_page(path: &str) -> bool {
    let pages = ["/graphql", "/console", "/docs", "/openapi.json"];
    // And the router's own name for what is at no path.
    let fallback = path.starts_with("/{*__private");
    path == "/" || fallback || pages.iter().any(|page| path.starts_with(page))
}

async fn document(world: &World) -> Value {
    let url = format!("{}/openapi.json", world.url);
    world
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

story! {
    async fn what_is_routed_is_what_is_documented(world: World) {
        let document = document(&world).await;
        let documented: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
        // The router names its paths, quoted, when it is printed.
        let printed = format!("{:?}", world.platform.app.router());
        let routed: BTreeSet<_> = printed
            .split('"')
            .filter(|part| part.starts_with('/') && !is_a_page(part))
            .map(str::to_owned)
            .collect();
        assert_eq!(routed, documented);
    }
}

story! {
    async fn the_documentation_is_shown_in_a_browser_and_needs_nobody_else(world: World) {
        let mut browser = Chromium::start().await;
        browser.open(&format!("{}/docs", world.url)).await;
        browser.until("document.querySelectorAll('.opblock').length > 0").await;
        browser.shows("/t/{slug}/oauth2/token").await;
        let from = "performance.getEntriesByType('resource').map(e => new URL(e.name).origin)";
        let origins = browser.eval(&format!("[...new Set({from})].join()")).await.unwrap();
        assert_eq!(origins, world.url);
        browser.no_complaints();
    }
}

story! {
    async fn every_documented_operation_answers_as_documented(world: World) {
        let document = document(&world).await;
        for (path, item) in document["paths"].as_object().unwrap() {
            let (method, operation) = match &item["post"] {
                Value::Null => (http::Method::GET, &item["get"]),
                post => (http::Method::POST, post),
            };
            let url = format!("{}{}", world.url, path.replace("{slug}", "system"));
            let answer = world.http.request(method, url).send().await.unwrap();
            assert_ne!(answer.status(), 404, "{path}");
            let documented = &operation["responses"][answer.status().as_str()];
            assert!(documented.is_object(), "{path} answers {}", answer.status());
            let kind = answer.headers()["content-type"].to_str().unwrap();
            let kind = kind.split(';').next().unwrap();
            assert!(documented["content"][kind].is_object(), "{path} answers {kind}");
            for name in answer.headers().keys().map(http::HeaderName::as_str) {
                let own = ["x-ratelimit-limit", "retry-after", "www-authenticate", "traceparent", "etag"];
                let headers = documented["headers"].as_object().unwrap();
                let known = headers.keys().any(|header| header.eq_ignore_ascii_case(name));
                assert!(known || !own.contains(&name), "{path} answers with {name}");
            }
        }
    }
}

story! {
    async fn a_slug_that_is_not_utf_8_is_no_tenant(world: World) {
        for path in ["/t/%ff/roll/key", "/t/%ff/roll/checkpoint", "/t/%ff/oauth2/jwks"] {
            let answer = world.http.get(format!("{}{path}", world.url)).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        }
    }
}
