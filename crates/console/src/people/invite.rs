//! Inviting somebody to administer a tenant: a client of their own, and all that they need to come in.

use axum::response::Response;
use chancery_application::{ClientCreated, Invitation, Needs};
use chancery_domain::{
    Faults, access::AdminScope, client::Expiry, tenant::TenantState, value::ClientName,
};
use maud::{Markup, html};

use super::administrators::{self, is_system};
use crate::{
    fields::{Fields, one_of},
    form::{Form, Line},
    layout::Page,
    posted::Posted,
    problem::Problem,
    show,
    stop::Stop,
    within::Within,
};

const OF_TENANT: &[(&str, AdminScope)] = &[
    ("tenant:admin", AdminScope::TenantAdmin),
    ("tenant:read", AdminScope::TenantRead),
    ("audit:read", AdminScope::AuditRead),
];

const OF_SYSTEM: &[(&str, AdminScope)] = &[
    ("platform:admin", AdminScope::PlatformAdmin),
    ("platform:read", AdminScope::PlatformRead),
    ("tenant:admin", AdminScope::TenantAdmin),
    ("tenant:read", AdminScope::TenantRead),
    ("audit:read", AdminScope::AuditRead),
];

/// What each of them is for.
fn says(scope: AdminScope, is_system: bool) -> &'static str {
    match scope {
        AdminScope::PlatformAdmin => "Operator: may do everything, in every tenant",
        AdminScope::PlatformRead => "May read every tenant, and change nothing",
        AdminScope::TenantAdmin => "Administrator: may change everything in this tenant",
        AdminScope::TenantRead => "May read this tenant, and change nothing",
        AdminScope::AuditRead if is_system => {
            "Auditor: reads the roll and the activity of every tenant"
        }
        AdminScope::AuditRead => "Auditor: reads the roll and the activity",
    }
}

fn scopes(within: &Within) -> &'static [(&'static str, AdminScope)] {
    if is_system(within) {
        OF_SYSTEM
    } else {
        OF_TENANT
    }
}

pub(super) fn form(within: &Within, given: &Fields, problem: Option<&Problem>) -> Markup {
    let form = Form::new(&within.visitor, given, problem);
    let caller = &within.visitor.session.caller;
    let options: Vec<_> = scopes(within)
        .iter()
        .filter(|(_, scope)| caller.may_give(&[*scope].into()))
        .map(|(name, scope)| (*name, says(*scope, is_system(within))))
        .collect();
    let content = html! {
        (form.line(&Line::text("name", "Who", "Their name: it stands beside what they do.").required()))
        (form.choice("scope", "What they may do", "", &options))
        (form.line(&Line::number("expiresInDays", "Ends after (days)", "Empty: as the tenant's policy has it.").between(1, 3_650)))
        button.primary type="submit" { "Invite" }
    };
    html! {
        section id="invite" {
            h2 { "Invite somebody" }
            p { "One for each person: what they do stands in the roll under their name." }
            @if within.state() == Some(TenantState::Suspended) { p.aside { "The tenant is suspended: nobody of it can sign in until it is resumed." } }
            (form.to(&within.at("/administrators"), &content))
        }
    }
}

pub(crate) async fn invite(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    // The form is not on the page for anybody else, nor would be what is wrong with it.
    within.require(Needs::TenantAdmin)?;
    let mut faults = Faults::default();
    let name = ClientName::parse(fields.get("name").unwrap_or_default());
    let name = faults.take("name", name);
    let scope = faults.take(
        "scope",
        one_of(scopes(within), fields.get("scope").unwrap_or_default()),
    );
    let expiry = fields.whole("expiresInDays");
    let expiry = expiry.map(|days| days.map(Expiry::InDays));
    let expiry = faults.take_optional("expiresInDays", expiry);
    let whole = faults.finish(name.zip(scope).zip(expiry));
    let ((name, scope), expiry) = match whole {
        Ok(whole) => whole,
        Err(faults) => {
            return administrators::show(within, fields, Some(faults.into()), None).await;
        }
    };
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let invitation = Invitation {
        tenant: within.tenant,
        name: name.clone(),
        scopes: &[scope],
        expiry,
    };
    let request = posted.request("inviteAdministrator");
    match application.invite(caller, invitation, &request).await {
        Ok(created) => Ok(invited(within, &name.to_string(), scope, created)),
        Err(error) => administrators::show(within, fields, Some(Problem::of(error)?), None).await,
    }
}

/// What to hand over, shown once.
fn invited(within: &Within, name: &str, scope: AdminScope, created: ClientCreated) -> Response {
    let id = created.client;
    let console = within.visitor.application().console_url();
    let address = format!(
        "{console}/console/sign-in?tenant={}&client={id}",
        within.slug
    );
    let secret = created
        .secret
        .and_then(|secret| Some(secret.plaintext?.reveal()));
    let page = Page::within("Invited", within);
    page.showing_once(secret.is_some()).show(&html! {
        h1 { (name) " is invited" }
        p.lead { (says(scope, is_system(within))) ". Hand these over, the secret on another way than the rest." }
        section.once {
            @match &secret {
                None => {
                    h2 { "This was done before" }
                    p { "The form was sent again. The secret was shown the first time, and nobody can show it again. If you do not have it, rotate the secret." }
                }
                Some(_) => {
                    h2 { "Keep this now" }
                    p { "The secret is shown this once. Nobody can show it again." }
                }
            }
            dl.facts {
                dt { "Sign-in page" } dd { a href=(address) { (address) } " " (show::copy(&address, "Copy the address")) }
                dt { "Tenant" } dd { code { (within.slug) } }
                dt { "Client id" } dd { (show::id(&id)) }
                @if let Some(secret) = &secret {
                    dt { "Client secret" }
                    dd {
                        pre tabindex="0" { code data-secret { (secret) } }
                        (show::copy(secret, "Copy the secret"))
                    }
                }
            }
        }
        @if [AdminScope::PlatformAdmin, AdminScope::TenantAdmin].contains(&scope) {
            p { "They may rotate the secret once they are in, so that nobody but them has it." }
        } @else {
            p { "They cannot rotate the secret themselves, since that is a change: an administrator can, on the page of " a href=(within.at(&format!("/clients/{id}"))) { "their client" } "." }
        }
        p { a.button href=(within.at("/administrators")) { "To the administrators" } }
    })
}
