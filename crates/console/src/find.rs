//! To a page by an id, which is what people have in hand: from a token, a log, an alert, a mail.

use axum::{
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use chancery_application::{Error, Needs};
use chancery_domain::{ApiId, ClientId, TenantId};
use http::StatusCode;
use maud::html;

use crate::{
    fields::{Asked, Fields},
    layout::Page,
    routes::Routes,
    stop::{Stop, sentence},
    visitor::Visitor,
};

pub(crate) fn routes() -> Routes {
    Routes::default().page("/console/find", get(find))
}

/// Leads on to what the id is of, or asks for one.
async fn find(visitor: Visitor, Asked(asked): Asked) -> Result<Response, Stop> {
    let Some(id) = asked.get("id") else {
        return Ok(page(&visitor, &asked, None));
    };
    match address(&visitor, id).await {
        Ok(Some(address)) => Ok(Redirect::to(&address).into_response()),
        Ok(None) => Ok(page(
            &visitor,
            &asked,
            Some("That is not an id that can be found here."),
        )),
        Err(Stop::Error(error @ (Error::NotFound { .. } | Error::Forbidden { .. }))) => {
            Ok(page(&visitor, &asked, Some(&sentence(&error))))
        }
        Err(stop) => Err(stop),
    }
}

async fn address(visitor: &Visitor, id: &str) -> Result<Option<String>, Stop> {
    let (application, session) = (visitor.application(), &visitor.session);
    let caller = &session.caller;
    let at = async |tenant: TenantId, page: &str| {
        let row = application.tenant(caller, tenant).await?;
        Ok::<_, Stop>(Some(format!("/console/t/{}{page}", row.state.slug)))
    };
    if let Ok(tenant) = id.parse::<TenantId>() {
        return at(tenant, "").await;
    }
    if let Ok(client) = id.parse::<ClientId>() {
        let row = application.client(caller, client).await?;
        return at(row.tenant, &format!("/clients/{client}")).await;
    }
    if let Ok(api) = id.parse::<ApiId>() {
        let row = application.api(caller, api).await?;
        return at(row.tenant, &format!("/apis/{api}")).await;
    }
    // What a tenant's records have of it; the tenant is not in the id.
    let is_trace = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let of_own = [
        (is_trace, "trace"),
        (
            id.starts_with("secret_") || id.starts_with("key_"),
            "credential",
        ),
    ];
    let found = of_own.into_iter().find(|(is, _)| *is);
    Ok(found
        .filter(|_| caller.may(Needs::AuditRead, session.tenant))
        .map(|(_, name)| format!("/console/t/{}/activity/records?{name}={id}", session.slug)))
}

fn page(visitor: &Visitor, asked: &Fields, problem: Option<&str>) -> Response {
    let mut response = Page::new("Find", visitor).show(&html! {
        h1 { "Find by id" }
        p.lead { "The id of a tenant, a client or an API leads to its page. That of a secret, a key or a trace leads to what your own tenant's records have of it; in another tenant, look for it in the records there." }
        @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } }
        form.filter method="get" role="search" {
            div { label for="id" { "Id" } input id="id" name="id" value=(asked.raw("id")) placeholder="client_…" required spellcheck="false" autocapitalize="none"; }
            button type="submit" { "Find" }
        }
    });
    if problem.is_some() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
