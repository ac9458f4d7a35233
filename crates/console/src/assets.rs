//! The style sheet, the script and the icon: all that a page loads.

use axum::{Router, routing::get};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::Console;

const CSS: &str = include_str!("../assets/console.css");
const SCRIPT: &str = include_str!("../assets/console.js");
const ICON: &str = include_str!("../assets/icon.svg");

pub(crate) fn routes() -> Router<Console> {
    let file = |kind: &'static str, content: &'static str| {
        let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
        get(move || std::future::ready((headers, content)))
    };
    Router::new()
        .route(
            "/console/assets/console.css",
            file("text/css; charset=utf-8", CSS),
        )
        .route(
            "/console/assets/console.js",
            file("text/javascript; charset=utf-8", SCRIPT),
        )
        .route("/console/assets/icon.svg", file("image/svg+xml", ICON))
}
