//! The keys of its own that a client signs its assertions with.

use chancery_application::Needs;
use chancery_domain::{
    ClientId, KeyId, Timestamp,
    client::{Client, ClientKey, KeyEnd},
};
use maud::{Markup, html};

use crate::{form, show, within::Within};

pub(super) fn section(within: &Within, id: ClientId, client: &Client, now: Timestamp) -> Markup {
    let may_change = within.may(Needs::TenantAdmin);
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
                            @if may_change { td { @if key.ended.is_none() { (revoke(within, id, *key_id)) } } }
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

fn revoke(within: &Within, id: ClientId, key: KeyId) -> Markup {
    html! {
        details {
            summary { "Revoke" }
            form method="post" action=(within.at(&format!("/clients/{id}/keys/revoke"))) {
                (form::hidden(&within.visitor))
                input type="hidden" name="key" value=(key);
                (form::reason(&format!("why-{key}")))
                label.tick { input type="checkbox" name="compromised" value="yes"; span { "Somebody else may have had it: the tokens that it obtained end too" } }
                button.bad type="submit" { "Revoke it now" }
            }
        }
    }
}
