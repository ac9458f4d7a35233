//! Secrets in words: their states, their use, what the use says.

use std::collections::HashMap;

use chancery_application::{CredentialAdvice, LastUse, Needs};
use chancery_domain::{
    ClientId, SecretId, Timestamp,
    secret_rotation::{Secret, SecretState},
};
use maud::{Markup, html};

use super::life;
use crate::{
    clients::{keys::COMPROMISED, one::from},
    fields::{Fields, NOTHING},
    form::{Form, Line},
    refused::Refused,
    show,
    stop::capitalised,
    within::Within,
};

/// What is known of secrets beside themselves.
pub(super) struct Known<'a> {
    /// One of the page's forms that could not be done.
    pub(super) refused: Option<&'a Refused>,
    pub(super) uses: HashMap<String, LastUse>,
    /// Of those that are accepted.
    pub(super) advice: HashMap<String, CredentialAdvice>,
    pub(super) now: Timestamp,
}

pub(super) fn shown(
    within: &Within,
    id: ClientId,
    (newest, shown): (&[(SecretId, &Secret)], usize),
    known: &Known<'_>,
    may_change: bool,
) -> Markup {
    html! {
        div.table.blocks tabindex="0" role="region" aria-label="Secrets" {
            table {
                thead { tr {
                    th scope="col" { "Secret" } th scope="col" { "State" } th scope="col" { "Issued" }
                    th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { "Advice" }
                    @if may_change { th scope="col" { "If need be" } }
                } }
                tbody { @for (secret_id, secret) in newest.iter().take(shown) {
                    @let state = secret.state(known.now);
                    tr id=(secret_id) {
                        th scope="row" {
                            code title=(secret_id) { "…" (secret.hint) } (show::copy(&secret_id.to_string(), "Copy the secret's id"))
                            @if let Some(label) = &secret.label { br; span.quiet { (label) } }
                        }
                        td data-label="State" { (show::secret_state(state)) }
                        td data-label="Issued" { (show::exact(secret.issued_at, known.now)) }
                        td data-label="Last used" { @match known.uses.get(&secret_id.to_string()) {
                            Some(last) => { (show::exact(last.at, known.now)) (from(last)) }
                            None => span.quiet { "never" },
                        } }
                        td data-label="Ends" { (ends(within, id, secret, state, known.now)) }
                        td data-label="Advice" { (advice(known.advice.get(&secret_id.to_string()), secret, known.now)) }
                        @if may_change { td.act { (actions(within, id, (*secret_id, secret), state, known.refused)) } }
                    }
                } }
            }
        }
        @if newest.len() > shown { p.quiet { "The newest " (shown) " of " (newest.len()) " are shown. What happened to the others stands in the roll." } }
    }
}

fn ends(
    within: &Within,
    id: ClientId,
    secret: &Secret,
    state: SecretState,
    now: Timestamp,
) -> Markup {
    let revoked = format!("/roll?client={id}&type=SecretRevoked");
    // When, by whom and why stands in the roll.
    html! {
        @match (state, life::end(secret)) {
            (SecretState::Revoked, _) if within.may(Needs::AuditRead) => a href=(within.at(&revoked)) { "was revoked" },
            (SecretState::Revoked, _) => span.quiet { "was revoked" },
            (_, Some(end)) => (show::exact(end, now)),
            (_, None) => span.quiet { "has no end" },
        }
    }
}

fn advice(advice: Option<&CredentialAdvice>, secret: &Secret, now: Timestamp) -> Markup {
    html! {
        @match (advice, secret.not_before) {
            (Some(advice), _) => {
                @if advice.is_safe() { (show::badge("good", "can go")) " " }
                span.advice { (capitalised(&advice.sentence)) }
            }
            (None, Some(begin)) if begin > now => { "Accepted " (show::when(begin, now)) "." }
            (None, _) => span.quiet { "–" },
        }
    }
}

fn actions(
    within: &Within,
    id: ClientId,
    (secret_id, secret): (SecretId, &Secret),
    state: SecretState,
    refused: Option<&Refused>,
) -> Markup {
    let at = |rest: &str| within.at(&format!("/clients/{id}/secrets/{rest}"));
    let until = secret.retires_at.map(show::in_field).unwrap_or_default();
    let until = Fields::default().with("until", until);
    let form = |name: &str, opened| {
        let name = format!("{name}-{secret_id}");
        Form::one_of(&within.visitor, name, opened, refused)
    };
    let (defer, revoke) = (form("defer", &until), form("revoke", &NOTHING));
    html! {
        @if state == SecretState::Retiring {
            details open[defer.is_refused()] {
                summary { "More time" }
                (defer.to(&at("defer"), &html! {
                    input type="hidden" name="secret" value=(secret_id);
                    (defer.line(&Line::moment("until", "It works until (UTC)", "").required()))
                    button type="submit" { "Give it more time" }
                }))
            }
        }
        // One that has ended can still turn out to have been in wrong hands.
        @if state != SecretState::Revoked {
            details open[revoke.is_refused()] {
                summary { "Revoke" }
                (revoke.to(&at("revoke"), &html! {
                    input type="hidden" name="secret" value=(secret_id);
                    (revoke.line(&Line::reason()))
                    (revoke.tick("compromised", "yes", COMPROMISED))
                    button.bad type="submit" { "Revoke it now" }
                }))
            }
        }
    }
}
