//! APIs: listed, created, shown, changed, retired.

mod create;
mod definition;
mod list;
mod matrix;
mod one;

use axum::routing::{get, post};

use crate::routes::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/t/{slug}/apis", get(list::page))
        .page(
            "/console/t/{slug}/apis/new",
            get(create::page).post(create::create),
        )
        .page(
            "/console/t/{slug}/apis/{api}",
            get(one::page).post(one::change),
        )
        .form(
            "/console/t/{slug}/apis/{api}/retire",
            "/console/t/{slug}/apis/{api}",
            post(one::retire),
        )
}
