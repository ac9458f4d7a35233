//! The records themselves, newest first.

use axum::response::Response;
use chancery_application::{
    Activity, ActivityFilter, ActivityKind, text_of_record, trace_of_record,
};
use chancery_domain::Timestamp;
use maud::{Markup, html};

use super::{
    kinds,
    known::{self, Known},
    reason,
};
use crate::{
    fields::{Asked, Fields},
    layout::Page,
    show,
    stop::Stop,
    within::Within,
};

/// How many stand on a page.
const ROWS: u32 = 50;

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let now = application.now();
    let text = |name: &str| asked.sought(name, text_of_record);
    let filter = ActivityFilter {
        kinds: asked.sought("kind", kinds::asked)?.unwrap_or_default(),
        client: text("client")?,
        credential: text("credential")?,
        // In words, as it stands in the list, or by its name.
        reason: text("reason")?.map(|reason| reason.replace(' ', "_")),
        jti: text("jti")?,
        trace_id: asked.sought("trace", |trace| {
            trace_of_record(&trace.to_ascii_lowercase())
        })?,
        since: asked.sought_moment("since")?,
        until: asked.sought_moment("until")?,
    };
    let before = asked.sought("before", str::parse)?;
    let listed = application
        .newest_activity(caller, within.tenant, (before, ROWS), &filter)
        .await?;
    let records: Vec<_> = listed.items.iter().map(|(_, record)| record).collect();
    let known = known::of(&within, &records).await?;
    let is_filtered = [
        "kind",
        "client",
        "credential",
        "reason",
        "jti",
        "trace",
        "since",
        "until",
    ]
    .iter()
    .any(|name| asked.get(name).is_some());
    Ok(Page::within("Records", &within).show(&html! {
        h1 { "Records" }
        p.lead { "What happened at the endpoints and here, newest first. " a href=(within.at("/activity")) { "In numbers" } }
        (form(&asked))
        @if records.is_empty() {
            div.empty { p {
                @if listed.has_next { "Nothing of what was looked at for this page is like that. Go on to what is earlier." }
                @else if is_filtered || before.is_some() { "No record is like that. " a href=(within.at("/activity/records")) { "Show all of them" } "." }
                @else { "Nothing was recorded yet." }
            } }
        } @else {
            div.table.records.blocks tabindex="0" role="region" aria-label="Records" { table {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Client" } th scope="col" { "For" } th scope="col" { "From" } th scope="col" { "Found by" } } }
                tbody { @for record in &records { (row(&within, &known, record, now)) } }
            } }
        }
        p.more {
            @if before.is_some() { a.button href={"?" (asked.address(&[("before", "")]))} { "Newest" } " " }
            @if let (true, Some(end)) = (listed.has_next, &listed.end) {
                a.button href={"?" (asked.address(&[("before", &end.to_string())]))} rel="next" { "Earlier" }
            }
        }
    }))
}

fn row(within: &Within, known: &Known, record: &Activity, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="When" { (show::exact(record.at, now)) @if record.times > 1 { br; span.quiet { (record.times) " times" } } }
            td data-label="What" {
                (what(record))
                @if let Some(why) = &record.reason { br; span.quiet { (reason(why)) } }
            }
            td data-label="Client" {
                (known.client(within, record.client.as_deref()))
                @if let Some(credential) = &record.credential {
                    br;
                    // Nobody used it: it is what the session stands on.
                    @if record.reason.as_deref() == Some("by_link") || record.kind == ActivityKind::ConsoleLinkMade { span.quiet { "stands on " } }
                    (known.credential(credential))
                }
            }
            td data-label="For" { (subject(within, known, record)) }
            td data-label="From" { (show::or_dash(record.address.as_ref())) @if let Some(agent) = &record.user_agent { br; span.quiet.agent title=(agent) { (agent) } } }
            td data-label="Found by" {
                @if let Some(trace) = &record.trace_id { div.pair { span.quiet { "trace " } code.quiet.trace title=(trace) { (trace) } (show::copy(trace, "Copy the trace")) } }
                @if let Some(jti) = &record.jti {
                    div.pair { span.quiet { (id_is(record.kind)) " " }
                    a.quiet href=(within.at(&format!("/activity/records?jti={jti}"))) { code.trace title=(jti) { (jti) } } (show::copy(jti, "Copy the id")) }
                }
            }
        }
    }
}

/// What was asked for, or whom it was about.
fn subject(within: &Within, known: &Known, record: &Activity) -> Markup {
    match record.kind {
        ActivityKind::ConsoleLinkMade | ActivityKind::ConsoleSignedOut => html! {
            @for client in &record.audience { (known.client(within, Some(client))) }
        },
        _ if record.scopes.is_empty() && record.audience.is_empty() => show::or_dash(None::<&str>),
        _ => html! {
            code { (record.scopes.join(" ")) }
            @if !record.audience.is_empty() { br; code.quiet { (record.audience.join(" ")) } }
        },
    }
}

/// What the id is of.
fn id_is(kind: ActivityKind) -> &'static str {
    match kind {
        ActivityKind::ConsoleLinkMade
        | ActivityKind::ConsoleSignedIn
        | ActivityKind::ConsoleSignedOut => "session",
        _ => "token",
    }
}

/// What a record says, in words.
fn what(record: &Activity) -> Markup {
    match record.kind {
        ActivityKind::TokenIssued => show::badge("good", "token issued"),
        ActivityKind::TokenDenied => show::badge("bad", "token denied"),
        ActivityKind::TokenRefreshed => show::badge("good", "token refreshed"),
        ActivityKind::RefreshReused => show::badge("bad", "refresh token reused"),
        ActivityKind::TokenRevoked => show::badge("warn", "token revoked"),
        ActivityKind::TokenIntrospected => show::badge("info", "introspected"),
        ActivityKind::RollRead => show::badge("info", "roll read"),
        ActivityKind::ActivityRead => show::badge("info", "activity read"),
        ActivityKind::ConsoleLinkMade => show::badge("warn", "link to the console made"),
        ActivityKind::ConsoleSignedIn => show::badge("info", "signed in to the console"),
        ActivityKind::ConsoleSignedOut if !record.audience.is_empty() => {
            show::badge("warn", "ended a session of the console")
        }
        ActivityKind::ConsoleSignedOut if record.reason.is_some() => {
            show::badge("info", "a session of the console ended")
        }
        ActivityKind::ConsoleSignedOut => show::badge("info", "signed out of the console"),
    }
}

fn form(asked: &Fields) -> Markup {
    let text = |id: &str, label: &str, placeholder: &str| {
        html! {
            div { label for=(id) { (label) } input id=(id) name=(id) value=(asked.raw(id)) placeholder=(placeholder) spellcheck="false"; }
        }
    };
    html! {
        form.filter method="get" {
            div {
                label for="kind" { "What" }
                select id="kind" name="kind" {
                    option value="" { "anything" }
                    @for (word, says) in kinds::words() { option value=(word) selected[asked.raw("kind") == word] { (says) } }
                }
            }
            (text("client", "Client", "client_…"))
            (text("credential", "Credential", "secret_…"))
            (text("reason", "Reason", "wrong secret"))
            (text("trace", "Trace", "32 digits"))
            (text("jti", "Token or session", ""))
            (text("since", "From", "2026-11-20T17:00"))
            (text("until", "Before", "2026-11-21T00:00"))
            button type="submit" { "Show" }
        }
    }
}
