//! To a page by an id, which is what people have in hand: from a token, a log, an alert, a mail.

use axum::{
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use chancery_application::{Error, Needs};
use chancery_domain::{
    ApiId, ClientId, CredentialId, EventId, KeyId, SecretId, StreamId, TenantId,
};
use http::StatusCode;
use maud::html;

use crate::{
    fields::{Asked, Fields, holds_secret},
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
    if holds_secret(id) {
        let told = "That is a secret, and no id: it stands in this browser's history now, and in the log of whatever is between it and the server. Rotate it, on its client's page.";
        return Ok(page(&visitor, &asked, Some(told)));
    }
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

/// Where an id leads that was typed where a name is looked for; nothing, where it is none or leads nowhere.
pub(crate) async fn by_id(visitor: &Visitor, text: Option<&str>) -> Result<Option<Response>, Stop> {
    let Some(text) = text.filter(|text| is_of_a_page(text)) else {
        return Ok(None);
    };
    match address(visitor, text).await {
        Ok(address) => Ok(address.map(|address| Redirect::to(&address).into_response())),
        Err(Stop::Error(Error::NotFound { .. } | Error::Forbidden { .. })) => Ok(None),
        Err(stop) => Err(stop),
    }
}

fn is_of_a_page(text: &str) -> bool {
    text.parse::<TenantId>().is_ok()
        || text.parse::<ClientId>().is_ok()
        || text.parse::<ApiId>().is_ok()
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
        return elsewhere(visitor, &id).await;
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

/// To an entry, to whose a secret is, to one's own signing keys; and where that is nowhere, to what the records of one's
/// own tenant have of it, which is not in the id.
async fn elsewhere(visitor: &Visitor, id: &str) -> Result<Option<String>, Stop> {
    let (application, session) = (visitor.application(), &visitor.session);
    let (caller, slug) = (&session.caller, &session.slug);
    if let Ok(entry) = id.parse::<EventId>() {
        let (slug, number) = application.place_of(caller, entry).await?;
        return Ok(Some(format!("/console/t/{slug}/roll/{number}")));
    }
    if let Ok(secret) = id.parse::<SecretId>()
        && let Ok((slug, client)) = application.owner_of(caller, secret).await
    {
        return Ok(Some(format!("/console/t/{slug}/clients/{client}#{secret}")));
    }
    if let Ok(key) = id.parse::<KeyId>()
        && let Ok(ring) = application.key_ring(caller, session.tenant).await
        && ring.keys.contains_key(&key)
    {
        return Ok(Some(format!("/console/t/{slug}/keys")));
    }
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<_> = id.split('-').collect();
    let found = match parts.as_slice() {
        [trace] | [_, trace, _, _] if trace.len() == 32 && is_hex(trace) => Some(("trace", *trace)),
        _ if is_uuid(&parts) => Some(("jti", id)),
        _ => id.parse::<CredentialId>().ok().map(|_| ("credential", id)),
    };
    let may = caller.may(Needs::AuditRead, session.tenant);
    Ok(found
        .filter(|_| may)
        .map(|(name, value)| format!("/console/t/{slug}/activity/records?{name}={value}")))
}

fn is_uuid(parts: &[&str]) -> bool {
    let lengths = parts.iter().map(|part| part.len());
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths.eq([8, 4, 4, 4, 12]) && parts.iter().all(is_hex)
}

fn page(visitor: &Visitor, asked: &Fields, problem: Option<&str>) -> Response {
    let mut response = Page::new("Find", visitor).show(&html! {
        h1 { "Find by id" }
        p.lead { "The id of a tenant, a client, an API, a secret or an entry leads to its page. That of a token, a trace, or a secret that is gone leads to what your own tenant's records have of it; in another tenant, look for it in the records there." }
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
