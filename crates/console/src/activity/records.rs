use axum::response::Response;
use chancery_application::{Activity, ActivityFilter, ActivityKind, PageRequest};
use chancery_domain::{ClientId, Timestamp};
use maud::{Markup, html};

use super::reason;
use crate::{
    fields::{Asked, Fields, one_of},
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
    let text = |name: &str| asked.get(name).map(ToOwned::to_owned);
    let kinds = ActivityKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = asked.sought("kind", |text| one_of(&kinds, text))?;
    let filter = ActivityFilter {
        kinds: kind.into_iter().collect(),
        client: text("client"),
        reason: text("reason"),
        since: asked.sought_moment("since")?,
        until: asked.sought_moment("until")?,
        ..ActivityFilter::default()
    };
    let request = PageRequest {
        first: ROWS,
        after: asked.sought("after", str::parse)?,
    };
    let listed = application
        .activity(caller, within.tenant, &request, &filter)
        .await?;
    Ok(Page::within("Records", &within).show(&html! {
        h1 { "Records" }
        p.lead { "What happened at the endpoints, oldest first. " a href=(within.at("/activity")) { "In numbers" } }
        (form(&asked))
        @if listed.items.is_empty() {
            div.empty { p { "No record is like that. " a href=(within.at("/activity/records")) { "Show all of them" } "." } }
        } @else {
            div.table tabindex="0" role="region" aria-label="Records" { table {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Client" } th scope="col" { "For" } th scope="col" { "From" } th scope="col" { "Trace" } } }
                tbody { @for (_, record) in &listed.items { (row(&within, record, now)) } }
            } }
        }
        @if let (true, Some(end)) = (listed.has_next, &listed.end) { (show::next_page(&asked, &end.to_string())) }
    }))
}

fn row(within: &Within, record: &Activity, now: Timestamp) -> Markup {
    let client = record.client.as_deref();
    let known = client.and_then(|id| id.parse::<ClientId>().ok());
    html! {
        tr {
            td { (show::exact(record.at, now)) @if record.times > 1 { br; span.quiet { (record.times) " times" } } }
            td {
                (what(record.kind))
                @if let Some(why) = &record.reason { br; span.quiet { (reason(why)) } }
            }
            td { @match (known, client) {
                (Some(id), _) => a href=(within.at(&format!("/clients/{id}"))) { code { (id) } },
                (None, Some(sent)) => code { (sent) },
                (None, None) => span.quiet { "–" },
            } }
            td { code { (record.scopes.join(" ")) } @if !record.audience.is_empty() { br; code.quiet { (record.audience.join(" ")) } } }
            td { (show::or_dash(record.address.as_ref())) @if let Some(agent) = &record.user_agent { br; span.quiet { (agent) } } }
            td { code.quiet { (show::or_dash(record.trace_id.as_ref().map(|trace| trace.get(..8).unwrap_or(trace).to_owned()))) } }
        }
    }
}

/// What a record says, in words.
fn what(kind: ActivityKind) -> Markup {
    match kind {
        ActivityKind::TokenIssued => show::badge("good", "token issued"),
        ActivityKind::TokenDenied => show::badge("bad", "token denied"),
        ActivityKind::TokenRefreshed => show::badge("good", "token refreshed"),
        ActivityKind::RefreshReused => show::badge("bad", "refresh token reused"),
        ActivityKind::TokenRevoked => show::badge("warn", "token revoked"),
        ActivityKind::TokenIntrospected => show::badge("info", "introspected"),
        ActivityKind::RollRead => show::badge("info", "roll read"),
        ActivityKind::ActivityRead => show::badge("info", "activity read"),
    }
}

fn form(asked: &Fields) -> Markup {
    html! {
        form.filter method="get" {
            div {
                label for="kind" { "What" }
                select id="kind" name="kind" {
                    option value="" { "anything" }
                    @for kind in ActivityKind::ALL { option value=(kind) selected[asked.raw("kind") == kind.as_str()] { (kind.as_str().replace('_', " ")) } }
                }
            }
            div { label for="client" { "Client" } input id="client" name="client" value=(asked.raw("client")) placeholder="client_…" spellcheck="false"; }
            div { label for="reason" { "Reason" } input id="reason" name="reason" value=(asked.raw("reason")) spellcheck="false"; }
            div { label for="since" { "From" } input id="since" name="since" value=(asked.raw("since")) placeholder="2026-11-20T17:00:00Z" spellcheck="false"; }
            div { label for="until" { "Before" } input id="until" name="until" value=(asked.raw("until")) placeholder="2026-11-21T00:00:00Z" spellcheck="false"; }
            button type="submit" { "Show" }
        }
    }
}
