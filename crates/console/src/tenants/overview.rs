use axum::response::{Redirect, Response};
use chancery_application::{Kind, Needs, PageRequest};
use chancery_domain::{
    access::AdminScope,
    tenant::{Tenant, TenantState},
};
use maud::{Markup, html};

use crate::{
    fields::{Asked, NOTHING},
    form::{Form, Line},
    layout::Page,
    refused::Refused,
    show,
    stop::Stop,
    within::Within,
};

/// How far the overview looks ahead, in days, and how much it counts.
const SOON_DAYS: u32 = 30;
const SOON: u32 = 100;

/// What a page says after it was changed.
fn done(word: Option<&str>) -> Option<&'static str> {
    Some(match word? {
        "created" => "The tenant is created. Next: an API, then a client.",
        "suspended" => "The tenant is suspended: no token is issued until it is resumed.",
        "resumed" => "The tenant is resumed: its clients obtain tokens again.",
        "closed" => "The tenant is closed. Its roll stays.",
        "policy" => "The policy is saved.",
        _ => return None,
    })
}

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    show(&within, None, done(asked.get("done"))).await
}

/// Whoever types an address may end it with a slash.
pub(crate) async fn whole(within: Within) -> Redirect {
    Redirect::to(&within.at(""))
}

/// The page of a tenant; with what is wrong with one of its forms.
pub(super) async fn show(
    within: &Within,
    refused: Option<&Refused>,
    notice: Option<&'static str>,
) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let tenant = within.tenant;
    let row = application.tenant(caller, tenant).await?;
    let head = application.head(caller, tenant).await?;
    let page = PageRequest {
        first: SOON,
        after: None,
    };
    let soon = application
        .upcoming(caller, tenant, SOON_DAYS, &page)
        .await?;
    let counts = application.counts_of(caller, &[tenant]).await?;
    let counts = counts.into_values().next().transpose()?.unwrap_or_default();
    let used = application.tokens_of_last_day(caller, &[tenant]).await?;
    let tokens = used.get(&tenant).copied();
    let issuer = application.public_url().issuer(&row.state.slug);
    let clients = counts.of(Kind::EnabledClient) + counts.of(Kind::DisabledClient);
    // The built-in admin API is one of them.
    let apis = counts.of(Kind::ActiveApi) - 1;
    let policy = &row.state.policy;
    Ok(Page::within(row.state.display_name.as_str(), within)
        .noting(notice)
        .refusing(refused)
        .show(&html! {
            div.head {
                h1 { (row.state.display_name) }
                (show::tenant_state(row.state.state))
            }
            @if row.state.state == TenantState::Active && within.may(Needs::TenantAdmin) && (apis == 0 || clients == 0) {
                div.empty {
                    h2 { "Next" }
                    @if apis == 0 {
                        p { "This tenant has no API yet: nothing that its clients could ask for." }
                        p { a.button.primary href=(within.at("/apis/new")) { "Create an API" } }
                    } @else {
                        p { "This tenant has no client yet: nobody who could ask for a token." }
                        p { a.button.primary href=(within.at("/clients/new")) { "Create a client" } }
                    }
                }
            }
            (show::only_read(within))
            ul.cards {
                li { a href=(within.at("/clients")) { span.big { (clients) } span { (if clients == 1 { "client" } else { "clients" }) } } }
                li { a href=(within.at("/apis")) { span.big { (apis) } span { (if apis == 1 { "API" } else { "APIs" }) } } }
                @if let Some(tokens) = tokens { li { a href=(within.at("/activity")) { span.big { (tokens) } span { "tokens in 24 hours" } } } }
                li { a href=(within.at("/calendar?days=30")) { span.big { (soon.items.len()) @if soon.has_next { "+" } } span { "due or ending in 30 days" } } }
                @if within.may(Needs::AuditRead) { li { a href=(within.at("/roll")) { span.big { (head) } span { "entries in the roll" } } } }
            }
            section {
                h2 { "Addresses" }
                dl.facts {
                    dt { "Issuer" } dd { (show::id(&issuer)) }
                    dt { "Token endpoint" } dd { (show::id(&format!("{issuer}/oauth2/token"))) }
                    dt { "Key set" } dd { (show::id(&format!("{issuer}/oauth2/jwks"))) }
                    dt { "Id" } dd { (show::id(&tenant)) }
                    dt { "Created" } dd { (show::moment(row.created_at)) }
                }
            }
            section {
                h2 { "Policy" }
                dl.facts {
                    dt { "Access tokens live" } dd { (show::span(policy.access_token_seconds.into())) ", signed with " (policy.signing_algorithm.as_str()) }
                    dt { "Live secrets of a client" } dd { "at most " (policy.max_live_secrets) }
                    dt { "After a rotation" } dd { "the old secret works for another " (show::span(policy.rotation_overlap_seconds.into())) }
                }
                p { a href=(within.at("/policy")) { "The whole policy" } }
            }
            @if caller.holds(AdminScope::PlatformAdmin) && !row.state.slug.is_system() {
                (ending(within, &row.state, refused))
            }
        }))
}

/// Suspending, resuming, closing.
fn ending(within: &Within, row: &Tenant, refused: Option<&Refused>) -> Markup {
    let form = |what: &str, content: &dyn Fn(&Form<'_>) -> Markup| {
        let form = Form::one_of(&within.visitor, what, &NOTHING, refused);
        form.to(
            &within.at("/state"),
            &html! { input type="hidden" name="do" value=(what); (content(&form)) },
        )
    };
    html! {
        @match row.state {
            TenantState::Closed => {},
            TenantState::Suspended => {
                section.danger {
                    h2 { "Resume" }
                    (form("resume", &|_| html! {
                        p { "Its clients obtain tokens again at once." }
                        button.primary type="submit" { "Resume the tenant" }
                    }))
                }
            },
            TenantState::Active => {
                section.danger {
                    h2 { "Suspend" }
                    (form("suspend", &|form| html! {
                        p { "No token is issued until it is resumed, tokens that are out count as inactive, and whoever of it is signed in here is signed out." }
                        (form.line(&Line::reason()))
                        button type="submit" { "Suspend the tenant" }
                    }))
                }
            },
        }
        @if row.state != TenantState::Closed {
            section.danger {
                h2 { "Close" }
                (form("close", &|form| html! {
                    p { "This cannot be undone. No token is issued any more, nothing can be changed, and the short name is never given again. The roll stays." }
                    (form.line(&Line::reason()))
                    (form.confirmation(row.slug.as_str()))
                    button.bad type="submit" { "Close the tenant for good" }
                }))
            }
        }
    }
}
