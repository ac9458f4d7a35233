//! A secret, shown this once.

use axum::response::Response;
use chancery_application::IssuedSecret;
use chancery_domain::{ClientId, client::Client, secret_rotation::SecretRotation};
use maud::{Markup, html};

use super::{called, said, snippets, trial};
use crate::{layout::Page, show, within::Within};

/// A client that was just created.
pub(super) fn client(
    within: &Within,
    id: ClientId,
    client: &Client,
    secret: Option<IssuedSecret>,
) -> Response {
    let is_shown = secret
        .as_ref()
        .is_some_and(|secret| secret.plaintext.is_some());
    let shown = secret.map(|secret| shown(within, id, client, secret));
    let page = Page::within("Client created", within);
    page.showing_once(is_shown).show(&html! {
        h1 { (called(id, client)) " is created" }
        @match shown {
            Some(shown) => (shown),
            None => section {
                p { "It signs its assertions with a key of its own, so there is no secret to show." }
                dl.facts { dt { "Client id" } dd { (show::id(&id)) } }
                (snippets::all(within, id, client))
            },
        }
        p { a.button href=(within.at(&format!("/clients/{id}"))) { "To the client" } }
    })
}

/// A secret that was just issued to a client that was there.
pub(super) fn issued(
    within: &Within,
    id: ClientId,
    client: &Client,
    (secret, warnings): (IssuedSecret, &[String]),
    (says, secrets): (&str, &SecretRotation),
) -> Response {
    let is_shown = secret.plaintext.is_some();
    let shown = shown(within, id, client, secret);
    let page = Page::within("New secret", within);
    page.showing_once(is_shown).show(&html! {
        h1 { "A new secret for " (called(id, client)) }
        p.lead { (says) }
        @if !warnings.is_empty() {
            section.danger {
                h2 { "Look at this" }
                @for warning in warnings { p { (said::here(warning, secrets)) } }
            }
        }
        (shown)
        p { a.button href=(within.at(&format!("/clients/{id}"))) { "To the client" } }
    })
}

fn shown(within: &Within, id: ClientId, client: &Client, secret: IssuedSecret) -> Markup {
    let hint = secret.hint.clone();
    let Some(plaintext) = secret.plaintext else {
        return html! {
            section.once {
                h2 { "This was done before" }
                p { "The form was sent again. The secret that ends in " code { (hint) } " was shown the first time, and nobody can show it again. If you do not have it, " a href=(within.at(&format!("/clients/{id}"))) { "rotate the secret once more" } "." }
                dl.facts { dt { "Client id" } dd { (show::id(&id)) } }
            }
        };
    };
    let secret = plaintext.reveal();
    html! {
        section.once {
            h2 { "Keep this now" }
            p { "The secret is shown this once. Nobody can show it again: Chancery keeps only what it takes to check it." }
            dl.facts {
                dt { "Client id" } dd { (show::id(&id)) }
                dt { "Client secret" }
                dd {
                    pre tabindex="0" { code data-secret { (secret) } }
                    (show::copy(&secret, "Copy the secret"))
                }
            }
        }
        section { h2 { "How the program gets a token" } (snippets::all(within, id, client)) }
        @if trial::is_possible(client) { section {
            h2 { "Try it out" }
            (trial::form(within, id, client, &trial::Given { secret: Some(&secret), beside: true, scope: "" }))
        } }
    }
}
