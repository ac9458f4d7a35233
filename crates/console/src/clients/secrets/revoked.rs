//! What revoking a secret or a key came to, where there is something to say about it.

use axum::response::Response;
use chancery_application::{Activity, CredentialRevoked};
use chancery_domain::{ClientId, client::Client, secret_rotation::SecretRotation};
use maud::{Markup, html};

use crate::{
    clients::{called, said},
    layout::Page,
    show,
    within::Within,
};

/// How many tokens are named.
const NAMED: usize = 50;

/// `what` is a secret or a key.
pub(in crate::clients) fn page(
    within: &Within,
    what: &str,
    (id, client, secrets): (ClientId, &Client, &SecretRotation),
    told: &CredentialRevoked,
) -> Response {
    Page::within(format!("The {what} is revoked"), within).show(&html! {
        h1 { "The " (what) " is revoked" }
        p.lead { "It was one of " (called(id, client)) "." }
        @if !told.warnings.is_empty() {
            section.danger {
                h2 { "Somebody may miss it" }
                @for warning in &told.warnings { p { (said::here(warning, secrets)) } }
            }
        }
        @if !told.tokens.is_empty() { (tokens(within, &told.tokens)) }
        p { a.button href=(within.at(&format!("/clients/{id}"))) { "To the client" } }
    })
}

fn tokens(within: &Within, tokens: &[Activity]) -> Markup {
    let now = within.visitor.application().now();
    html! {
        section {
            h2 { (show::count(i64::try_from(tokens.len()).unwrap_or(i64::MAX), "token")) " ended with it" }
            p { "They count as inactive from now on, wherever an API asks. An API that only looks at the signature takes them until they end by themselves." }
            div.table tabindex="0" role="region" aria-label="Tokens that ended" {
                table {
                    thead { tr { th scope="col" { "Issued" } th scope="col" { "For" } th scope="col" { "From" } th scope="col" { "Would have ended" } } }
                    tbody { @for token in tokens.iter().take(NAMED) {
                        tr {
                            td { (show::when(token.at, now)) }
                            td { code { (token.scopes.join(" ")) } br; code.quiet { (token.audience.join(" ")) } }
                            td { (show::or_dash(token.address.as_ref())) }
                            td { @if let Some(end) = token.expires_at { (show::when(end, now)) } }
                        }
                    } }
                }
            }
            @if tokens.len() > NAMED { p.quiet { "The first " (NAMED) " are shown." } }
        }
    }
}
