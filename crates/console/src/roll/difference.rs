//! What changed between two moments.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use chancery_application::{Difference, DifferenceKind, DifferenceWhat, EntryNumber, Error, Needs};
use chancery_domain::ClientId;
use maud::{Markup, html};
use serde_json::Value;

use crate::{clients::called, fields::Asked, layout::Page, show, stop::Stop, within::Within};

/// A day, which is looked back on at most where nothing else is asked for.
const DAY: i64 = 86_400;

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let now = application.now();
    let to = asked.sought_end("to")?.unwrap_or(now).min(now);
    let from = match asked.sought_moment("from")? {
        Some(from) => from,
        None => application
            .moment_before_newest(caller, within.tenant)
            .await?
            .max(to.plus_seconds(-DAY))
            .min(to),
    };
    let after = asked.sought("after", str::parse)?;
    let between = |from| application.difference(caller, within.tenant, (from, to), after);
    let (from, found, is_whole) = match between(from).await {
        // Before its first entry there was nothing to compare with.
        Err(Error::NotThen { since, .. }) if since <= to => (since, between(since).await?, true),
        found => (from, found?, false),
    };
    let difference = &found.difference;
    let names = clients_named(&within, difference).await?;
    let (first, last) = (difference.from.entry, difference.to.entry);
    // Said out, so that the next page compares the same two moments.
    let same = [("from", from.to_string()), ("to", to.to_string())];
    let next = |number: EntryNumber| {
        let number = number.to_string();
        asked.address(&[("from", &same[0].1), ("to", &same[1].1), ("after", &number)])
    };
    Ok(Page::within("Compare", &within).show(&html! {
        h1 { "What changed" }
        form.filter method="get" {
            div { label for="from" { "From" } input id="from" name="from" value=(from) spellcheck="false"; }
            div { label for="to" { "To" } input id="to" name="to" value=(to) spellcheck="false"; }
            button type="submit" { "Compare" }
        }
        p.quiet {
            "Between " a href=(within.at(&format!("/past?entry={first}"))) { "entry " (first) } " and " a href=(within.at(&format!("/past?entry={last}"))) { "entry " (last) }
            ", also by the clock alone. What came and went in between is not here: the " a href=(within.at("/roll")) { "roll" } " has it."
        }
        @if is_whole { p.aside { "There was no tenant at the moment that you asked for: this compares with how it began, at " (show::moment(from)) ", its first keys and its admin API included." } }
        (changes(&within, difference, &names, found.next.is_some() || after.is_some()))
        @if found.is_cut {
            p.problem role="status" { "This is not all: more came to its end by the clock alone than one page compares. Choose moments that are nearer to each other." }
        }
        @if let Some(number) = found.next {
            p.more {
                a.button href={"?" (next(number))} rel="next" { "Go on" } " "
                span.quiet { "compared up to entry " (number.0) " of " (last) }
            }
        }
    }))
}

/// What the clients of changed secrets are called now.
async fn clients_named(
    within: &Within,
    difference: &Difference,
) -> Result<BTreeMap<String, String>, Stop> {
    if !within.may(Needs::TenantRead) {
        return Ok(BTreeMap::new());
    }
    let ids = difference
        .changes
        .iter()
        .filter_map(|change| change.client.as_ref()?.parse().ok());
    let ids: BTreeSet<ClientId> = ids.collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let found = application.clients_of(caller, within.tenant, &ids).await?;
    let named = found
        .into_iter()
        .map(|(id, row)| (id.to_string(), called(id, &row.state)));
    Ok(named.collect())
}

fn changes(
    within: &Within,
    difference: &Difference,
    names: &BTreeMap<String, String>,
    is_part: bool,
) -> Markup {
    let of = |client: &String| names.get(client).unwrap_or(client).clone();
    html! {
        @if difference.changes.is_empty() && is_part {
            div.empty { p { "Nothing is different of what these entries happened to." } }
        } @else if difference.changes.is_empty() {
            div.empty { p { "Nothing is different. Choose an earlier moment, or look at the " a href=(within.at("/roll")) { "roll" } "." } }
        }
        @for change in &difference.changes {
            section {
                div.head {
                    h2 { @if let Some(client) = &change.client { (of(client)) ": " } (kind(change.kind)) " " (change.label) }
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
    match value {
        // A name that is there and says no more.
        Value::Null => "without a description".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
