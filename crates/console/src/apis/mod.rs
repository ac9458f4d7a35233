//! APIs: listed, created, shown, changed, retired.

mod create;
mod definition;
mod list;
mod one;

use axum::{
    Router,
    routing::{get, post},
};

use crate::Console;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/t/{slug}/apis", get(list::page))
        .route(
            "/console/t/{slug}/apis/new",
            get(create::page).post(create::create),
        )
        .route(
            "/console/t/{slug}/apis/{api}",
            get(one::page).post(one::change),
        )
        .route("/console/t/{slug}/apis/{api}/retire", post(one::retire))
}
