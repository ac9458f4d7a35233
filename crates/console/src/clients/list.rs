use std::collections::{BTreeSet, HashMap};

use axum::response::Response;
use chancery_application::{ClientFilter, LastUse, Needs, PageRequest, Place, Search};
use chancery_domain::{
    ApiId, ClientId, Row, Timestamp,
    api::{Api, ApiState},
    client::{Client, ClientState},
};
use maud::{Markup, html};

use super::called;
use crate::{
    fields::{Asked, one_of},
    find,
    layout::Page,
    show,
    stop::Stop,
    within::Within,
};

/// How many stand on a page.
const ROWS: u32 = 50;

const STATES: &[(&str, &str, ClientState)] = &[
    ("active", "active", ClientState::Active),
    ("disabled", "disabled", ClientState::Disabled),
    ("expired", "expired", ClientState::Expired),
    ("deleted", "deleted", ClientState::Deleted),
];

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    if let Some(found) = find::by_id(&within.visitor, asked.get("q")).await? {
        return Ok(found);
    }
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let states: Vec<_> = STATES
        .iter()
        .map(|(name, _, state)| (*name, *state))
        .collect();
    let wanted = asked.sought("state", |text| one_of(&states, text))?;
    let kept = [
        ClientState::Active,
        ClientState::Disabled,
        ClientState::Expired,
    ];
    let filter = ClientFilter {
        search: asked.sought("q", Search::parse)?,
        states: Some(wanted.map_or(kept.to_vec(), |state| vec![state])),
        api: asked.sought("api", str::parse)?,
        ..ClientFilter::default()
    };
    let page = PageRequest {
        first: ROWS,
        after: asked.sought("after", str::parse)?,
    };
    let listed = application
        .clients(caller, within.tenant, &filter, page)
        .await?;
    let ids: Vec<ClientId> = listed.items.iter().map(|(_, (id, _))| *id).collect();
    let uses = application
        .last_uses_of_clients(caller, within.tenant, &ids)
        .await?;
    let active = active(&within, &listed.items).await?;
    let now = application.now();
    let may_create = within.may(Needs::TenantAdmin);
    let is_filtered = ["q", "state", "api"]
        .iter()
        .any(|name| asked.get(name).is_some());
    Ok(Page::within("Clients", &within).show(&html! {
        div.head {
            h1 { "Clients" }
            @if may_create { a.button.primary href=(within.at("/clients/new")) { "Create a client" } }
        }
        form.filter method="get" role="search" {
            div { label for="q" { "Name begins with, or id" } input id="q" name="q" type="search" value=(asked.raw("q")); }
            div {
                label for="state" { "State" }
                select id="state" name="state" {
                    option value="" { "all but deleted" }
                    @for (value, text, _) in STATES { option value=(value) selected[asked.raw("state") == *value] { (text) } }
                }
            }
            @if let Some(api) = asked.get("api") { input type="hidden" name="api" value=(api); }
            button type="submit" { "Show" }
        }
        @if let Some(api) = asked.get("api") {
            p.quiet { "Those that may ask for " a href=(within.at(&format!("/apis/{api}"))) { "one API" } " alone. " a href=(within.at("/clients")) { "Show all of them" } "." }
        }
        @if listed.items.is_empty() {
            div.empty {
                @if asked.get("after").is_some() {
                    p { "Nothing more. " a href=(within.at("/clients")) { "Show all of them" } "." }
                } @else if is_filtered {
                    p { "No client is like that. " a href=(within.at("/clients")) { "Show all of them" } "." }
                } @else {
                    p { "There is no client yet. One is a program that asks for tokens." }
                    @if may_create { p { a.button.primary href=(within.at("/clients/new")) { "Create a client" } } }
                }
            }
        } @else {
            (table(&within, &listed.items, (&active, &uses), now))
            @if let (true, Some(end)) = (listed.has_next, &listed.end) { (show::next_page(&asked, &end.to_string())) }
        }
    }))
}

type Item = (Place<ClientId>, (ClientId, Row<Client>));

/// Of the APIs that these are granted those that are active: what was retired nobody may ask for.
async fn active(within: &Within, rows: &[Item]) -> Result<BTreeSet<ApiId>, Stop> {
    let granted = rows.iter();
    let granted = granted.flat_map(|(_, (_, row))| row.state.grants.keys().copied());
    let granted: Vec<_> = granted.collect::<BTreeSet<_>>().into_iter().collect();
    let caller = &within.visitor.session.caller;
    let apis = within
        .visitor
        .application()
        .apis_of(caller, &granted)
        .await?;
    let is_active = |row: &Row<Api>| row.state.state == ApiState::Active;
    Ok(apis
        .into_iter()
        .filter_map(|(id, row)| is_active(&row.ok()?).then_some(id))
        .collect())
}

fn table(
    within: &Within,
    rows: &[Item],
    (active, uses): (&BTreeSet<ApiId>, &HashMap<ClientId, LastUse>),
    now: Timestamp,
) -> Markup {
    html! {
        div.table.blocks tabindex="0" role="region" aria-label="Clients" {
            table {
                thead { tr {
                    th scope="col" { "Client" } th scope="col" { "State" } th scope="col" { "May ask for" }
                    th scope="col" { "Last token" } th scope="col" { "Ends" }
                } }
                tbody { @for (_, (id, row)) in rows {
                    tr {
                        th scope="row" {
                            a href=(within.at(&format!("/clients/{id}"))) { (called(*id, &row.state)) }
                            br; code.quiet { (id) }
                        }
                        td data-label="State" { (show::client_state(row.state.state(now))) }
                        @let asks: Vec<_> = row.state.grants.iter().filter(|(api, _)| active.contains(*api)).collect();
                        td data-label="May ask for" { @match asks.as_slice() {
                            [] => { span.quiet { "nothing" } }
                            [(_, grant)] => { (grant.identifier) }
                            several => { (several.len()) " APIs" }
                        } }
                        td data-label="Last token" { @match uses.get(id) { Some(last) => (show::when(last.at, now)), None => span.quiet { "never" } } }
                        td data-label="Ends" { @match row.state.expires_at { Some(end) => (show::when(end, now)), None => span.quiet { "–" } } }
                    }
                } }
            }
        }
    }
}
