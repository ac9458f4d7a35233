use std::collections::BTreeMap;

use axum::response::Response;
use chancery_application::{ActivitySummary, Needs, Span};
use chancery_domain::{ClientId, Timestamp};
use maud::{Markup, html};

use super::{reason, unused};
use crate::{
    chart::{self, Bar},
    clients::called,
    fields::{Asked, Fields, one_of},
    layout::Page,
    show,
    stop::Stop,
    within::Within,
};

const SPANS: &[(&str, &str, Span)] = &[
    ("hour", "The last hour", Span::Hour),
    ("day", "The last day", Span::Day),
    ("month", "The last 30 days", Span::Month),
];

/// How many clients that were not used are named at once.
const NAMED: usize = 20;

/// The span that an address asks for: its name there, its title, and itself.
pub(super) fn span(asked: &Fields) -> Result<(&'static str, &'static str, Span), Stop> {
    let spans: Vec<_> = SPANS.iter().map(|span| (span.0, *span)).collect();
    let chosen = asked.sought("over", |text| one_of(&spans, text))?;
    Ok(chosen.unwrap_or(SPANS[1]))
}

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let (name, title, span) = span(&asked)?;
    let caller = &within.visitor.session.caller;
    let summary = within
        .visitor
        .application()
        .activity_summary(caller, within.tenant, span)
        .await?;
    let bars = bars(&within, &summary, span);
    let issued: i64 = summary.issued.iter().map(|count| count.times).sum();
    let denied: i64 = summary.denied.iter().map(|count| count.times).sum();
    let ids: Vec<ClientId> = summary
        .busiest
        .iter()
        .filter_map(|(id, _)| id.parse().ok())
        .collect();
    // Who may audit need not be one who may read clients: then their ids have to do.
    let may_read = within.may(Needs::TenantRead);
    let known = if may_read {
        let application = within.visitor.application();
        application.clients_of(caller, within.tenant, &ids).await?
    } else {
        BTreeMap::new()
    };
    let name_of = |text: &str| {
        let id = text.parse::<ClientId>().ok();
        let known = id.and_then(|id| Some(called(id, &known.get(&id)?.state)));
        known.unwrap_or_else(|| text.to_owned())
    };
    let most = summary.busiest.first().map_or(1, |(_, times)| *times);
    let records = |more: &str| {
        let since = summary.begin;
        within.at(&format!("/activity/records?since={since}{more}"))
    };
    // Uses are counted by the hour: those of a client since the beginning of the first one.
    let hour = summary.begin.seconds().div_euclid(3_600) * 3_600;
    let hour = Timestamp::from_micros(hour.saturating_mul(1_000_000));
    let of_client = |client: &str| {
        within.at(&format!(
            "/activity/records?since={hour}&kind=tokens&client={client}"
        ))
    };
    Ok(Page::within("Activity", &within).show(&html! {
        div.head { h1 { "Activity" } }
        nav.actions aria-label="Span of time" {
            @for (value, text, _) in SPANS {
                a href={"?over=" (value)} aria-current=[(*value == name).then_some("true")] class=(if *value == name { "button primary" } else { "button" }) { (text) }
            }
        }
        ul.cards {
            li { a href=(records("&kind=tokens")) { span.big { (issued) } span { @if issued == 1 { "token issued" } @else { "tokens issued" } } } }
            li { a href=(records("&kind=denied")) { span.big { (denied) } span { @if denied == 1 { "request denied" } @else { "requests denied" } } } }
            li { a href="#unused" { span.big { (summary.unused.len()) @if summary.is_partial { "+" } } span { "clients not used" } } }
        }
        @if issued + denied == 0 {
            div.empty { p { "Nobody asked this tenant for a token in this time. Choose a longer one above, or try a token on the page of a client." } }
        } @else {
            section {
                h2 { (title) }
                div.beside {
                    div { (chart::bars("Tokens issued and requests denied over time; the table beside it has the numbers", &bars)) }
                    (numbers(&bars))
                }
            }
        }
        div.columns {
            section {
                h2 { "Why requests were denied" }
                (denials(&within, &summary))
            }
            section {
                h2 { "Busiest clients" }
                @if hour != summary.begin { p { "Counted by whole hours, since " (show::moment(hour)) "." } }
                @if summary.busiest.is_empty() { p { "None." } } @else {
                    div.table tabindex="0" role="region" aria-label="Busiest clients" { table {
                        thead { tr { th scope="col" { "Client" } th.number scope="col" { "Tokens" } td aria-hidden="true" {} th scope="col" { "Records" } } }
                        tbody { @for (client, times) in &summary.busiest {
                            tr { th scope="row" { @if may_read { a href=(within.at(&format!("/clients/{client}"))) { (name_of(client)) } } @else { code { (client) } } }
                                td.number { (times) }
                                td { (chart::part(*times, most)) }
                                td { a href=(of_client(client)) aria-label={"Show the records of " (name_of(client))} { "Show" } } }
                        } }
                    } }
                }
            }
        }
        section id="unused" {
            h2 { "Clients that were not used" }
            @if summary.unused.is_empty() {
                p { @if summary.is_partial { "Each of the oldest clients used its credential in this time." } @else { "Every client that is older than this time used its credential." } }
            } @else {
                p { "They were there before, and obtained no token in this time. A credential that nobody needs is one that nobody misses." }
                (unused::list(&within, summary.unused.get(..NAMED).unwrap_or(&summary.unused)))
            }
            @if summary.unused.len() > NAMED || summary.is_partial {
                p { a href=(within.at(&format!("/activity/unused?over={name}"))) { "All of them" } }
            }
        }
    }))
}

