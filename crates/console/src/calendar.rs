//! The calendar: what will end and what is due, day by day.

use std::collections::BTreeMap;

use axum::{response::Response, routing::get};
use chancery_application::{AgendaItem, PageRequest};
use chancery_domain::{
    ClientId, Row, SecretId, Timestamp, agenda::What, client::Client,
    secret_rotation::SecretRotation,
};
use maud::{Markup, html};

use crate::{
    clients::called,
    fields::{Asked, one_of},
    layout::Page,
    routes::Routes,
    show,
    stop::Stop,
    within::Within,
};

/// How many stand on a page.
const ROWS: u32 = 50;

/// How far ahead can be looked, in days.
const SPANS: &[(&str, &str, u32)] = &[
    ("7", "7 days", 7),
    ("30", "30 days", 30),
    ("90", "90 days", 90),
    ("365", "A year", 365),
];
/// What is shown unless something else is asked for.
const USUAL: usize = 2;

pub(crate) fn routes() -> Routes {
    Routes::default().page("/console/t/{slug}/calendar", get(page))
}

async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let spans: Vec<_> = SPANS.iter().map(|span| (span.0, *span)).collect();
    let chosen = asked.sought("days", |text| one_of(&spans, text))?;
    let (name, title, days) = chosen.unwrap_or(SPANS[USUAL]);
    let page = PageRequest {
        first: ROWS,
        after: asked.sought("after", str::parse)?,
    };
    let upcoming = application
        .upcoming(caller, within.tenant, days, &page)
        .await?;
    let items: Vec<_> = upcoming.items.into_iter().map(|(_, item)| item).collect();
    let ids: Vec<_> = items.iter().filter_map(|item| item.client).collect();
    let clients = application.clients_of(caller, within.tenant, &ids).await?;
    let secrets = application
        .client_secrets_of(caller, within.tenant, &ids)
        .await?;
    let (overdue, coming): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|item| application.is_overdue(item));
    let now = application.now();
    let mut by_day: BTreeMap<String, Vec<AgendaItem>> = BTreeMap::new();
    for item in coming {
        by_day.entry(day(item.at)).or_default().push(item);
    }
    let line = |item: &AgendaItem| entry(&within, item, (&clients, &secrets), now);
    Ok(Page::within("Calendar", &within).show(&html! {
        h1 { "Calendar" }
        p.lead { "What ends and what is due. Nothing ends by surprise that stands here." }
        nav.actions aria-label="How far ahead" {
            @for (value, text, _) in SPANS {
                a href={"?days=" (value)} aria-current=[(*value == name).then_some("true")] class=(if *value == name { "button primary" } else { "button" }) { (text) }
            }
        }
        @if overdue.is_empty() && by_day.is_empty() {
            div.empty {
                @if page.after.is_some() { p { "Nothing more." } }
                @else { p { "Nothing ends and nothing is due within " (title.to_lowercase()) "." } }
                p { "Secrets and clients that shall end by themselves get their end from the " a href=(within.at("/policy")) { "policy" } ", or one by one on the page of a " a href=(within.at("/clients")) { "client" } "." }
            }
        }
        @if !overdue.is_empty() {
            section.danger {
                h2 { "Overdue" }
                ol.days { @for item in &overdue { (line(item)) } }
            }
        }
        @for (day, items) in &by_day {
            section {
                h2 { (day) " " span.quiet { (items.first().map(|item| show::distance(item.at, now)).unwrap_or_default()) } }
                ol.days { @for item in items { (line(item)) } }
            }
        }
        @if let (true, Some(end)) = (upcoming.has_next, &upcoming.end) { (show::next_page(&asked, &end.to_string())) }
    }))
}

/// The day of a moment, in UTC.
fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

type Clients = BTreeMap<ClientId, Row<Client>>;
type Secrets = BTreeMap<ClientId, Row<SecretRotation>>;

fn entry(
    within: &Within,
    item: &AgendaItem,
    (clients, secrets): (&Clients, &Secrets),
    now: Timestamp,
) -> Markup {
    let known = item.client.and_then(|client| secrets.get(&client));
    let hint = |id: SecretId| {
        let secret = known.and_then(|known| known.state.secrets.get(&id));
        secret.map_or_else(|| id.to_string(), |secret| format!("…{}", secret.hint))
    };
    let (kind, badge, words) = told(item.what, hint);
    html! {
        li {
            (hour(item.at, now))
            (show::badge(kind, badge))
            span {
                @match item.client {
                    Some(id) => a href=(within.at(&format!("/clients/{id}"))) { (clients.get(&id).map_or_else(|| id.to_string(), |row| called(id, &row.state))) },
                    None => a href=(within.at("/keys")) { "Signing key" },
                }
                ": " (words)
            }
        }
    }
}

/// The hour of what is to come, and how long ago something was due.
fn hour(at: Timestamp, now: Timestamp) -> Markup {
    let text = at.to_string();
    let hour = text.get(11..16).unwrap_or_default();
    html! {
        time datetime=(text) title=(text) {
            @if at <= now { (show::distance(at, now)) } @else { (hour) }
        }
    }
}

/// In what colour, in a word, in a sentence.
fn told(what: What, hint: impl Fn(SecretId) -> String) -> (&'static str, &'static str, String) {
    match what {
        What::ClientExpires => (
            "bad",
            "ends",
            "the client ends, and obtains no token any more".to_owned(),
        ),
        What::SecretExpires(secret) => (
            "bad",
            "ends",
            format!("the secret {} ends: rotate before it does", hint(secret)),
        ),
        What::SecretRetires(secret) => (
            "warn",
            "retires",
            format!(
                "the secret {} retires, since another took its place",
                hint(secret)
            ),
        ),
        What::SecretRotates => ("warn", "rotate", "its secret is to be rotated".to_owned()),
        What::KeyActivates(key) => ("info", "begins", format!("{key} begins to sign")),
        What::KeyRetires(key) => (
            "off",
            "leaves",
            format!("{key} leaves the key set; everything that it signed has ended"),
        ),
        What::KeyRotates(key) => (
            "info",
            "rotated",
            format!("{key} is followed by another, by itself"),
        ),
    }
}
