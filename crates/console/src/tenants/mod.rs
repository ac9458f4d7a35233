//! Tenants: listed, created, shown, changed, suspended, resumed, closed.

mod create;
mod list;
mod overview;
mod policy;
mod state;

use axum::{
    Router,
    routing::{get, post},
};

use crate::Console;

pub(crate) use state::{confirmed, reason};

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/tenants", get(list::page))
        .route(
            "/console/tenants/new",
            get(create::page).post(create::create),
        )
        .route("/console/t/{slug}", get(overview::page))
        .route(
            "/console/t/{slug}/policy",
            get(policy::page).post(policy::save),
        )
        .route("/console/t/{slug}/state", post(state::change))
}
