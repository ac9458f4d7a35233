//! Tenants: listed, created, shown, changed, suspended, resumed, closed.

mod audited;
mod create;
mod list;
mod overview;
mod policy;
mod state;

use axum::routing::{get, post};

use crate::routes::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/tenants", get(list::page))
        .page(
            "/console/tenants/new",
            get(create::page).post(create::create),
        )
        .page("/console/t/{slug}", get(overview::page))
        .beside("/console/t/{slug}/", get(overview::whole))
        .page(
            "/console/t/{slug}/policy",
            get(policy::page).post(policy::save),
        )
        .form(
            "/console/t/{slug}/state",
            "/console/t/{slug}",
            post(state::change),
        )
}
