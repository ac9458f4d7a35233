//! The page of a client.

use axum::response::Response;
use chancery_application::{LastUse, Needs};
use chancery_domain::{
    ClientId, Row, Timestamp,
    client::{Client, ClientState},
    tenant::AuthMethod,
    value::Description,
};
use maud::{Markup, html};

use super::{called, found, grants, keys, may_change, secrets, trial};
use crate::{
    fields::{Asked, NOTHING},
    form::{Form, Line},
    layout::Page,
    posted::VERSION,
    refused::Refused,
    show,
    stop::Stop,
    within::Within,
};

fn done(word: Option<&str>) -> Option<&'static str> {
    Some(match word? {
        "saved" => "The client is changed.",
        "grants" => {
            "What it may ask for is changed. Tokens that are out keep what they have until they end."
        }
        "disabled" => "The client is disabled: it gets no token, and its tokens count as inactive.",
        "enabled" => "The client is enabled: it gets tokens again.",
        "deleted" => "The client is deleted for good.",
        "revoked" => "The secret is revoked.",
        "key" => "The key is revoked.",
        "deferred" => "The secret keeps working for longer.",
        "scheduled" => "When its secret is to be rotated is changed.",
        _ => return None,
    })
}

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    show(&within, None, done(asked.get("done"))).await
}

/// The page of a client; with what is wrong with one of its forms.
pub(super) async fn show(
    within: &Within,
    refused: Option<&Refused>,
    notice: Option<&'static str>,
) -> Result<Response, Stop> {
    let (id, row) = found(within).await?;
    let client = &row.state;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let now = application.now();
    let last_use = application
        .last_uses_of_clients(caller, within.tenant, &[id])
        .await?
        .remove(&id);
    let secrets = secrets::section(within, id, client, refused).await?;
    let state = client.state(now);
    let may_change = state != ClientState::Deleted && may_change(within, client);
    let grants = if may_change {
        let apis = grants::apis(within, Some(client)).await?;
        let granted = grants::given(client, &apis).with(VERSION, row.version.to_string());
        let opened = within.at(&format!("/clients/{id}#grants"));
        let form = Form::one_of(&within.visitor, "grants", &granted, refused).opened(&opened);
        grants::section(within, id, &form, (&apis, client))
    } else {
        grants::read(within, client).await?
    };
    let at = |rest: &str| within.at(&format!("/clients/{id}{rest}"));
    Ok(Page::within(called(id, client), within)
        .noting(notice)
        .refusing(refused)
        .show(&html! {
            div.head {
                h1 { (called(id, client)) }
                (show::client_state(state))
                @if may_change {
                    @if trial::is_possible(client) { a.button href=(at("/try")) { "Try a token" } }
                    a.button href=(at("/edit")) { "Change" }
                }
            }
            (show::only_read(within))
            @if within.may(Needs::TenantAdmin) && !within.visitor.session.caller.may_change(client) {
                p.aside { "This client holds a scope of the admin API that you do not hold: it is changed by somebody who does." }
            }
            @if within.visitor.session.client == id {
                p.aside { "You are signed in as this client. Whatever ends it, its secret or its scopes of the admin API ends your session too." }
            }
            (facts(within, id, &row, last_use.as_ref(), now))
            (secrets)
            @if !client.keys.is_empty() { (keys::section(within, id, client, refused, now)) }
            (grants)
            @if may_change { (ending(within, id, client, state, refused)) }
        }))
}

fn facts(
    within: &Within,
    id: ClientId,
    row: &Row<Client>,
    last_use: Option<&LastUse>,
    now: Timestamp,
) -> Markup {
    let client = &row.state;
    html! {
        section {
            dl.facts {
                dt { "Client id" } dd { (show::id(&id)) }
                dt { "What it is for" } dd { (show::or_dash(client.description.as_ref().map(Description::as_str))) }
                dt { "Authenticates with" } dd { (method(client.auth_method)) }
                dt { "Last token" } dd { @match last_use { Some(last) => { (show::moment(last.at)) ", " (show::distance(last.at, now)) (from(last)) } None => "never" } }
                dt { "Ends" } dd { @match client.expires_at { Some(end) => { (show::moment(end)) ", " (show::distance(end, now)) } None => "never" } }
                dt { "Created" } dd { (show::moment(row.created_at)) }
                @if !client.metadata.is_empty() {
                    dt { "Metadata" } dd { pre tabindex="0" { code { (show::pretty(client.metadata.members())) } } }
                }
                @if !client.custom_claims.is_empty() {
                    dt { "Claims that it adds" } dd { pre tabindex="0" { code { (show::pretty(client.custom_claims.members())) } } }
                }
                @if !client.serves.is_empty() {
                    dt { "Serves" } dd { @for api in &client.serves { div { code { (api) } } } }
                }
            }
            @if within.may(Needs::AuditRead) {
                p { a href=(within.at(&format!("/roll?client={id}"))) { "What happened to it" } " · " a href=(within.at(&format!("/activity/records?client={id}"))) { "What it did" } }
            }
        }
    }
}

fn method(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::ClientSecret => "a secret that it sends",
        AuthMethod::ClientSecretJwt => "assertions that its secret keys",
        AuthMethod::PrivateKeyJwt => "assertions that a key of its own signs",
    }
}

/// From where, where that is known.
pub(super) fn from(last: &LastUse) -> String {
    let address = last.address.as_ref();
    address.map_or_else(String::new, |address| format!(" from {address}"))
}

fn ending(
    within: &Within,
    id: ClientId,
    client: &Client,
    state: ClientState,
    refused: Option<&Refused>,
) -> Markup {
    let action = within.at(&format!("/clients/{id}/state"));
    let form = |what: &str, content: &dyn Fn(&Form<'_>) -> Markup| {
        let form = Form::one_of(&within.visitor, what, &NOTHING, refused);
        form.to(
            &action,
            &html! { input type="hidden" name="do" value=(what); (content(&form)) },
        )
    };
    html! {
        section.danger {
            h2 { "Stop it" }
            @if state == ClientState::Disabled {
                (form("enable", &|_| html! {
                    p { "It gets no token now." }
                    button.primary type="submit" { "Enable the client" }
                }))
            } @else {
                (form("disable", &|form| html! {
                    p { "It gets no token until it is enabled, and its tokens count as inactive." }
                    (form.line(&Line::reason()))
                    button type="submit" { "Disable the client" }
                }))
            }
        }
        section.danger {
            h2 { "Delete" }
            (form("delete", &|form| html! {
                p { "This cannot be undone. It gets no token any more, and its id is never used again." }
                (form.line(&Line::reason()))
                (form.confirmation(&called(id, client)))
                button.bad type="submit" { "Delete the client for good" }
            }))
        }
    }
}
