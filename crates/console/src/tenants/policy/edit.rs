//! The form of a policy.

use axum::response::Response;
use chancery_domain::tenant::{SigningAlgorithm, TenantPolicy};
use maud::html;

use super::{differences, parse::WAYS};
use crate::{
    fields::Fields,
    form::{Form, Line},
    layout::Page,
    problem::Problem,
    show,
    within::Within,
};

pub(super) fn show(within: &Within, given: &Fields, problem: Option<&Problem>) -> Response {
    let form = Form::new(&within.visitor, given, problem);
    let algorithms: Vec<_> = SigningAlgorithm::ALL
        .iter()
        .map(|algorithm| (algorithm.as_str(), algorithm.as_str()))
        .collect();
    let content = html! {
        fieldset {
            legend { "Tenant" }
            (form.line(&Line::text("displayName", "Name", "").required()))
        }
        fieldset {
            legend { "Tokens" }
            (form.line(&Line::number("accessTokenSeconds", "Access tokens live (seconds)", "60 to 86400. APIs can have their own.").required()))
            (form.line(&Line::number("refreshTokenSeconds", "Refresh tokens live (seconds)", "60 to 31536000. Empty: there are none.")))
            (form.choice("signingAlgorithm", "Signed with", "APIs can have their own.", &algorithms))
            (form.line(&Line::number("signingKeyRotationDays", "Signing keys are rotated after (days)", "Empty: by hand.")))
        }
        fieldset {
            legend { "How clients may authenticate" }
            @for (way, text) in WAYS { (form.tick("allowedAuthMethods", way.as_str(), text)) }
        }
        fieldset {
            legend { "Clients" }
            (form.tick("requireClientName", "yes", "Every client needs a name"))
            (form.tick("allowMetadata", "yes", "Clients may carry metadata"))
            (form.line(&Line::number("clientLifetimeDays.min", "Live at least (days)", "").required()))
            (form.line(&Line::number("clientLifetimeDays.max", "Live at most (days)", "Empty: without bound.")))
            (form.line(&Line::number("clientLifetimeDays.default", "Unless said otherwise (days)", "Empty: without an end.")))
        }
        fieldset {
            legend { "Secrets" }
            (form.line(&Line::number("secretLifetimeDays", "Live at most (days)", "1 to 3650. Empty: without bound.")))
            (form.line(&Line::number("secretRotationDays", "To be rotated every (days)", "1 to 1825. Empty: as each client has it.")))
            (form.line(&Line::number("maxLiveSecrets", "Live at the same time", "1 to 5 of one client.").required()))
            (form.line(&Line::number("rotationOverlapSeconds", "After a rotation the old one works for (seconds)", "0 to 2592000, which is 30 days.").required()))
        }
        @for (whose, title) in [("client", "Requests for tokens of each client"), ("tenant", "Requests for tokens of the tenant as a whole")] {
            fieldset {
                legend { (title) }
                (form.line(&Line::number(&format!("rateLimit.{whose}.requests"), "At most", "Empty: no limit.")))
                (form.line(&Line::number(&format!("rateLimit.{whose}.windowSeconds"), "In (seconds)", "")))
                (form.tick(&format!("rateLimit.{whose}.enforce"), "yes", "Refuse what is beyond it, and do not only count it"))
            }
        }
        div.actions {
            button.primary type="submit" { "Review the changes" }
            a.button href=(within.at("")) { "Cancel" }
        }
    };
    Page::within("Policy", within)
        .refused(problem.is_some())
        .show(&html! {
            h1 { "Policy" }
            p.lead { "What holds for the clients, secrets and tokens of this tenant. Nothing is saved before you have seen what changes." }
            (form.to(&within.at("/policy"), &content))
        })
}

/// The policy of somebody who may not change it.
pub(super) fn read(within: &Within, policy: &TenantPolicy) -> Response {
    Page::within("Policy", within).show(&html! {
        h1 { "Policy" }
        p.lead { "What holds for the clients, secrets and tokens of this tenant." }
        (show::only_read(within))
        section { dl.facts {
            @for (what, value) in differences::described(policy) { dt { (what) } dd { (value) } }
        } }
    })
}
