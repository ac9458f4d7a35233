//! Where somebody comes in, and the first steps.

use axum::{
    response::{Redirect, Response},
    routing::get,
};
use chancery_application::{Needs, PageRequest, TenantFilter};
use chancery_domain::access::AdminScope;
use maud::html;

use crate::{layout::Page, routes::Routes, stop::Stop, visitor::Visitor};

pub(crate) fn routes() -> Routes {
    Routes::default()
        .beside("/console", get(home))
        .beside("/console/", get(home))
        .page("/console/start", get(start))
        .beside("/console/{*rest}", get(|| async { Stop::NothingHere }))
}

/// To what its reader may see first.
async fn home(visitor: Visitor) -> Result<Redirect, Stop> {
    let session = &visitor.session;
    if session.caller.holds(AdminScope::PlatformRead) {
        let page = PageRequest {
            first: 2,
            after: None,
        };
        let tenants = visitor
            .application()
            .tenants(&session.caller, &TenantFilter::default(), page)
            .await?;
        // Only the operators' own: nothing has been set up yet.
        return Ok(Redirect::to(if tenants.items.len() < 2 {
            "/console/start"
        } else {
            "/console/tenants"
        }));
    }
    if session.caller.audits_every_tenant() {
        return Ok(Redirect::to("/console/tenants"));
    }
    let slug = &session.slug;
    // Who may only audit has nothing to see on the tenant's own page.
    let first = if session.caller.may(Needs::TenantRead, session.tenant) {
        ""
    } else {
        "/roll"
    };
    Ok(Redirect::to(&format!("/console/t/{slug}{first}")))
}

/// From nothing to the first token.
async fn start(visitor: Visitor) -> Response {
    let session = &visitor.session;
    let caller = &session.caller;
    let is_operator = caller.holds(AdminScope::PlatformAdmin);
    let slug = session.slug.to_string();
    let may_read = caller.may(Needs::TenantRead, session.tenant);
    // An operator's own tenant is not the one that this is for.
    let makes = (!is_operator && caller.may(Needs::TenantAdmin, session.tenant))
        .then(|| format!("/console/t/{slug}"));
    let tenant = if is_operator { "…" } else { slug.as_str() };
    let where_to = |page: &str, says: &str, where_else: &str| {
        html! {
            @match &makes {
                Some(tenant) => p { a.button href={(tenant) "/" (page) "/new"} { (says) } },
                None if is_operator => p { "On the tenant's page: " strong { (where_else) } ", then " strong { (says) } "." },
                None => p.quiet { "An administrator of the tenant does this." },
            }
        }
    };
    Page::new("First steps", &visitor).show(&html! {
        h1 { "From nothing to the first token" }
        p.lead { "Four things, in this order. Each takes a minute." }
        ol.steps {
            li {
                h2 { "A tenant" }
                p { "One for each organisation or environment. It has its own issuer, its own signing keys and its own roll." }
                @if is_operator {
                    p { a.button href="/console/tenants/new" { "Create a tenant" } }
                } @else {
                    p { "Yours is " a href={"/console/t/" (slug) (if may_read { "" } else { "/roll" })} { strong { (slug) } } "." }
                }
            }
            li {
                h2 { "An API" }
                p { "What your services call: an identifier, which becomes the " code { "aud" } " of its tokens, and the scopes that it knows." }
                (where_to("apis", "Create an API", "APIs"))
            }
            li {
                h2 { "A client" }
                p { "The program that calls it. Its id and its secret are shown once; put them where the program finds them." }
                (where_to("clients", "Create a client", "Clients"))
            }
            li {
                h2 { "A token" }
                p { "With the id and the secret, from the tenant's token endpoint:" }
                pre tabindex="0" { code {
                    "curl -u \"$CLIENT_ID:$CLIENT_SECRET\" -d grant_type=client_credentials \\\n  "
                    (visitor.application().public_url()) "/t/" (tenant) "/oauth2/token"
                } }
                p { "The page of each client lets you try that without leaving the console." }
            }
        }
    })
}
