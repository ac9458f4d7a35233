//! The roll: read, followed, exported, proved, seen as it was, compared.

mod difference;
mod entry;
mod export;
mod live;
mod past;
mod timeline;
mod words;

use axum::{Router, routing::get};

use crate::Console;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/t/{slug}/roll", get(timeline::page))
        .route("/console/t/{slug}/roll/live", get(live::follow))
        .route("/console/t/{slug}/roll/export", get(export::download))
        .route("/console/t/{slug}/roll/{entry}", get(entry::page))
        .route("/console/t/{slug}/past", get(past::page))
        .route("/console/t/{slug}/difference", get(difference::page))
}
