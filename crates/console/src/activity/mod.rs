//! What token traffic did: in numbers, and record by record.

mod records;
mod summary;

use axum::{Router, routing::get};

use crate::Console;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/t/{slug}/activity", get(summary::page))
        .route("/console/t/{slug}/activity/records", get(records::page))
}

/// Why a request was denied, in words.
fn reason(name: &str) -> String {
    if name.is_empty() {
        "not said".to_owned()
    } else {
        name.replace('_', " ")
    }
}
