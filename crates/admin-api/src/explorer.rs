//! The explorer of the admin API: `GraphiQL`, served from the binary so that it works without the
//! internet, under a content security policy that lets it talk to nobody but this server.
//!
//! It holds no authority of its own: the reader pastes a Bearer token into the headers editor, and
//! the page forgets it when it is closed.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::error::Code;
use crate::http::{AdminApi, refusal};

/// What the page may load and where it may send: this server only, and no inline script or style.
///
/// `style-src` needs no `'unsafe-inline'`: `GraphiQL` styles its elements through the DOM, which the
/// policy does not govern. The one style element that it adds, which keeps the page from scrolling
/// behind a dialog, is always the same and is allowed by its hash. Images are `data:` because its
/// style sheet embeds three.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc='; \
     img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("../assets/explorer/explorer.html");

/// One embedded file.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    /// Whether the name carries a version, so that the content behind it never changes.
    immutable: bool,
    content: &'static [u8],
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

macro_rules! asset {
    ($directory:literal / $name:literal, $content_type:expr, immutable: $immutable:literal) => {
        Asset {
            name: $name,
            content_type: $content_type,
            immutable: $immutable,
            content: include_bytes!(concat!("../assets/", $directory, "/", $name)),
        }
    };
}

static ASSETS: &[Asset] = &[
    asset!("graphiql" / "graphiql-3.9.0.min.js", JAVASCRIPT, immutable: true),
    asset!("graphiql" / "graphiql-3.9.0.min.css", CSS, immutable: true),
    asset!("graphiql" / "react-18.3.1.min.js", JAVASCRIPT, immutable: true),
    asset!("graphiql" / "react-dom-18.3.1.min.js", JAVASCRIPT, immutable: true),
    asset!("explorer" / "explorer.js", JAVASCRIPT, immutable: false),
    asset!("explorer" / "explorer.css", CSS, immutable: false),
];

/// `GET /graphql`: the explorer's page. Who sends a query this way and wants no page is told how to.
pub(crate) async fn page(
    State(api): State<AdminApi>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Response {
    if asked.is_some_and(|asked| asks(&asked)) && !wants_a_page(&headers) {
        return post_it();
    }
    explorer(api.options.introspection)
}

/// Whether there is the parameter `query`.
fn asks(parameters: &str) -> bool {
    parameters
        .split('&')
        .any(|parameter| parameter.starts_with("query="))
}

fn wants_a_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut accepts = accepts.filter_map(|accept| accept.to_str().ok());
    accepts.any(|accept| accept.contains("text/html"))
}

fn post_it() -> Response {
    let mut response = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::InvalidInput,
        "send the query by POST, as JSON with the member `query`; GET is for the explorer, in a browser",
        None,
    );
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /graphql/assets/{file}`: what the page loads.
pub(crate) fn assets<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/graphql/assets/{file}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn explorer(introspection: bool) -> Response {
    // Without introspection the explorer does not ask for the schema, and says so.
    let page = if introspection {
        PAGE.to_owned()
    } else {
        PAGE.replacen("<body>", "<body data-introspection=\"off\">", 1)
    };
    let mut response = served("text/html; charset=utf-8", "no-cache", page);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    response
}

impl Asset {
    fn response(&self) -> Response {
        let caching = if self.immutable {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        served(self.content_type, caching, self.content)
    }
}

fn served(
    content_type: &'static str,
    caching: &'static str,
    content: impl IntoResponse,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response, name: http::HeaderName) -> &str {
        response.headers().get(name).unwrap().to_str().unwrap()
    }

    fn asset_named(name: &str) -> &'static Asset {
        ASSETS.iter().find(|asset| asset.name == name).unwrap()
    }

    /// The values of `src="…"` and `href="…"` that point at an asset.
    fn named_by_the_page() -> Vec<&'static str> {
        PAGE.split('"')
            .filter_map(|part| part.strip_prefix("/graphql/assets/"))
            .collect()
    }

    #[test]
    fn the_page_and_the_table_of_assets_name_the_same_files() {
        let mut named = named_by_the_page();
        let mut embedded: Vec<_> = ASSETS.iter().map(|asset| asset.name).collect();
        named.sort_unstable();
        embedded.sort_unstable();
        assert_eq!(named, embedded);
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline() {
        assert!(!PAGE.contains("//"), "an address of another host");
        assert!(!PAGE.contains("<style"));
        assert!(!PAGE.contains(" style="));
        for script in PAGE.split("<script").skip(1) {
            assert!(
                script.starts_with(" src=\"/graphql/assets/"),
                "an inline script: {script}"
            );
        }
    }

    #[test]
    fn the_page_is_confined_to_this_server() {
        let response = explorer(true);
        let policy = text(&response, header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none';"));
        assert!(policy.contains("script-src 'self';"));
        assert!(policy.contains("connect-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert!(!policy.contains("http"));
        assert_eq!(text(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(text(&response, header::REFERRER_POLICY), "no-referrer");
        assert_eq!(text(&response, header::CACHE_CONTROL), "no-cache");
    }

    #[test]
    fn vendored_files_are_immutable_under_a_versioned_name_and_ours_are_asked_for_again() {
        for asset in ASSETS {
            let response = asset.response();
            let versioned = asset.name.contains(|c: char| c.is_ascii_digit());
            let caching = text(&response, header::CACHE_CONTROL);
            assert_eq!(caching.contains("immutable"), versioned, "{}", asset.name);
            assert_eq!(text(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert!(!asset.content.is_empty());
        }
        let script = asset_named("explorer.js").response();
        assert_eq!(
            text(&script, header::CONTENT_TYPE),
            "text/javascript; charset=utf-8"
        );
        let style = asset_named("explorer.css").response();
        assert_eq!(
            text(&style, header::CONTENT_TYPE),
            "text/css; charset=utf-8"
        );
    }

    #[test]
    fn headers_with_a_token_are_never_stored_by_the_browser() {
        let script = str::from_utf8(asset_named("explorer.js").content).unwrap();
        assert!(script.contains("shouldPersistHeaders: false"));
        assert!(script.contains("showPersistHeadersSettings: false"));
        assert!(script.contains("storage,"));
    }

    #[test]
    fn no_file_refers_to_a_source_map_that_is_not_here() {
        for asset in ASSETS {
            let text = str::from_utf8(asset.content).unwrap();
            assert!(!text.contains("sourceMappingURL="), "{}", asset.name);
        }
    }
}
