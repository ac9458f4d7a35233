use axum::response::Response;
use chancery_application::{ByActor, EntryNumber, EventFilter, RollQuery};
use chancery_domain::{Actor, Event, Invalid, Recorded, StreamId, Timestamp};
use maud::{Markup, html};

use super::{names::Names, words};
use crate::{
    fields::{Asked, Fields},
    layout::Page,
    show,
    stop::Stop,
    within::Within,
};

/// How many stand on a page.
const ROWS: u32 = 50;
/// How long an entry may be to stand in the list, in bytes of JSON.
const LONG: usize = 4_096;

/// What the roll can be filtered by.
const FILTERS: [&str; 5] = ["type", "client", "actor", "since", "until"];

/// Who makes entries beside clients, by the word that asks for them.
const OTHERS: &[(&str, &str)] = &[
    ("server", "the server, when something was due"),
    ("command-line", "somebody at the command line"),
    ("first-start", "the first start"),
];

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let checkpoint = application.checkpoint(caller, within.tenant).await?;
    let size = checkpoint.checkpoint.size;
    let is_filtered = FILTERS.iter().any(|name| asked.get(name).is_some());
    let query = query(&asked)?;
    let before: Option<EntryNumber> = asked.sought("before", str::parse)?;
    let listed = application
        .newest_events(caller, within.tenant, &query, (before, ROWS))
        .await?;
    let entries = || listed.items.iter().map(|(_, entry)| entry);
    let names = Names::of(&within, entries()).await?;
    let follows = !is_filtered && before.is_none();
    let newest = entries().next().map_or(0, |entry| entry.tenant_seq);
    let now = application.now();
    Ok(Page::within("Roll", &within).show(&html! {
        div.head {
            h1 { "Roll" }
            @if follows { span.badge id="live-says" role="status" { "" } }
            a.button href=(within.at("/past")) { "As it was" }
            a.button href=(within.at("/difference")) { "Compare" }
            a.button href=(within.at("/roll/export")) { "Export" }
        }
        p.lead { "Everything that was ever decided about this tenant, newest first. Entries are never changed or removed." }
        (filter(&asked))
        @if listed.items.is_empty() {
            div.empty { p { "No entry is like that. " a href=(within.at("/roll")) { "Show all of them" } "." } }
        } @else {
            ol.roll reversed data-live=[follows.then(|| format!("{}?after={newest}", within.at("/roll/live")))] {
                @for entry in entries() { (row(&within.at(""), entry, &names, now)) }
            }
        }
        p.more {
            @if before.is_some() { a.button href={"?" (asked.address(&[("before", "")]))} { "Newest" } " " }
            @if let (true, Some(end)) = (listed.has_next, listed.end) {
                a.button href={"?" (asked.address(&[("before", &end.0.to_string())]))} rel="next" { "Earlier" }
            }
        }
        section {
            h2 { "Checkpoint" }
            p { "What vouches for the roll up to entry " (size) ": a signed note that anybody can keep and compare. Published at " code { (application.public_url()) "/t/" (within.slug) "/roll/checkpoint" } "." }
            @if let Some(fault) = &checkpoint.fault { div.problem role="alert" { p { strong { "The roll is not as it was sealed. " } (fault) } } }
            pre tabindex="0" { code { (checkpoint.note.note()) } }
            p { "Its verifier key: " code { (checkpoint.key) } }
        }
    }))
}

/// One entry.
pub(super) fn row(base: &str, entry: &Recorded, names: &Names, now: Timestamp) -> Markup {
    let subject = html! {
        (words::subject(entry.stream)) @if !names.may_read { " " code { (entry.stream.aggregate_id()) } } @if let Some(name) = names.subject(entry.stream) { (if matches!(entry.stream, StreamId::SecretRotation(_)) { " of " } else { " " }) (name) }
    };
    let (number, whole) = (entry.tenant_seq, pretty(entry));
    html! {
        li id={"entry-" (number)} {
            a.seq href={(base) "/roll/" (number)} { "#" (number) }
            span.when { (show::exact(entry.recorded_at, now)) }
            span.what {
                (words::sentence(entry, names)) " "
                @match words::leads(entry.stream, names.may_read) {
                    Some(page) => a.quiet href={(base) (page)} { (subject) },
                    None => span.quiet { (subject) },
                }
            }
            details {
                summary { (entry.event.kind().0) " by " @if let Some(name) = names.actor(&entry.actor) { (name) ", " } (who(&entry.actor)) }
                @if whole.len() <= LONG { pre tabindex="0" { code { (whole) } } }
                @else { p { "It is long: " a href={(base) "/roll/" (number)} { "see it on its own page" } "." } }
            }
        }
    }
}

/// Who made an entry.
pub(super) fn who(actor: &Actor) -> String {
    match actor {
        Actor::Client(client) => client.to_string(),
        Actor::Cli(user) => format!("{user} at the command line"),
        Actor::Steward => "the server, when it was due".to_owned(),
        Actor::Installation => "the first start".to_owned(),
    }
}

pub(super) fn pretty(entry: &Recorded) -> String {
    serde_json::to_string_pretty(&entry.event.payload()).unwrap_or_default()
}

fn filter(asked: &Fields) -> Markup {
    html! {
        details open[FILTERS.iter().any(|name| asked.get(name).is_some())] {
            summary { "Filter" }
            form.filter method="get" {
                div {
                    label for="type" { "What" }
                    select id="type" name="type" {
                        option value="" { "anything" }
                        @for (_, kind, _) in Event::kinds() { option value=(kind) selected[asked.raw("type") == kind] { (kind) } }
                    }
                }
                div { label for="client" { "To the client" } input id="client" name="client" value=(asked.raw("client")) placeholder="client_…" spellcheck="false"; }
                div { label for="actor" { "By" } input id="actor" name="actor" value=(asked.raw("actor")) placeholder="client_…" spellcheck="false" list="actors"; datalist id="actors" { @for (word, says) in OTHERS { option value=(word) { (says) } } } }
                div { label for="since" { "From" } input id="since" name="since" value=(asked.raw("since")) placeholder="2026-11-20T17:00:00Z" spellcheck="false"; }
                div { label for="until" { "Before" } input id="until" name="until" value=(asked.raw("until")) placeholder="2026-11-21T00:00:00Z" spellcheck="false"; }
                button type="submit" { "Show" }
            }
        }
    }
}

/// Whoever a word asks for.
fn by(word: &str) -> Result<ByActor, Invalid> {
    Ok(match word {
        "server" => ByActor::One(Actor::Steward),
        "command-line" => ByActor::AnyCli,
        "first-start" => ByActor::One(Actor::Installation),
        client => ByActor::One(Actor::Client(client.parse()?)),
    })
}

fn query(asked: &Fields) -> Result<RollQuery, Stop> {
    let kind = |wanted: &str| {
        let mut kinds = Event::kinds().map(|(_, kind, _)| kind);
        let found = kinds.find(|kind| *kind == wanted);
        let message = "must be the type of an entry, like ClientCreated";
        found.ok_or_else(|| Invalid::new("event_type", message))
    };
    let client = asked.sought("client", str::parse)?;
    let actor = asked.sought("actor", by)?;
    Ok(RollQuery {
        filter: EventFilter {
            types: asked.sought("type", kind)?.map(|kind| [kind].into()),
            streams: client
                .map(|client| [StreamId::Client(client), StreamId::SecretRotation(client)].into()),
            actor,
        },
        since: asked.sought_moment("since")?,
        until: asked.sought_moment("until")?,
    })
}
