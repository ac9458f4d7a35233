use axum::response::Response;
use chancery_application::{Needs, PageRequest};
use maud::html;

use crate::{fields::Asked, layout::Page, show, stop::Stop, within::Within};

/// How many stand on a page.
const ROWS: u32 = 50;

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let caller = &within.visitor.session.caller;
    let page = PageRequest {
        first: ROWS,
        after: asked.sought("after", str::parse)?,
    };
    let listed = within
        .visitor
        .application()
        .apis(caller, within.tenant, &page)
        .await?;
    let only_built_in = listed.items.iter().all(|(_, (_, row))| row.state.built_in);
    Ok(Page::within("APIs", &within).show(&html! {
        div.head {
            h1 { "APIs" }
            @if within.may(Needs::TenantAdmin) { a.button.primary href=(within.at("/apis/new")) { "Create an API" } }
        }
        p.lead { "What clients ask for tokens for. An API's identifier is the " code { "aud" } " of its tokens." }
        @if only_built_in && page.after.is_none() {
            div.empty { p { "There is none yet but the one through which this tenant is administered." } }
        }
        div.table.blocks tabindex="0" role="region" aria-label="APIs" {
            table {
                thead { tr { th scope="col" { "API" } th scope="col" { "State" } th.number scope="col" { "Scopes" } th.number scope="col" { "Roles" } th scope="col" { "Created" } } }
                tbody {
                    @for (_, (id, row)) in &listed.items {
                        tr {
                            th scope="row" {
                                a href=(within.at(&format!("/apis/{id}"))) { (row.state.name) }
                                @if row.state.built_in { " " (show::badge("info", "built in")) }
                                br; code.quiet { (row.state.identifier) }
                            }
                            td data-label="State" { (show::api_state(row.state.state)) }
                            td.number data-label="Scopes" { (row.state.scopes.len()) }
                            td.number data-label="Roles" { (row.state.roles.len()) }
                            td data-label="Created" { (show::moment(row.created_at)) }
                        }
                    }
                }
            }
        }
        @if let (true, Some(end)) = (listed.has_next, listed.end) { (show::next_page(&asked, &end.to_string())) }
    }))
}
