//! The keys of its own that a client signs its assertions with.

use chancery_domain::{
    ClientId, KeyId, Timestamp,
    client::{Client, ClientKey, KeyEnd},
};
use maud::{Markup, html};

use crate::{
    fields::NOTHING,
    form::{Form, Line},
    refused::Refused,
    show,
    within::Within,
};

/// What is ticked where somebody else may have had a secret or a key.
pub(super) const COMPROMISED: &str =
    "Somebody else may have had it: the tokens that it obtained end too";

pub(super) fn section(
    within: &Within,
    id: ClientId,
    client: &Client,
    refused: Option<&Refused>,
    now: Timestamp,
) -> Markup {
    let may_change = super::may_change(within, client);
    html! {
        section {
            h2 { "Keys" }
            div.table tabindex="0" role="region" aria-label="Keys" {
                table {
                    thead { tr {
                        th scope="col" { "Key" } th scope="col" { "State" } th scope="col" { "Algorithm" } th scope="col" { "Registered" }
                        @if may_change { th scope="col" { "If somebody else may have it" } }
                    } }
                    tbody { @for (key_id, key) in &client.keys {
                        tr {
                            th scope="row" { code { (key.jwk.kid()) } br; code.quiet { (key_id) } }
                            td { (state(key)) }
                            td { (key.jwk.algorithm().as_str()) }
                            td { (show::when(key.registered_at, now)) }
                            @if may_change { td { @if key.ended.is_none() { (revoke(within, id, *key_id, refused)) } } }
                        }
                    } }
                }
            }
        }
    }
}

fn state(key: &ClientKey) -> Markup {
    match key.ended {
        None => show::badge("good", "active"),
        Some(KeyEnd::Removed) => show::badge("off", "left out"),
        Some(KeyEnd::Revoked) => show::badge("bad", "revoked"),
        Some(KeyEnd::Compromised) => show::badge("bad", "compromised"),
    }
}

fn revoke(within: &Within, id: ClientId, key: KeyId, refused: Option<&Refused>) -> Markup {
    let form = Form::one_of(&within.visitor, format!("revoke-{key}"), &NOTHING, refused);
    html! {
        details open[form.is_refused()] {
            summary { "Revoke" }
            (form.to(&within.at(&format!("/clients/{id}/keys/revoke")), &html! {
                input type="hidden" name="key" value=(key);
                (form.line(&Line::reason()))
                (form.tick("compromised", "yes", COMPROMISED))
                button.bad type="submit" { "Revoke it now" }
            }))
        }
    }
}
