//! The shell of every page.

use axum::response::{IntoResponse, Response};
use chancery_application::Needs;
use chancery_domain::{access::AdminScope, tenant::TenantState};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use crate::{
    answered::ShownOnce, assets, form, refused::Refused, show, visitor::Visitor, within::Within,
};

/// A page for somebody who is signed in.
pub(crate) struct Page<'a> {
    title: String,
    visitor: &'a Visitor,
    /// The tenant that the page is about.
    within: Option<&'a Within>,
    status: StatusCode,
    notice: Option<&'static str>,
    refused: Option<&'a Refused>,
    shows_once: bool,
}

impl<'a> Page<'a> {
    /// A page about no tenant.
    pub(crate) fn new(title: impl Into<String>, visitor: &'a Visitor) -> Self {
        Self {
            title: title.into(),
            visitor,
            within: None,
            status: StatusCode::OK,
            notice: None,
            refused: None,
            shows_once: false,
        }
    }

    /// A page about a tenant.
    pub(crate) fn within(title: impl Into<String>, within: &'a Within) -> Self {
        Self {
            within: Some(within),
            ..Self::new(title, &within.visitor)
        }
    }

    /// With what has just been done.
    pub(crate) fn noting(mut self, notice: Option<&'static str>) -> Self {
        self.notice = notice;
        self
    }

    /// As the answer to a form that cannot be used.
    pub(crate) fn refused(mut self, is_refused: bool) -> Self {
        if is_refused {
            self.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        self
    }

    /// As the answer to one of its forms that cannot be used.
    pub(crate) fn refusing(mut self, refused: Option<&'a Refused>) -> Self {
        self.refused = refused;
        self.refused(refused.is_some())
    }

    /// With a secret that is shown this once, or not.
    pub(crate) fn showing_once(mut self, is_it: bool) -> Self {
        self.shows_once = is_it;
        self
    }

    pub(crate) fn show(self, content: &Markup) -> Response {
        let markup = document(
            &self.title,
            &html! {
                a.skip href="#main" { "Skip to the content" }
                (self.header())
                div.frame {
                    @if let Some(within) = self.within { (side(within)) }
                    main id="main" tabindex="-1" {
                        @if let Some(notice) = self.notice {
                            p.notice role="status" { (notice) }
                        }
                        @if let Some(refused) = self.refused { (refused.elsewhere()) }
                        (content)
                        p.foot.quiet { "Moments are in UTC." }
                    }
                }
            },
        );
        let mut response = (self.status, markup).into_response();
        if self.shows_once {
            response.extensions_mut().insert(ShownOnce);
        }
        response
    }

    fn header(&self) -> Markup {
        let session = &self.visitor.session;
        let caller = &session.caller;
        let everywhere = caller.holds(AdminScope::PlatformRead) || caller.audits_every_tenant();
        let at = |page: &str| (self.visitor.path == page).then_some("page");
        html! {
            header.top {
                a.brand href="/console" aria-label="Chancery" { (mark()) span { "Chancery" } }
                nav aria-label="Console" {
                    @if everywhere {
                        a href="/console/tenants" aria-current=[at("/console/tenants")] { "Tenants" }
                    } @else {
                        a href="/console" { (session.slug) }
                    }
                    a href="/console/find" aria-current=[at("/console/find")] { "Find" }
                    a.wide href="/console/start" aria-current=[at("/console/start")] { "First steps" }
                }
                details.who {
                    summary { (session.name.as_deref().unwrap_or("Signed in")) }
                    div.panel {
                        p { "Signed in as" br; strong { (session.name.as_deref().unwrap_or("a client without a name")) } }
                        p.quiet { code { (session.client) } br; "of " (session.slug) }
                        p.narrow { a href="/console/start" { "First steps" } }
                        p { a href="/console/sessions" { "Where you are signed in" } }
                        (form::button(self.visitor, "/console/sign-out", "plain", "Sign out"))
                        (form::button(self.visitor, "/console/sign-out/everywhere", "plain", "Sign out everywhere"))
                    }
                }
            }
        }
    }
}

/// The pages of a tenant, each with what opens it: one of these is enough.
const PAGES: &[(&str, &str, &[Needs])] = &[
    ("", "Overview", &[Needs::TenantRead]),
    ("/clients", "Clients", &[Needs::TenantRead]),
    ("/apis", "APIs", &[Needs::TenantRead]),
    (
        "/administrators",
        "Administrators",
        &[Needs::TenantRead, Needs::AuditRead],
    ),
    ("/calendar", "Calendar", &[Needs::TenantRead]),
    ("/keys", "Signing keys", &[Needs::TenantRead]),
    ("/policy", "Policy", &[Needs::TenantRead]),
    ("/activity", "Activity", &[Needs::AuditRead]),
    ("/roll", "Roll", &[Needs::AuditRead]),
    ("/past", "As it was", &[Needs::AuditRead]),
    ("/difference", "Compare", &[Needs::AuditRead]),
];

fn side(within: &Within) -> Markup {
    let path = within.visitor.path.as_str();
    let base = within.at("");
    let rest = path.strip_prefix(base.as_str()).unwrap_or_default();
    let is_here = |page: &str| {
        if page.is_empty() {
            rest.is_empty()
        } else {
            rest.starts_with(page)
        }
    };
    html! {
        nav.side aria-label={"Tenant " (within.slug)} {
            p.tenant {
                span.quiet { "Tenant" } br; strong { (within.slug) }
                @if let Some(state) = within.state().filter(|state| *state != TenantState::Active) { " " (show::tenant_state(state)) }
            }
            ul {
                @for (page, name, _) in PAGES.iter().filter(|(.., needs)| needs.iter().any(|needs| within.may(*needs))) {
                    li { a href={(base) (page)} aria-current=[is_here(page).then_some("page")] { (name) } }
                }
            }
        }
    }
}

/// A page for anybody.
pub(crate) fn bare(title: &str, content: &Markup) -> Markup {
    document(
        title,
        &html! {
            a.skip href="#main" { "Skip to the content" }
            main.bare id="main" tabindex="-1" {
                p.brand { (mark()) span { "Chancery" } }
                (content)
            }
        },
    )
}

/// A page that leads on to this address of the console at once.
pub(crate) fn onward(next: &str) -> Markup {
    bare(
        "One moment",
        &html! {
            meta http-equiv="refresh" content={"0; url=" (next)};
            h1 { "One moment" }
            p { a.button href=(next) { "Go on" } }
        },
    )
}

fn document(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Chancery" }
                link rel="stylesheet" href=(assets::STYLES.address());
                link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
                script src=(assets::SCRIPT.address()) defer {}
            }
            body { (content) }
        }
    }
}

/// The sign of the house: a seal on a roll.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            path d="M5 3h11a3 3 0 0 1 3 3v9" class="line" {}
            path d="M5 3a2 2 0 0 0-2 2v1h4" class="line" {}
            path d="M7 5v14a2 2 0 0 0 2 2h4" class="line" {}
            circle cx="17.5" cy="18" r="4" class="seal" {}
        }
    }
}
