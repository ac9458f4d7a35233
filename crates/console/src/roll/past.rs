//! The tenant as it was at an entry of its roll.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use axum::response::Response;
use chancery_application::{EntryNumber, Needs, Page, PageRequest};
use chancery_domain::{
    ApiId, ClientId, Invalid, Row, StreamId, Timestamp, api::Api, client::Client,
    secret_rotation::SecretRotation,
};
use maud::{Markup, html};

use super::{names::Names, words};
use crate::{
    clients::{called, grants::told},
    fields::{Asked, Fields},
    layout::Page as Shown,
    show,
    stop::Stop,
    within::Within,
};

/// How many clients stand on a page, and how many APIs. Each is folded from all that ever happened to it.
const ROWS: u32 = 20;

/// A page of things, past the one that the address names.
fn page_of<Id: FromStr<Err = Invalid>>(
    asked: &Fields,
    name: &str,
) -> Result<PageRequest<Id>, Stop> {
    Ok(PageRequest {
        first: ROWS,
        after: asked.sought(name, str::parse)?,
    })
}

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let tenant = within.tenant;
    let sealed = application.checkpoint(caller, tenant).await?;
    let head = i64::try_from(sealed.checkpoint.size).unwrap_or(i64::MAX);
    let wanted = asked.sought("entry", str::parse)?;
    let wanted = wanted.map_or(head, |EntryNumber(number)| number);
    let number = wanted.clamp(1, head.max(1));
    let at = asked.sought_end("at")?;
    let at = at.map(|at| at.min(application.now()));
    let (moment, entry) = if let Some(at) = at {
        (application.moment(caller, tenant, at, "at").await?, None)
    } else {
        let of_entry = application.moment_of_entry(caller, tenant, EntryNumber(number));
        let (moment, entry) = of_entry.await?;
        (moment, Some(entry))
    };
    let at = moment.at();
    let row = application.tenant_then(moment).await?;
    let apis = application
        .apis_then(moment, &page_of(&asked, "apis")?)
        .await?;
    let clients = application
        .clients_then(moment, &page_of(&asked, "clients")?)
        .await?;
    let ids: Vec<_> = clients.items.iter().map(|(_, (id, _))| *id).collect();
    let granted = clients.items.iter();
    let granted = granted.flat_map(|(_, (_, row))| row.state.grants.keys().copied());
    let granted: Vec<_> = granted.collect::<BTreeSet<_>>().into_iter().collect();
    let granted = application.apis_of_then(moment, &granted).await?;
    let secrets = application.client_secrets_then(moment, &ids).await?;
    let names = Names::of(&within, entry.iter()).await?;
    let last = moment.last();
    Ok(Shown::within("As it was", &within).show(&html! {
        h1 { "As it was" }
        p.lead { "The tenant as its roll tells it, up to entry " (last) ", at " (show::moment(at)) "." }
        section {
            form.slider method="get" action="#entry" {
                label for="entry" { "Entry " output id="entry-shown" { (last) } " of " (head) }
                input id="entry" name="entry" type="range" min="1" max=(head) value=(last) data-shows="entry-shown";
                button type="submit" { "Show" }
            }
            form.filter method="get" {
                div { label for="at" { "Or at the moment" } input id="at" name="at" value=(at) spellcheck="false"; }
                button type="submit" { "Show" }
            }
            @if let Some(entry) = &entry { p { a href=(within.at(&format!("/roll/{number}"))) { "Entry " (number) } ": " (words::sentence(entry, &names)) } }
            p {
                @if last > 1 { a href={"?entry=" (last - 1)} rel="prev" { "One entry back" } }
                @if last > 1 && last < head { " · " }
                @if last < head { a href={"?entry=" (last + 1)} rel="next" { "One entry on" } }
                " · " a href=(within.at(&format!("/difference?from={at}"))) { "What has changed since" }
            }
        }
        section {
            div.head { h2 { (row.state.display_name) } (show::tenant_state(row.state.state)) }
            dl.facts {
                dt { "Access tokens lived" } dd { (show::span(row.state.policy.access_token_seconds.into())) }
                dt { "Signed with" } dd { (row.state.policy.signing_algorithm.as_str()) }
                dt { "Live secrets of a client" } dd { "at most " (row.state.policy.max_live_secrets) }
            }
        }
        h2 { "APIs" }
        div.table tabindex="0" role="region" aria-label="APIs then" {
            table {
                thead { tr { th scope="col" { "API" } th scope="col" { "State" } th scope="col" { "Scopes" } } }
                tbody { @for (_, (_, row)) in &apis.items {
                    tr {
                        th scope="row" { (row.state.name) br; code.quiet { (row.state.identifier) } }
                        td { (show::api_state(row.state.state)) }
                        td { @for scope in row.state.scopes.keys() { code { (scope) } " " } }
                    }
                } }
            }
        }
        @if let (true, Some(end)) = (apis.has_next, apis.end) { p.more { a.button href={"?" (asked.address(&[("apis", &end.to_string())]))} { "More APIs" } } }
        h2 { "Clients" }
        @if clients.items.is_empty() { div.empty { p { "There was none." } } } @else {
            (table(&within, (&clients, &granted, &secrets), at))
            p.more {
                @if let (true, Some(end)) = (clients.has_next, clients.end) { a.button href={"?" (asked.address(&[("clients", &end.to_string())]))} rel="next" { "More clients" } " " }
                span.quiet { "The whole tenant at once: " code { "chancery audit replay --tenant " (within.slug) " --at " (at) } }
            }
        }
    }))
}

type Clients = Page<ClientId, (ClientId, Row<Client>)>;
type Apis = BTreeMap<ApiId, Row<Api>>;
type Secrets = BTreeMap<ClientId, Row<SecretRotation>>;

fn table(
    within: &Within,
    (clients, apis, secrets): (&Clients, &Apis, &Secrets),
    at: Timestamp,
) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label="Clients then" {
            table {
                thead { tr { th scope="col" { "Client" } th scope="col" { "State" } th scope="col" { "Could ask for" } th scope="col" { "Secrets" } } }
                tbody { @for (_, (id, row)) in &clients.items {
                    tr {
                        th scope="row" {
                            @let leads = words::leads(StreamId::Client(*id), within.may(Needs::TenantRead));
                            a href=[leads.map(|page| within.at(&page))] { (called(*id, &row.state)) }
                        }
                        td { (show::client_state(row.state.state(at))) }
                        td { @for (api, grant) in &row.state.grants { div { code { (grant.identifier) } " " (told(grant, apis.get(api).map(|row| &row.state))) } } }
                        td { @if let Some(secrets) = secrets.get(id) { @for secret in secrets.state.secrets.values() {
                            div { code { "…" (secret.hint) } " " (show::secret_state(secret.state(at))) }
                        } } }
                    }
                } }
            }
        }
    }
}
