//! A token, taken apart. Its signature is not looked at: it came from the endpoint a moment ago.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_domain::Timestamp;
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::show;

/// The token's header and claims; none where it is no JWT.
fn parts(token: &str) -> Option<[Map<String, Value>; 2]> {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&bytes).ok()
    });
    Some([parts.next()??, parts.next()??])
}

/// The token, each of its members explained.
pub(super) fn explained(token: &str, now: Timestamp) -> Markup {
    let Some([header, claims]) = parts(token) else {
        return html! { p { "The token is not a JWT." } };
    };
    html! {
        h3 { "Header" }
        (table("Header", &header, now))
        h3 { "Claims" }
        (table("Claims", &claims, now))
        details { summary { "The token as it is" } pre tabindex="0" { code { (token) } } (show::copy(token, "Copy the token")) }
    }
}

fn table(title: &str, members: &Map<String, Value>, now: Timestamp) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label=(title) {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Value" } th scope="col" { "What it says" } } }
                tbody {
                    @for (name, value) in members {
                        tr {
                            th scope="row" { code { (name) } }
                            td { code { (text(value)) } }
                            td { (meaning(name)) @if let Some(at) = moment(name, value) { " " (show::when(at, now)) "." } }
                        }
                    }
                }
            }
        }
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn moment(name: &str, value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64()?;
    matches!(name, "iat" | "nbf" | "exp")
        .then(|| Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
}

fn meaning(name: &str) -> &'static str {
    match name {
        "alg" => "How it is signed.",
        "kid" => "Which of the tenant's keys signed it: look for it in the key set.",
        "typ" => "It is an access token (RFC 9068). Refuse any other type.",
        "iss" => "Who issued it. An API accepts the issuers that it knows, letter for letter.",
        "sub" | "client_id" => "The client that it was issued to.",
        "tenant_id" => "The tenant of the client.",
        "aud" => "The API that it is for. An API refuses a token that does not name it.",
        "iat" => "Issued",
        "nbf" => "Not good before",
        "exp" => "Ends",
        "jti" => "Its own id, of which there is no other.",
        "scope" => "What it allows, as one text.",
        "scopes" => "The same as a list.",
        "roles" => "The client's roles at the API whose scopes are all in the token.",
        "type" => "It was issued to a machine, and stands for no person.",
        "credential_id" => "Which secret or key the client proved itself with.",
        _ => "A claim that the client or the API adds.",
    }
}
