//! What changed between two moments.

use axum::response::Response;
use chancery_application::{Difference, DifferenceKind, DifferenceWhat};
use chancery_domain::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use crate::{fields::Asked, layout::Page, show, stop::Stop, within::Within};

/// A day, which is looked back on where nothing else is asked for.
const DAY: i64 = 86_400;

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let now = application.now();
    let moment = |name: &str| {
        asked
            .get(name)
            .and_then(|text| text.parse::<Timestamp>().ok())
    };
    let to = moment("to").unwrap_or(now).min(now);
    let asked_from = moment("from");
    let from = match asked_from {
        Some(from) => from,
        None => application
            .first_moment(caller, within.tenant)
            .await?
            .max(to.plus_seconds(-DAY)),
    };
    let difference = application
        .difference(caller, within.tenant, (from, to))
        .await?;
    Ok(Page::within("Compare", &within).show(&html! {
        h1 { "What changed" }
        form.filter method="get" {
            label for="from" { "From" }
            input id="from" name="from" value=(from) spellcheck="false";
            label for="to" { "To" }
            input id="to" name="to" value=(to) spellcheck="false";
            button type="submit" { "Compare" }
        }
        p.quiet { "Between entry " (difference.from.entry) " and entry " (difference.to.entry) ", also by the clock alone. What came and went in between is not here: the roll has it." }
        (changes(&within, &difference))
    }))
}

fn changes(within: &Within, difference: &Difference) -> Markup {
    html! {
        @if difference.changes.is_empty() {
            div.empty { p { "Nothing is different. Choose an earlier moment, or look at the " a href=(within.at("/roll")) { "roll" } "." } }
        }
        @for change in &difference.changes {
            section {
                div.head {
                    h2 { (kind(change.kind)) " " (change.label) }
                    @match change.what {
                        DifferenceWhat::Added => (show::badge("good", "new")),
                        DifferenceWhat::Changed => (show::badge("info", "changed")),
                        DifferenceWhat::Removed => (show::badge("off", "ended")),
                    }
                }
                p.quiet { code { (change.id) } ", " (change.state) }
                @if !change.fields.is_empty() {
                    div.table tabindex="0" role="region" aria-label={"What is different about " (change.label)} {
                        table {
                            thead { tr { th scope="col" { "What" } th scope="col" { "Before" } th scope="col" { "After" } } }
                            tbody { @for field in &change.fields {
                                tr {
                                    th scope="row" { (field.field.join(" › ")) }
                                    td { @if let Some(before) = &field.before { del { (text(before)) } } }
                                    td { @if let Some(after) = &field.after { ins { (text(after)) } } }
                                }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn kind(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Tenant => "Tenant",
        DifferenceKind::SigningKey => "Signing key",
        DifferenceKind::Api => "API",
        DifferenceKind::Client => "Client",
        DifferenceKind::Secret => "Secret",
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}
