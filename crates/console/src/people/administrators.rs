//! Who may administer a tenant, or look into it: the clients that hold a scope of the admin API.

use std::collections::{BTreeMap, HashMap};

use axum::response::Response;
use chancery_application::{Needs, SignedInOf};
use chancery_domain::{ClientId, client::ClientState};
use maud::{Markup, html};

use super::{invite, sessions};
use crate::{
    clients::called,
    fields::{Asked, Fields},
    form,
    layout::Page,
    problem::Problem,
    show,
    stop::Stop,
    within::Within,
};

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let notice = sessions::done(&asked);
    show(&within, &Fields::default(), None, notice).await
}

pub(super) async fn show(
    within: &Within,
    given: &Fields,
    problem: Option<Problem>,
    notice: Option<&'static str>,
) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    // Who may audit alone sees who is signed in.
    let may_read = within.may(Needs::TenantRead);
    let (listed, more) = if may_read {
        application.administrators(caller, within.tenant).await?
    } else {
        within.require(Needs::AuditRead)?;
        (Vec::new(), None)
    };
    let ids: Vec<ClientId> = listed.iter().map(|(id, ..)| *id).collect();
    let uses = if may_read {
        application
            .last_uses_of_clients(caller, within.tenant, &ids)
            .await?
    } else {
        HashMap::new()
    };
    let signed_in = application.signed_in_of(caller, within.tenant).await?;
    let now = application.now();
    let names: BTreeMap<_, _> = listed
        .iter()
        .map(|(id, row, _)| (*id, called(*id, &row.state)))
        .collect();
    let of = |id: &ClientId| signed_in.counted.get(id).copied().unwrap_or_default();
    let sees_all = within.may(Needs::AuditRead);
    let ends = within.at("/sessions/end");
    let may_end = within.may(Needs::TenantAdmin).then_some(ends.as_str());
    Ok(Page::within("Administrators", within)
        .noting(notice)
        .refused(problem.is_some())
        .show(&html! {
            div.head {
                h1 { "Administrators" }
                @if within.may(Needs::TenantAdmin) { a.button.primary href="#invite" { "Invite somebody" } }
            }
            p.lead { "Who may read or change this tenant, here or by the admin API. Each is a client that holds a scope of " code { "urn:chancery:admin" } "." @if !is_system(within) { " Operators, who belong to the tenant " code { "system" } ", may too." } }
            @if !may_read {
                p { "To list them takes " code { (Needs::TenantRead.scope()) } ". The " a href=(within.at("/roll?type=ClientGranted")) { "roll" } " has each grant." }
            } @else if listed.is_empty() {
                div.empty { p { "Nobody of this tenant may administer it: only operators do." } }
            } @else {
                div.table.blocks tabindex="0" role="region" aria-label="Administrators" { table {
                    thead { tr {
                        th scope="col" { "Who" } th scope="col" { "State" } th scope="col" { "May" }
                        th scope="col" { "Last token" } @if sees_all { th scope="col" { "Signed in" } } th scope="col" { "Ends" }
                    } }
                    tbody { @for (id, row, scopes) in &listed {
                        tr {
                            th scope="row" {
                                a href=(within.at(&format!("/clients/{id}"))) { (called(*id, &row.state)) }
                                @if *id == within.visitor.session.client { " " (show::badge("info", "you")) }
                                br; code.quiet { (id) }
                            }
                            td data-label="State" { (show::client_state(row.state.state(now))) }
                            td data-label="May" { @if row.state.state(now) == ClientState::Active { code { (scopes.join(" ")) } } @else { span.quiet { "nothing now; " code { (scopes.join(" ")) } " once it is active" } } }
                            td data-label="Last token" { @match uses.get(id) { Some(last) => (show::when(last.at, now)), None => span.quiet { "never" } } }
                            @if sees_all { td data-label="Signed in" {
                                @match of(id) { 0 => span.quiet { "–" }, number => (show::count(number, "session")) }
                                @if of(id) > 1 && may_end.is_some() && *id != within.visitor.session.client && signed_in.sessions.iter().any(|session| session.client == *id && session.may_be_ended) {
                                    br;
                                    form.inline method="post" action=(ends) {
                                        (form::hidden(&within.visitor))
                                        input type="hidden" name="client" value=(id);
                                        button type="submit" aria-label={"Sign out every session of " (called(*id, &row.state))} { "Sign out all" }
                                    }
                                }
                            } }
                            td data-label="Ends" { @match row.state.expires_at { Some(end) => (show::when(end, now)), None => span.quiet { "–" } } }
                        }
                    } }
                } }
                @if let Some(api) = more { p { "There are more than stand here, newer ones: " a href=(within.at(&format!("/clients?api={api}"))) { "all of them" } "." } }
            }
            section id="sessions" {
                h2 { "Signed in now" }
                (signed(within, &signed_in, &names, may_end))
            }
            @if within.may(Needs::TenantAdmin) { (invite::form(within, given, problem.as_ref())) }
        }))
}

fn signed(
    within: &Within,
    signed_in: &SignedInOf,
    names: &BTreeMap<ClientId, String>,
    may_end: Option<&str>,
) -> Markup {
    let now = within.visitor.application().now();
    let sessions = &signed_in.sessions;
    let all: i64 = signed_in.counted.values().sum();
    let has_more = i64::try_from(sessions.len()).is_ok_and(|shown| shown < all);
    html! {
        @if !within.may(Needs::AuditRead) {
            p { "Your own sessions alone: those of others take " code { (Needs::AuditRead.scope()) } "." }
        }
        @if sessions.is_empty() {
            p { "Nobody of this tenant." }
        } @else {
            (sessions::table(&within.visitor, sessions, Some(names), (may_end, now)))
            @if has_more { p { "There are more than stand here: " (all) " in all. The table above says how many each has." } }
        }
        @if within.may(Needs::AuditRead) {
            p { a href=(within.at("/activity/records?kind=console")) { "Who signed in and out before" } }
        }
    }
}

pub(super) fn is_system(within: &Within) -> bool {
    within.slug == chancery_domain::value::Slug::SYSTEM
}
