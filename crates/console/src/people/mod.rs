//! People: who may administer a tenant, who is signed in, and inviting somebody.

mod administrators;
mod invite;
mod sessions;

use axum::routing::{get, post};

use crate::routes::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/sessions", get(sessions::own))
        .beside("/console/sessions/end", post(sessions::end_own))
        .page(
            "/console/t/{slug}/administrators",
            get(administrators::page).post(invite::invite),
        )
        .beside("/console/t/{slug}/sessions/end", post(sessions::end))
}
