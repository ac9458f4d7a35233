//! Clients that obtained nothing over a span of time, page by page.

use axum::response::Response;
use chancery_application::Needs;
use chancery_domain::ClientId;
use maud::{Markup, html};

use super::summary::span;
use crate::{fields::Asked, layout::Page, show, stop::Stop, within::Within};

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let (name, title, span) = span(&asked)?;
    let after = asked.sought("after", str::parse)?;
    let is_first = after.is_none();
    let caller = &within.visitor.session.caller;
    let unused = within
        .visitor
        .application()
        .unused_clients(caller, within.tenant, span, after)
        .await?;
    Ok(Page::within("Clients that were not used", &within).show(&html! {
        h1 { "Clients that were not used" }
        p.lead { (title) ": clients that were there before it and obtained no token in it, oldest first. " a href=(within.at(&format!("/activity?over={name}"))) { "Activity" } }
        @if !unused.clients.is_empty() {
            (list(&within, &unused.clients))
        } @else if unused.end.is_some() {
            div.empty { p { "Each of the clients that were looked at for this page was used. Go on." } }
        } @else if is_first {
            div.empty { p { "Every client that was there used its credential." } }
        } @else {
            div.empty { p { "Nothing more." } }
        }
        @if let Some(end) = &unused.end { (show::next_page(&asked, &end.to_string())) }
    }))
}

pub(super) fn list(within: &Within, clients: &[(ClientId, Option<String>)]) -> Markup {
    let page = |id: &ClientId| {
        within.at(&if within.may(Needs::TenantRead) {
            format!("/clients/{id}")
        } else {
            format!("/activity/records?client={id}")
        })
    };
    html! {
        ul { @for (id, name) in clients {
            li { a href=(page(id)) { (name.as_deref().map_or_else(|| id.to_string(), ToOwned::to_owned)) } }
        } }
    }
}
