use std::collections::HashMap;

use axum::response::Response;
use chancery_application::LastUse;
use chancery_domain::{
    ClientId, Timestamp,
    client::{Client, ClientState},
    secret_rotation::{Secret, SecretRotation, SecretState},
    tenant::AuthMethod,
};
use maud::{Markup, html};

use super::{called, found, grants, life};
use crate::{
    fields::{Asked, Fields},
    form::{self, Form, Line},
    layout::Page,
    problem::Problem,
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
        _ => return None,
    })
}

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    show(&within, None, done(asked.get("done"))).await
}

/// The page of a client; with what is wrong with one of its forms.
pub(super) async fn show(
    within: &Within,
    problem: Option<(&'static str, Fields, Problem)>,
    notice: Option<&'static str>,
) -> Result<Response, Stop> {
    let (id, row) = found(within).await?;
    let client = &row.state;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let now = application.now();
    let secrets = application
        .client_secrets_of(caller, within.tenant, &[id])
        .await?
        .remove(&id)
        .unwrap_or_default();
    let ids: Vec<String> = secrets.secrets.keys().map(ToString::to_string).collect();
    let uses = application.last_uses(caller, within.tenant, &ids).await?;
    let last_use = application
        .last_uses_of_clients(caller, within.tenant, &[id])
        .await?
        .remove(&id);
    let apis = grants::apis(within).await?;
    let state = client.state(now);
    let is_there = state != ClientState::Deleted;
    let at = |rest: &str| within.at(&format!("/clients/{id}{rest}"));
    let wrong = |form: &str| {
        problem
            .as_ref()
            .filter(|(of, ..)| *of == form)
            .map(|(_, fields, problem)| (fields, problem))
    };
    let details = details_of(client);
    let (details, details_problem) =
        wrong("details").map_or((&details, None), |(f, p)| (f, Some(p)));
    let granted = grants::given(client);
    let (granted, grants_problem) = wrong("grants").map_or((&granted, None), |(f, p)| (f, Some(p)));
    let edit = Form::new(&within.visitor, details, details_problem);
    let matrix = Form::new(&within.visitor, granted, grants_problem);
    Ok(Page::within(called(id, client), within)
        .noting(notice)
        .refused(problem.is_some())
        .show(&html! {
            div.head {
                h1 { (called(id, client)) }
                (show::client_state(state))
                @if is_there { a.button href=(at("/try")) { "Try a token" } }
            }
            section {
                dl.facts {
                    dt { "Client id" } dd { (show::id(&id)) }
                    dt { "What it is for" } dd { (show::or_dash(client.description.as_ref().map(chancery_domain::value::Description::as_str))) }
                    dt { "Authenticates with" } dd { (method(client.auth_method)) }
                    dt { "Last token" } dd { @match &last_use { Some(last) => { (show::when(last.at, now)) (from(last)) } None => "never" } }
                    dt { "Ends" } dd { @match client.expires_at { Some(end) => (show::when(end, now)), None => "never" } }
                    dt { "Created" } dd { (show::moment(row.created_at)) }
                    @if !client.metadata.is_empty() {
                        dt { "Metadata" } dd { pre { code { (pretty(client)) } } }
                    }
                }
                p { a href=(within.at(&format!("/roll?client={id}"))) { "What happened to it" } " · " a href=(within.at(&format!("/activity/records?client={id}"))) { "What it did" } }
            }
            @if client.auth_method.has_secrets() {
                (secrets_of(within, id, &secrets, &uses, now, is_there))
            }
            @if !client.keys.is_empty() { (keys(client, now)) }
            @if is_there {
                section {
                    h2 { "What it may ask for" }
                    (matrix.to(&at("/grants"), &html! {
                        (grants::fields(&matrix, &apis))
                        @if apis.is_empty() { p { "This tenant has no API yet." } } @else { button.primary type="submit" { "Save what it may ask for" } }
                    }))
                }
                section {
                    h2 { "Details" }
                    (edit.to(&at(""), &html! {
                        (edit.line(&Line::text("name", "Name", "")))
                        (edit.line(&Line::text("description", "What it is for", "")))
                        (edit.line(&Line::text("expiresAt", "Ends at", "A moment like 2027-01-31T00:00:00Z. Empty: it has no end.")))
                        button.primary type="submit" { "Save" }
                    }))
                }
                (ending(within, id, client, state))
            }
        }))
}

fn details_of(client: &Client) -> Fields {
    let text = |text: Option<String>| text.unwrap_or_default();
    Fields::default()
        .with("name", text(client.name.as_ref().map(ToString::to_string)))
        .with(
            "description",
            text(client.description.as_ref().map(ToString::to_string)),
        )
        .with(
            "expiresAt",
            text(client.expires_at.map(|end| end.to_string())),
        )
}

fn method(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::ClientSecret => "a secret that it sends",
        AuthMethod::ClientSecretJwt => "assertions that its secret keys",
        AuthMethod::PrivateKeyJwt => "assertions that a key of its own signs",
    }
}

fn pretty(client: &Client) -> String {
    serde_json::to_string_pretty(client.metadata.members()).unwrap_or_default()
}

fn from(last: &LastUse) -> String {
    let address = last.address.as_ref();
    address.map_or_else(String::new, |address| format!(" from {address}"))
}

