//! Who is signed in, and signing them out.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{Needs, SignedIn};
use chancery_domain::{ClientId, Timestamp};
use maud::{Markup, html};

use crate::{
    cookie,
    fields::{Asked, Fields},
    form,
    layout::Page,
    posted::Posted,
    show,
    stop::Stop,
    visitor::Visitor,
    within::Within,
};

/// Sessions as a table, with what ends each of them for whoever may: `names` says whose they are, where they
/// are of several clients.
pub(super) fn table(
    visitor: &Visitor,
    sessions: &[SignedIn],
    names: Option<&BTreeMap<ClientId, String>>,
    (ends_at, now): (Option<&str>, Timestamp),
) -> Markup {
    html! {
        div.table.records.blocks tabindex="0" role="region" aria-label="Who is signed in" { table {
            thead { tr {
                @if names.is_some() { th scope="col" { "Who" } }
                th scope="col" { "Since" } th scope="col" { "Last seen" } th scope="col" { "Ends at the latest" } th scope="col" { "From" }
                td aria-hidden="true" {}
            } }
            tbody { @for session in sessions {
                tr {
                    @if let Some(names) = names {
                        th scope="row" { @match names.get(&session.client) { Some(name) => (name), None => code { (session.client) } } }
                    }
                    td data-label="Since" { (show::moment(session.began_at)) }
                    td data-label="Last seen" { (show::when(session.seen_at, now)) }
                    td data-label="Ends at the latest" { (show::when(session.ends_at, now)) }
                    td data-label="From" {
                        (show::or_dash(session.address.as_ref()))
                        @if let Some(agent) = &session.user_agent { br; span.quiet.agent title=(agent) { (agent) } }
                        @if (&session.last_address, &session.last_user_agent) != (&session.address, &session.user_agent) {
                            br; (show::badge("warn", "also used from elsewhere"))
                            br; (show::or_dash(session.last_address.as_ref()))
                            @if let Some(agent) = &session.last_user_agent { br; span.quiet.agent title=(agent) { (agent) } }
                        }
                    }
                    td.act {
                        @if session.id == visitor.session.id { (show::badge("info", "this browser")) }
                        @else if let Some(action) = ends_at.filter(|_| session.may_be_ended) {
                            form.inline method="post" action=(action) {
                                (form::hidden(visitor))
                                input type="hidden" name="session" value=(session.id);
                                button type="submit" aria-label={"Sign out the session since " (show::second(session.began_at)) " from " (session.address.as_deref().unwrap_or("an unknown address"))} { "Sign out" }
                            }
                        }
                    }
                }
            } }
        } }
    }
}

pub(super) fn done(asked: &Fields) -> Option<&'static str> {
    match asked.get("done")? {
        "ended" => Some("That session has ended."),
        "gone" => Some("That session had ended before."),
        "others" => Some("Every other session of yours has ended."),
        "all" => Some("Every session of that client has ended."),
        _ => None,
    }
}

/// The sessions of one's own client.
pub(crate) async fn own(visitor: Visitor, Asked(asked): Asked) -> Result<Response, Stop> {
    let session = &visitor.session;
    let application = visitor.application();
    let listed = application.own_sessions(session).await?;
    let now = application.now();
    Ok(Page::new("Where you are signed in", &visitor)
        .noting(done(&asked))
        .show(&html! {
            h1 { "Where you are signed in" }
            p.lead { "As " strong { (session.name.as_deref().unwrap_or("a client without a name")) } ", " code { (session.client) } " of " (session.slug) ". A session that you do not know is a reason to rotate the secret: sign it out, then "
                @if session.caller.may(Needs::TenantAdmin, session.tenant) { a href={"/console/t/" (session.slug) "/clients/" (session.client)} { "rotate it" } "." }
                @else { "ask an administrator to rotate it." }
            }
            (table(&visitor, &listed, None, (Some("/console/sessions/end"), now)))
            div.actions {
                @if listed.len() > 1 { (form::button(&visitor, "/console/sessions/others", "primary", "Sign out everywhere else")) }
                (form::button(&visitor, "/console/sign-out/everywhere", "bad", "Sign out everywhere"))
            }
        }))
}

/// Whoever opens the address of the form once more.
pub(crate) async fn to_own(_: Visitor) -> Redirect {
    Redirect::to("/console/sessions")
}

pub(crate) async fn end_own(posted: Posted<Visitor>) -> Result<Response, Stop> {
    let visitor = &posted.from;
    let tenant = visitor.session.tenant;
    let ended = ended(visitor, tenant, &posted.fields).await?;
    Ok(went(visitor, &posted.fields, ended, "/console/sessions"))
}

/// All of one's own but the one that asks for it.
pub(crate) async fn end_others(posted: Posted<Visitor>) -> Result<Response, Stop> {
    let visitor = &posted.from;
    let session = &visitor.session;
    let listed = visitor.application().own_sessions(session).await?;
    let others = listed.iter().filter(|other| other.id != session.id);
    end_each(visitor, session.tenant, others).await?;
    Ok(Redirect::to("/console/sessions?done=others").into_response())
}

async fn end_each(
    visitor: &Visitor,
    tenant: chancery_domain::TenantId,
    sessions: impl Iterator<Item = &SignedIn>,
) -> Result<(), Stop> {
    let (application, caller) = (visitor.application(), &visitor.session.caller);
    let arrival = visitor.arrival();
    for session in sessions {
        application
            .end_session_of(caller, tenant, &session.id, &arrival)
            .await?;
    }
    Ok(())
}

pub(crate) async fn end(posted: Posted<Within>) -> Result<Response, Stop> {
    let within = &posted.from;
    within.require(Needs::TenantAdmin)?;
    let client = posted.fields.get("client").map(str::parse::<ClientId>);
    if let Some(Ok(client)) = client {
        let (application, caller) = (within.visitor.application(), &within.visitor.session.caller);
        let listed = application
            .sessions_of(caller, within.tenant, client)
            .await?;
        let own = &within.visitor.session.id;
        let ended = listed.iter().filter(|session| session.id != *own);
        end_each(&within.visitor, within.tenant, ended).await?;
        return Ok(Redirect::to(&within.at("/administrators?done=all")).into_response());
    }
    let ended = ended(&within.visitor, within.tenant, &posted.fields).await?;
    let back = within.at("/administrators");
    Ok(went(&within.visitor, &posted.fields, ended, &back))
}

async fn ended(
    visitor: &Visitor,
    tenant: chancery_domain::TenantId,
    fields: &Fields,
) -> Result<bool, Stop> {
    let id = fields.get("session").unwrap_or_default();
    let caller = &visitor.session.caller;
    let arrival = visitor.arrival();
    let application = visitor.application();
    Ok(application
        .end_session_of(caller, tenant, id, &arrival)
        .await?)
}

fn went(visitor: &Visitor, fields: &Fields, ended: bool, back: &str) -> Response {
    if ended && fields.has("session", &visitor.session.id) {
        let mut response = Redirect::to("/console/sign-in?out=1").into_response();
        let headers = response.headers_mut();
        cookie::set(headers, visitor.headers(), visitor.application(), "");
        return response;
    }
    let done = if ended { "ended" } else { "gone" };
    Redirect::to(&format!("{back}?done={done}")).into_response()
}
