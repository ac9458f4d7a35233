//! To a page by an id, which is what people have in hand: from a token, a log, an alert, a mail.

use axum::{
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use chancery_application::{Error, Needs};
use chancery_domain::{ApiId, ClientId, CredentialId, StreamId, TenantId};
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
    // A mail breaks what is long.
    let id: String = id.split_whitespace().collect();
    let at = async |tenant: TenantId, page: &str| {
        let row = application.tenant(caller, tenant).await?;
        Ok(format!("/console/t/{}{page}", row.state.slug))
    };
    let found = if let Ok(tenant) = id.parse::<TenantId>() {
        let page = at(tenant, "").await;
        (page, StreamId::Tenant(tenant), "/roll".to_owned())
    } else if let Ok(client) = id.parse::<ClientId>() {
        let page = match application.client(caller, client).await {
            Ok(row) => at(row.tenant, &format!("/clients/{client}")).await,
            Err(error) => Err(error),
        };
        let roll = format!("/roll?client={client}");
        (page, StreamId::Client(client), roll)
    } else if let Ok(api) = id.parse::<ApiId>() {
        let page = match application.api(caller, api).await {
            Ok(row) => at(row.tenant, &format!("/apis/{api}")).await,
            Err(error) => Err(error),
        };
        (page, StreamId::Api(api), "/roll".to_owned())
    } else {
        return Ok(recorded(visitor, &id));
    };
    let (page, of, roll) = found;
    match page {
        Ok(page) => Ok(Some(page)),
        // Who may audit alone has the roll.
        Err(error @ Error::Forbidden { .. }) => match application.audited(caller, of).await {
            Ok(slug) => Ok(Some(format!("/console/t/{slug}{roll}"))),
            Err(Error::Forbidden { .. } | Error::NotFound { .. }) => Err(error.into()),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// What the records of one's own tenant have of it: its tenant is not in the id.
fn recorded(visitor: &Visitor, id: &str) -> Option<String> {
    let is_trace = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = if is_trace {
        "trace"
    } else if id.parse::<CredentialId>().is_ok() {
        "credential"
    } else {
        return None;
    };
    let session = &visitor.session;
    let slug = &session.slug;
    let may = session.caller.may(Needs::AuditRead, session.tenant);
    may.then(|| format!("/console/t/{slug}/activity/records?{name}={id}"))
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
