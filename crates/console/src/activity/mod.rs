//! What token traffic did: in numbers, and record by record.

mod kinds;
mod known;
mod records;
mod summary;
mod unused;

use axum::routing::get;

use crate::routes::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/t/{slug}/activity", get(summary::page))
        .page("/console/t/{slug}/activity/records", get(records::page))
        .page("/console/t/{slug}/activity/unused", get(unused::page))
}

/// Why a request was denied, in words.
fn reason(name: &str) -> String {
    if name.is_empty() {
        "not said".to_owned()
    } else {
        name.replace('_', " ")
    }
}
