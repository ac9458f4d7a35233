//! `/openapi.json`, and `/docs`, which shows it: Swagger UI, served from the binary so that it works
//! without the internet, under a content security policy that lets it talk to nobody but this server.

use axum::{
    Router,
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{openapi, problem::nothing_for_clients};

/// What the page may load and where it may send: this server only, and no inline script or style. Images
/// are `data:` because the style sheet embeds some.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("../assets/docs.html");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What the page loads: its name, its type, how long it may be kept, and itself.
const ASSETS: [(&str, &str, &str, &[u8]); 3] = [
    (
        "swagger-ui-5.35.0.js",
        JAVASCRIPT,
        IMMUTABLE,
        include_bytes!("../assets/swagger-ui/swagger-ui-5.35.0.js"),
    ),
    (
        "swagger-ui-5.35.0.css",
        "text/css; charset=utf-8",
        IMMUTABLE,
        include_bytes!("../assets/swagger-ui/swagger-ui-5.35.0.css"),
    ),
    (
        "docs.js",
        JAVASCRIPT,
        "no-cache",
        include_bytes!("../assets/docs.js"),
    ),
];

/// The document and the page that shows it.
pub(crate) fn routes() -> Router {
    let document = openapi::text();
    Router::new()
        .route(
            "/openapi.json",
            get(|| async move { served("application/json", "no-cache", document) }),
        )
        .route("/docs", get(page))
        .route("/docs/assets/{file}", get(asset))
}

async fn page() -> Response {
    let mut response = served("text/html; charset=utf-8", "no-cache", PAGE);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    response
}

async fn asset(file: Option<Path<String>>) -> Response {
    let file = file.map(|Path(file)| file).unwrap_or_default();
    match ASSETS.iter().find(|(name, ..)| *name == file) {
        Some((_, kind, caching, content)) => served(kind, caching, *content),
        None => nothing_for_clients().await,
    }
}

fn served(kind: &'static str, caching: &'static str, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_runs_nothing_inline_and_loads_what_is_here() {
        assert!(!PAGE.contains("//"), "an address of another host");
        assert!(!PAGE.contains("<style") && !PAGE.contains(" style="));
        let mut named: Vec<_> = PAGE
            .split('"')
            .filter_map(|part| part.strip_prefix("/docs/assets/"))
            .collect();
        let mut here = ASSETS.map(|(name, ..)| name).to_vec();
        named.sort_unstable();
        here.sort_unstable();
        assert_eq!(named, here);
        for script in PAGE.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/docs/assets/"), "{script}");
        }
        for (name, _, _, content) in ASSETS {
            let text = str::from_utf8(content).unwrap();
            assert!(!text.contains("sourceMappingURL="), "{name}");
        }
    }

    #[tokio::test]
    async fn the_page_is_confined_to_this_server() {
        let response = page().await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    }
}
