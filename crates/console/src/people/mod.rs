//! People: who may administer a tenant, who is signed in, and inviting somebody.

mod administrators;
mod invite;
mod sessions;

use axum::routing::{get, post};

use crate::{answered::once, routes::Routes};

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/sessions", get(sessions::own))
        .beside(
            "/console/sessions/end",
            get(sessions::to_own).post(sessions::end_own),
        )
        .beside(
            "/console/sessions/others",
            get(sessions::to_own).post(sessions::end_others),
        )
        .page(
            "/console/t/{slug}/administrators",
            get(administrators::page).post(|posted| once(posted, invite::invite)),
        )
        .form(
            "/console/t/{slug}/sessions/end",
            "/console/t/{slug}/administrators",
            post(sessions::end),
        )
}