/// Each part of the time, those without anything included.
fn bars(within: &Within, summary: &ActivitySummary, span: Span) -> Vec<Bar> {
    let part = span.part_seconds();
    let count = span.seconds() / part;
    let sum = |counts: &[chancery_application::ActivityCount], begin: Timestamp| -> i64 {
        let within = |at: Timestamp| at >= begin && at < begin.plus_seconds(part);
        let of = counts.iter().filter(|count| within(count.begin));
        of.map(|count| count.times).sum()
    };
    (0..count)
        .map(|place| {
            let begin = summary.begin.plus_seconds(place * part);
            let text = begin.to_string();
            let label = match span {
                Span::Hour | Span::Day => text.get(11..16),
                Span::Month => text.get(5..10),
            };
            let until = begin.plus_seconds(part);
            Bar {
                label: label.unwrap_or_default().to_owned(),
                issued: sum(&summary.issued, begin),
                denied: sum(&summary.denied, begin),
                href: within.at(&format!(
                    "/activity/records?since={begin}&until={until}&kind=requests"
                )),
            }
        })
        .collect()
}

fn numbers(bars: &[Bar]) -> Markup {
    html! {
        div.table.short tabindex="0" role="region" aria-label="Tokens issued and requests denied" { table {
            thead { tr { th scope="col" { "From" } th.number scope="col" { "Issued" } th.number scope="col" { "Denied" } th scope="col" { "Records" } } }
            // The newest first, as they are asked for.
            tbody { @for bar in bars.iter().rev().filter(|bar| bar.issued + bar.denied > 0) {
                tr { th scope="row" { (bar.label) } td.number { (bar.issued) } td.number { (bar.denied) } td { a href=(bar.href) aria-label={"Show the records from " (bar.label)} { "Show" } } }
            } }
        } }
    }
}

fn denials(within: &Within, summary: &ActivitySummary) -> Markup {
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for count in &summary.denied {
        *reasons
            .entry(count.reason.as_deref().unwrap_or_default())
            .or_default() += count.times;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    html! {
        @if reasons.is_empty() { p { "None was." } } @else {
            div.table tabindex="0" role="region" aria-label="Why requests were denied" { table {
                thead { tr { th scope="col" { "Reason" } th.number scope="col" { "Times" } } }
                tbody { @for (name, times) in reasons {
                    tr {
                        th scope="row" {
                            // A record without a reason cannot be asked for.
                            @if name.is_empty() { (reason(name)) } @else {
                                a href=(within.at(&format!("/activity/records?kind=denied&reason={name}&since={}", summary.begin))) { (reason(name)) }
                            }
                        }
                        td.number { (times) }
                    }
                } }
            } }
        }
    }
}