fn secrets_of(
    within: &Within,
    id: ClientId,
    secrets: &SecretRotation,
    uses: &HashMap<String, LastUse>,
    now: Timestamp,
    is_there: bool,
) -> Markup {
    let at = |rest: &str| within.at(&format!("/clients/{id}{rest}"));
    html! {
        section id="secrets" {
            h2 { "Secrets" }
            (life::drawn(secrets, now))
            div.table tabindex="0" role="region" aria-label="Secrets" {
                table {
                    thead { tr {
                        th scope="col" { "Secret" } th scope="col" { "State" } th scope="col" { "Issued" }
                        th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { "If somebody else may have it" }
                    } }
                    tbody { @for (secret_id, secret) in life::newest_first(secrets) {
                        @let state = secret.state(now);
                        tr {
                            th scope="row" { code { "…" (secret.hint) } @if let Some(label) = &secret.label { br; span.quiet { (label) } } }
                            td { (show::secret_state(state)) }
                            td { (show::when(secret.issued_at, now)) }
                            td { @match uses.get(&secret_id.to_string()) { Some(last) => { (show::when(last.at, now)) (from(last)) } None => span.quiet { "never" } } }
                            td { (ends(secret, state, now)) }
                            td {
                                @if state != SecretState::Revoked && is_there {
                                    details {
                                        summary { "Revoke" }
                                        form method="post" action=(at("/secrets/revoke")) {
                                            (form::hidden(&within.visitor))
                                            input type="hidden" name="secret" value=(secret_id);
                                            div.field { label for={"why-" (secret_id)} { "Reason" } input id={"why-" (secret_id)} name="reason" required maxlength="500"; }
                                            label.tick { input type="checkbox" name="compromised" value="yes"; span { "Somebody else may have had it: the tokens that it obtained end too" } }
                                            button.bad type="submit" { "Revoke it now" }
                                        }
                                    }
                                }
                            }
                        }
                    } }
                }
            }
            @if is_there {
                @if let Some(schedule) = &secrets.schedule {
                    p { "To be rotated every " (show::span(schedule.every_seconds.into())) ", next " (show::when(schedule.next_due_at, now)) "." }
                }
                form method="post" action=(at("/secrets/rotate")) {
                    (form::hidden(&within.visitor))
                    details {
                        summary { "Rotate: issue a new secret and let the old ones retire" }
                        div.field {
                            label for="overlap" { "The old ones keep working for (seconds)" }
                            input id="overlap" name="overlapSeconds" type="number" min="0" max="2592000" aria-describedby="overlap-hint";
                            p.hint id="overlap-hint" { "Empty: as the tenant's policy has it. 0: they end at once." }
                        }
                        div.field {
                            label for="label" { "Label of the new one" }
                            input id="label" name="label" maxlength="100";
                        }
                        button.primary type="submit" { "Rotate now" }
                    }
                }
            }
        }
    }
}

fn ends(secret: &Secret, state: SecretState, now: Timestamp) -> Markup {
    html! {
        @match (state, life::end(secret)) {
            (SecretState::Revoked, _) => span.quiet { "was revoked" },
            (_, Some(end)) => (show::when(end, now)),
            (_, None) => span.quiet { "has no end" },
        }
    }
}

fn keys(client: &Client, now: Timestamp) -> Markup {
    html! {
        section {
            h2 { "Keys" }
            div.table tabindex="0" role="region" aria-label="Keys" {
                table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "kid" } th scope="col" { "Algorithm" } th scope="col" { "Registered" } th scope="col" { "State" } } }
                    tbody { @for (id, key) in &client.keys {
                        tr {
                            th scope="row" { code { (id) } }
                            td { code { (key.jwk.kid()) } }
                            td { (key.jwk.algorithm().as_str()) }
                            td { (show::when(key.registered_at, now)) }
                            td { @if key.ended.is_none() { (show::badge("good", "active")) } @else { (show::badge("off", "ended")) } }
                        }
                    } }
                }
            }
        }
    }
}

fn ending(within: &Within, id: ClientId, client: &Client, state: ClientState) -> Markup {
    let action = within.at(&format!("/clients/{id}/state"));
    let word = called(id, client);
    html! {
        section.danger {
            h2 { "Stop it" }
            @if state == ClientState::Disabled {
                form method="post" action=(action) {
                    (form::hidden(&within.visitor)) input type="hidden" name="do" value="enable";
                    p { "It gets no token now." }
                    button.primary type="submit" { "Enable the client" }
                }
            } @else {
                form method="post" action=(action) {
                    (form::hidden(&within.visitor)) input type="hidden" name="do" value="disable";
                    p { "It gets no token until it is enabled, and its tokens count as inactive." }
                    div.field { label for="why-disable" { "Reason" } input id="why-disable" name="reason" required maxlength="500"; }
                    button type="submit" { "Disable the client" }
                }
            }
        }
        section.danger {
            h2 { "Delete" }
            form method="post" action=(action) {
                (form::hidden(&within.visitor)) input type="hidden" name="do" value="delete";
                p { "This cannot be undone. It gets no token any more, and its id is never used again." }
                div.field { label for="why-delete" { "Reason" } input id="why-delete" name="reason" required maxlength="500"; }
                div.field { label for="confirm" { "Type " strong { (word) } " to confirm" } input id="confirm" name="confirm" required autocomplete="off" spellcheck="false"; }
                button.bad type="submit" { "Delete the client for good" }
            }
        }
    }
}
