//! The roll: read, followed, exported, proved, seen as it was, compared.

mod difference;
mod entry;
mod export;
pub(crate) mod live;
mod names;
mod past;
mod timeline;
mod words;

use axum::routing::get;

use crate::routes::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/t/{slug}/roll", get(timeline::page))
        .beside("/console/t/{slug}/roll/live", get(live::follow))
        .beside("/console/t/{slug}/roll/export", get(export::download))
        .page("/console/t/{slug}/roll/{entry}", get(entry::page))
        .beside("/console/t/{slug}/roll/{entry}/proof", get(entry::proof))
        .page("/console/t/{slug}/past", get(past::page))
        .page("/console/t/{slug}/difference", get(difference::page))
}
