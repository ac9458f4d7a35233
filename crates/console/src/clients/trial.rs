//! A token, asked for at the token endpoint as the client would, and taken apart.

use axum::{Extension, response::Response};
use chancery_domain::{ClientId, client::Client, tenant::AuthMethod, value::Slug};
use chancery_telemetry::TraceContext;
use http::HeaderMap;
use maud::{Markup, html};

use super::{called, found, token};
use crate::{
    form,
    layout::Page,
    posted::Posted,
    stop::{Stop, capitalised},
    tokens::{Origin, Peer, Purpose},
    within::Within,
};

/// What stands in the form.
pub(super) struct Given<'a> {
    /// A secret that this page shows anyway.
    pub(super) secret: Option<&'a str>,
    /// Whether the page that it is on is shown this once, so that the answer must not take its place.
    pub(super) beside: bool,
    pub(super) scope: &'a str,
}

pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    let (id, row) = found(&within).await?;
    let given = Given {
        secret: None,
        beside: false,
        scope: "",
    };
    Ok(show(&within, id, &row.state, &given, &html! {}))
}

pub(crate) async fn ask(
    Extension(trace): Extension<TraceContext>,
    headers: HeaderMap,
    Peer(peer): Peer,
    posted: Posted<Within>,
) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let slug = Slug::parse(&within.slug).map_err(|_| Stop::NothingHere)?;
    let origin = Origin::of(&peer, &headers, &trace);
    let scope = fields.get("scope").unwrap_or_default();
    let mut parameters = Vec::new();
    if !scope.is_empty() {
        parameters.push(("scope", scope));
    }
    for audience in fields.all("audience") {
        parameters.push(("audience", audience));
    }
    let client = id.to_string();
    let secret = fields.get("secret").unwrap_or_default();
    let answer = within
        .visitor
        .console
        .tokens
        .ask(
            (Purpose::Trial, &origin),
            &slug,
            (&client, secret),
            &parameters,
        )
        .await?;
    let now = within.visitor.application().now();
    let result = if let Some(text) = answer.token() {
        html! {
            section {
                p.notice role="status" { "The token endpoint answered " (answer.status.as_u16()) " with a token." }
                (token::explained(text, now))
            }
        }
    } else {
        let (error, text) = answer.error();
        html! {
            div.problem role="alert" {
                p { "The token endpoint answered " (answer.status.as_u16()) ": " code { (error) } ". " (capitalised(text)) }
            }
        }
    };
    let given = Given {
        secret: None,
        beside: false,
        scope,
    };
    Ok(show(within, id, &row.state, &given, &result))
}

/// Whether the console can ask as the client would: an assertion can only be made by the client.
pub(super) fn is_possible(client: &Client) -> bool {
    client.auth_method == AuthMethod::ClientSecret
}

fn show(
    within: &Within,
    id: ClientId,
    client: &Client,
    given: &Given<'_>,
    result: &Markup,
) -> Response {
    let name = called(id, client);
    Page::within("Try a token", within).show(&html! {
        h1 { "Try a token as " a href=(within.at(&format!("/clients/{id}"))) { (name) } }
        (result)
        section {
            @if is_possible(client) { (form(within, id, client, given)) }
            @else { p { "It sends no secret, but assertions that only it can make: there is nothing to try from here. How it asks stands in docs/tokens.md." } }
        }
    })
}

/// The form that asks for a token.
pub(super) fn form(within: &Within, id: ClientId, client: &Client, given: &Given<'_>) -> Markup {
    html! {
        form method="post" action=(within.at(&format!("/clients/{id}/try"))) target=[given.beside.then_some("_blank")] rel=[given.beside.then_some("noopener")] {
            (form::hidden(&within.visitor))
            @if client.grants.is_empty() {
                p { "It may ask for nothing yet. Grant it something on its page first." }
            }
            div.field {
                label for="try-secret" { "Client secret" }
                input id="try-secret" name="secret" type="password" value=[given.secret] required autocomplete="off";
                p.hint { "It goes to the token endpoint, as it would from the program, and is kept nowhere." }
            }
            div.field {
                label for="try-scope" { "Scopes" }
                input id="try-scope" name="scope" value=(given.scope) autocomplete="off" spellcheck="false" aria-describedby="try-scope-hint";
                p.hint id="try-scope-hint" { "With spaces between. Empty: every scope that it holds." }
            }
            @if client.grants.len() > 1 {
                @for grant in client.grants.values() {
                    label.tick { input type="checkbox" name="audience" value=(grant.identifier); span { code { (grant.identifier) } } }
                }
            }
            button.primary type="submit" { "Ask for a token" @if given.beside { ", in another tab" } }
        }
    }
}
