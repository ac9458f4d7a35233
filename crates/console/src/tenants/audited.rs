//! The tenants as an auditor of all of them sees them: to be found, and no more.

use axum::response::Response;
use chancery_application::{PageRequest, TenantFilter};
use chancery_domain::TenantId;
use maud::html;

use super::list::ROWS;
use crate::{fields::Fields, layout::Page, show, stop::Stop, visitor::Visitor};

pub(super) async fn page(
    visitor: &Visitor,
    asked: &Fields,
    filter: &TenantFilter,
) -> Result<Response, Stop> {
    let application = visitor.application();
    let caller = &visitor.session.caller;
    let page = PageRequest {
        first: ROWS,
        after: asked.sought("after", str::parse)?,
    };
    let listed = application.audited_tenants(caller, filter, page).await?;
    let ids: Vec<TenantId> = listed.items.iter().map(|(_, (id, _))| *id).collect();
    let tokens = application.tokens_of_last_day(caller, &ids).await?;
    Ok(Page::new("Tenants", visitor).show(&html! {
        h1 { "Tenants" }
        p.lead { "Every tenant whose roll and activity you may read." }
        form.filter method="get" role="search" {
            div { label for="q" { "Slug or name begins with, or id" } input id="q" name="q" type="search" value=(asked.raw("q")); }
            button type="submit" { "Show" }
        }
        @if listed.items.is_empty() {
            div.empty { p { "No tenant is like that. " a href="/console/tenants" { "Show all of them" } "." } }
        } @else {
            div.table tabindex="0" role="region" aria-label="Tenants" { table {
                thead { tr { th scope="col" { "Tenant" } th scope="col" { "State" } th.number scope="col" { "Tokens, 24 h" } th scope="col" { "Activity" } } }
                tbody { @for (_, (id, tenant)) in &listed.items {
                    tr {
                        th scope="row" { a href={"/console/t/" (tenant.slug) "/roll"} { (tenant.name) } br; span.quiet { (tenant.slug) } }
                        td { (show::tenant_state(tenant.state)) }
                        td.number { (tokens.get(id).copied().unwrap_or_default()) }
                        td { a href={"/console/t/" (tenant.slug) "/activity"} aria-label={"The activity of " (tenant.name)} { "Show" } }
                    }
                } }
            } }
            @if let (true, Some(end)) = (listed.has_next, &listed.end) { (show::next_page(asked, &end.to_string())) }
        }
    }))
}
