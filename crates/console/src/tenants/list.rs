use axum::response::Response;
use chancery_application::{Kind, PageRequest, Search, TenantFilter};
use chancery_domain::{TenantId, access::AdminScope, tenant::TenantState};
use maud::html;

use super::audited;
use crate::{
    fields::{Asked, one_of},
    find,
    layout::Page,
    show,
    stop::Stop,
    visitor::Visitor,
};

/// How many stand on a page.
pub(super) const ROWS: u32 = 50;

const STATES: &[(&str, TenantState)] = &[
    ("active", TenantState::Active),
    ("suspended", TenantState::Suspended),
    ("closed", TenantState::Closed),
];

pub(crate) async fn page(visitor: Visitor, Asked(asked): Asked) -> Result<Response, Stop> {
    if let Some(found) = find::by_id(&visitor, asked.get("q")).await? {
        return Ok(found);
    }
    let application = visitor.application();
    let caller = &visitor.session.caller;
    let filter = TenantFilter {
        search: asked.sought("q", Search::parse)?,
        states: asked
            .sought("state", |text| one_of(STATES, text))?
            .map(|state| vec![state]),
        created_since: None,
    };
    if !caller.holds(AdminScope::PlatformRead) && caller.audits_every_tenant() {
        return audited::page(&visitor, &asked, &filter).await;
    }
    let page = PageRequest {
        first: ROWS,
        after: asked.sought("after", str::parse)?,
    };
    let listed = application.tenants(caller, &filter, page).await?;
    let ids: Vec<TenantId> = listed.items.iter().map(|(_, (id, _))| *id).collect();
    let counts = application.counts_of(caller, &ids).await?;
    let tokens = application.tokens_of_last_day(caller, &ids).await?;
    let count = |id: &TenantId, kinds: &[Kind]| -> i64 {
        let of = counts.get(id).and_then(|counts| counts.as_ref().ok());
        kinds
            .iter()
            .map(|kind| of.map_or(0, |counts| counts.of(*kind)))
            .sum()
    };
    let is_filtered = asked.get("q").is_some() || asked.get("state").is_some();
    let may_create = caller.holds(AdminScope::PlatformAdmin);
    Ok(Page::new("Tenants", &visitor).show(&html! {
        div.head {
            h1 { "Tenants" }
            @if may_create { a.button.primary href="/console/tenants/new" { "Create a tenant" } }
        }
        form.filter method="get" role="search" {
            div { label for="q" { "Slug or name begins with, or id" } input id="q" name="q" type="search" value=(asked.raw("q")); }
            div {
                label for="state" { "State" }
                select id="state" name="state" {
                    option value="" { "any" }
                    @for (name, _) in STATES { option value=(name) selected[asked.raw("state") == *name] { (name) } }
                }
            }
            button type="submit" { "Show" }
        }
        @if listed.items.is_empty() {
            div.empty {
                @if is_filtered {
                    p { "No tenant is like that. " a href="/console/tenants" { "Show all of them" } "." }
                } @else {
                    p { "There is no tenant yet. " a href="/console/start" { "Begin here" } "." }
                }
            }
        } @else {
            div.table.blocks tabindex="0" role="region" aria-label="Tenants" {
                table {
                    thead { tr {
                        th scope="col" { "Tenant" } th scope="col" { "State" }
                        th.number scope="col" { "Clients" } th.number scope="col" { "APIs" }
                        th.number scope="col" { "Tokens, 24 h" }
                        th scope="col" { "Created" }
                    } }
                    tbody {
                        @for (_, (id, row)) in &listed.items {
                            tr {
                                th scope="row" {
                                    a href={"/console/t/" (row.state.slug)} { (row.state.display_name) }
                                    br; span.quiet { (row.state.slug) }
                                }
                                td data-label="State" { (show::tenant_state(row.state.state)) }
                                td.number data-label="Clients" { (count(id, &[Kind::EnabledClient, Kind::DisabledClient])) }
                                td.number data-label="APIs" { (count(id, &[Kind::ActiveApi]).saturating_sub(1).max(0)) }
                                td.number data-label="Tokens, 24 h" { (tokens.get(id).copied().unwrap_or_default()) }
                                td data-label="Created" { (show::moment(row.created_at)) }
                            }
                        }
                    }
                }
            }
            @if let (true, Some(end)) = (listed.has_next, &listed.end) {
                (show::next_page(&asked, &end.to_string()))
            }
        }
    }))
}
