//! The policy: shown, changed, and what a change does before it is saved.

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{PolicyPreview, TenantChange};
use chancery_domain::{
    Faults, Invalid,
    access::AdminScope,
    tenant::{
        PolicyChange, PolicyEffect, RateLimit, SigningAlgorithm, TenantPolicy, TokenAuthMethod,
    },
    value::{DisplayName, Patch},
};
use maud::{Markup, html};

use crate::{
    fields::Fields,
    form::{Form, Line},
    layout::Page,
    posted::Posted,
    problem::Problem,
    show,
    stop::{Stop, capitalised},
    within::Within,
};

const WAYS: &[(TokenAuthMethod, &str)] = &[
    (
        TokenAuthMethod::ClientSecretBasic,
        "Secret in the header (client_secret_basic)",
    ),
    (
        TokenAuthMethod::ClientSecretPost,
        "Secret in the body (client_secret_post)",
    ),
    (
        TokenAuthMethod::ClientSecretJwt,
        "Assertion keyed with the secret (client_secret_jwt)",
    ),
    (
        TokenAuthMethod::PrivateKeyJwt,
        "Assertion signed with a key (private_key_jwt)",
    ),
];

/// How many clients are named for each rule that a change breaks.
const NAMED: usize = 10;

const ALGORITHMS: &[SigningAlgorithm] = &[
    SigningAlgorithm::Es256,
    SigningAlgorithm::Rs256,
    SigningAlgorithm::EdDsa,
];

pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let row = application
        .tenant(&within.visitor.session.caller, within.tenant)
        .await?;
    let given = fields_of(&row.state.policy).with("displayName", row.state.display_name.as_str());
    Ok(edit(&within, &given, None))
}

pub(crate) async fn save(form: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&form.from, &form.fields);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let row = application.tenant(caller, within.tenant).await?;
    let (display_name, change) = match parse(fields) {
        Ok(parsed) => parsed,
        Err(faults) => return Ok(edit(within, fields, Some(&faults.into()))),
    };
    let after = match change.over(&row.state.policy) {
        Ok(after) => after,
        Err(faults) => return Ok(edit(within, fields, Some(&named(faults).into()))),
    };
    if fields.get("step") != Some("save") {
        let mut changes = differences(&row.state.policy, &after);
        if display_name != row.state.display_name {
            changes.insert(
                0,
                (
                    "Name".to_owned(),
                    row.state.display_name.to_string(),
                    display_name.to_string(),
                ),
            );
        }
        let previewed = application.preview_policy(caller, within.tenant, &change, NAMED);
        return match previewed.await {
            Ok(preview) => Ok(review(within, fields, &changes, &preview)),
            Err(error) => Ok(edit(within, fields, Some(&Problem::of(error)?))),
        };
    }
    let change = TenantChange {
        display_name: Some(display_name).filter(|name| *name != row.state.display_name),
        policy: change,
        refuse_if_breaks: false,
    };
    let saved = application
        .update_tenant(caller, within.tenant, change, &form.request("updateTenant"))
        .await;
    match saved {
        Ok(_) => Ok(Redirect::to(&within.at("?done=policy")).into_response()),
        Err(error) => Ok(edit(within, fields, Some(&Problem::of(error)?))),
    }
}

fn edit(within: &Within, given: &Fields, problem: Option<&Problem>) -> Response {
    let form = Form::new(&within.visitor, given, problem);
    let algorithms: Vec<_> = ALGORITHMS
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
    let may_change = within.visitor.session.caller.holds(AdminScope::TenantAdmin)
        || within
            .visitor
            .session
            .caller
            .holds(AdminScope::PlatformAdmin);
    Page::within("Policy", within)
        .refused(problem.is_some())
        .show(&html! {
            h1 { "Policy" }
            p.lead { "What holds for the clients, secrets and tokens of this tenant. Nothing is saved before you have seen what changes." }
            @if !may_change { p.notice { "You can read this, but not change it." } }
            (form.to(&within.at("/policy"), &content))
        })
}

type Changed = (String, String, String);

/// What changes, before it is saved.
fn review(
    within: &Within,
    given: &Fields,
    changes: &[Changed],
    preview: &PolicyPreview,
) -> Response {
    let form = Form::new(&within.visitor, given, None);
    let content = html! {
        (given.hidden(&["form_token", "command", "step"]))
        input type="hidden" name="step" value="save";
        div.actions {
            button.primary type="submit" { "Save the policy" }
            a.button href=(within.at("/policy")) { "Start again" }
        }
    };
    Page::within("Review the policy", within).show(&html! {
        h1 { "Review the changes" }
        @if changes.is_empty() {
            div.empty { p { "Nothing would change. " a href=(within.at("/policy")) { "Back to the policy" } "." } }
        } @else {
            div.table tabindex="0" role="region" aria-label="What changes" {
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                    tbody {
                        @for (what, before, after) in changes {
                            tr { th scope="row" { (what) } td { (before) } td { strong { (after) } } }
                        }
                    }
                }
            }
            (breaks(within, preview))
            @if preview.refusal.is_none() { (form.to(&within.at("/policy"), &content)) }
        }
    })
}

/// What the change would break.
fn breaks(within: &Within, preview: &PolicyPreview) -> Markup {
    html! {
        @if preview.refusal.is_some() {
            div.problem role="alert" {
                p { strong { "This cannot be saved. " } "It would leave no administrator of the platform who may authenticate." }
            }
        }
        @if preview.breaks.is_empty() {
            p.notice { "It breaks nothing that is there." }
        } @else {
            section.danger {
                h2 { "What it breaks" }
                ul {
                    @for broken in &preview.breaks {
                        li {
                            p {
                                @match broken.effect {
                                    PolicyEffect::Stops => { (show::badge("bad", "stops")) }
                                    PolicyEffect::MayStop => { (show::badge("warn", "may stop")) }
                                    PolicyEffect::Stands => { (show::badge("info", "stays as it is")) }
                                }
                                " " strong { (broken.count) @if broken.more { "+" } " clients. " } (capitalised(&broken.message))
                            }
                            @if !broken.clients.is_empty() {
                                ul { @for client in &broken.clients {
                                    li { a href=(within.at(&format!("/clients/{}", client.id))) { (client.row.state.name.as_ref().map_or_else(|| client.id.to_string(), ToString::to_string)) } }
                                } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn differences(before: &TenantPolicy, after: &TenantPolicy) -> Vec<Changed> {
    let described = |policy: &TenantPolicy| -> Vec<(&'static str, String)> {
        let seconds = |seconds: u32| format!("{seconds} s ({})", show::span(seconds.into()));
        let days = |days: Option<u32>, none: &str| {
            days.map_or(none.to_owned(), |days| format!("{days} days"))
        };
        let limit = |limit: Option<RateLimit>| {
            limit.map_or("none".to_owned(), |limit| {
                let how = if limit.enforce {
                    "refused beyond"
                } else {
                    "counted"
                };
                format!("{} in {} s, {how}", limit.requests, limit.window_seconds)
            })
        };
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let ways: Vec<_> = policy
            .allowed_auth_methods
            .iter()
            .map(|way| way.as_str())
            .collect();
        let lifetime = &policy.client_lifetime_days;
        vec![
            ("Access tokens live", seconds(policy.access_token_seconds)),
            (
                "Refresh tokens live",
                policy
                    .refresh_token_seconds
                    .map_or("there are none".to_owned(), seconds),
            ),
            ("Signed with", policy.signing_algorithm.as_str().to_owned()),
            (
                "Signing keys are rotated",
                days(policy.signing_key_rotation_days, "by hand"),
            ),
            (
                "Secrets are to be rotated every",
                days(policy.secret_rotation_days, "never"),
            ),
            ("How clients may authenticate", ways.join(", ")),
            ("Every client needs a name", yes(policy.require_client_name)),
            ("Clients may carry metadata", yes(policy.allow_metadata)),
            ("Clients live at least", days(Some(lifetime.min), "")),
            ("Clients live at most", days(lifetime.max, "without bound")),
            (
                "Clients live unless said otherwise",
                days(lifetime.default, "without an end"),
            ),
            (
                "Secrets live at most",
                days(policy.secret_lifetime_days, "without bound"),
            ),
            (
                "Live secrets of a client",
                policy.max_live_secrets.to_string(),
            ),
            (
                "An old secret works after a rotation for",
                seconds(policy.rotation_overlap_seconds),
            ),
            ("Limit of each client", limit(policy.rate_limit.client)),
            ("Limit of the tenant", limit(policy.rate_limit.tenant)),
        ]
    };
    described(before)
        .into_iter()
        .zip(described(after))
        .filter(|(before, after)| before.1 != after.1)
        .map(|((what, before), (_, after))| (what.to_owned(), before, after))
        .collect()
}

fn fields_of(policy: &TenantPolicy) -> Fields {
    let optional = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
    let lifetime = &policy.client_lifetime_days;
    let mut fields = Fields::default()
        .with(
            "accessTokenSeconds",
            policy.access_token_seconds.to_string(),
        )
        .with(
            "refreshTokenSeconds",
            optional(policy.refresh_token_seconds),
        )
        .with("signingAlgorithm", policy.signing_algorithm.as_str())
        .with("clientLifetimeDays.min", lifetime.min.to_string())
        .with("clientLifetimeDays.max", optional(lifetime.max))
        .with("clientLifetimeDays.default", optional(lifetime.default))
        .with("secretLifetimeDays", optional(policy.secret_lifetime_days))
        .with(
            "signingKeyRotationDays",
            optional(policy.signing_key_rotation_days),
        )
        .with("secretRotationDays", optional(policy.secret_rotation_days))
        .with("maxLiveSecrets", policy.max_live_secrets.to_string())
        .with(
            "rotationOverlapSeconds",
            policy.rotation_overlap_seconds.to_string(),
        );
    for way in &policy.allowed_auth_methods {
        fields = fields.with("allowedAuthMethods", way.as_str());
    }
    for (name, is) in [
        ("requireClientName", policy.require_client_name),
        ("allowMetadata", policy.allow_metadata),
    ] {
        if is {
            fields = fields.with(name, "yes");
        }
    }
    for (whose, limit) in [
        ("client", policy.rate_limit.client),
        ("tenant", policy.rate_limit.tenant),
    ] {
        let Some(limit) = limit else {
            continue;
        };
        fields = fields
            .with(
                &format!("rateLimit.{whose}.requests"),
                limit.requests.to_string(),
            )
            .with(
                &format!("rateLimit.{whose}.windowSeconds"),
                limit.window_seconds.to_string(),
            );
        if limit.enforce {
            fields = fields.with(&format!("rateLimit.{whose}.enforce"), "yes");
        }
    }
    fields
}

fn parse(fields: &Fields) -> Result<(DisplayName, PolicyChange), Faults> {
    let mut faults = Faults::default();
    let name = fields.get("displayName").unwrap_or_default();
    let name = faults.take("displayName", DisplayName::parse(name));
    let mut number = |path: &str| {
        faults
            .take_optional(path, fields.get(path).map(whole))
            .flatten()
    };
    let patch = |number: Option<u32>| number.map_or(Patch::Clear, Patch::Set);
    let limit = |whose: &str, number: &mut dyn FnMut(&str) -> Option<u32>| {
        let requests = number(&format!("rateLimit.{whose}.requests"));
        let window_seconds = number(&format!("rateLimit.{whose}.windowSeconds"));
        let enforce = fields.has(&format!("rateLimit.{whose}.enforce"), "yes");
        requests.map_or(Patch::Clear, |requests| {
            Patch::Set(RateLimit {
                requests,
                window_seconds: window_seconds.unwrap_or(60),
                enforce,
            })
        })
    };
    let ways: BTreeSet<_> = WAYS
        .iter()
        .map(|(way, _)| *way)
        .filter(|way| fields.has("allowedAuthMethods", way.as_str()))
        .collect();
    let change = PolicyChange {
        access_token_seconds: number("accessTokenSeconds"),
        refresh_token_seconds: patch(number("refreshTokenSeconds")),
        signing_algorithm: ALGORITHMS
            .iter()
            .copied()
            .find(|algorithm| fields.has("signingAlgorithm", algorithm.as_str())),
        allowed_auth_methods: Some(ways),
        require_client_name: Some(fields.has("requireClientName", "yes")),
        allow_metadata: Some(fields.has("allowMetadata", "yes")),
        signing_key_rotation_days: patch(number("signingKeyRotationDays")),
        secret_rotation_days: patch(number("secretRotationDays")),
        client_lifetime_default: patch(number("clientLifetimeDays.default")),
        client_lifetime_min: number("clientLifetimeDays.min"),
        client_lifetime_max: patch(number("clientLifetimeDays.max")),
        secret_lifetime_days: patch(number("secretLifetimeDays")),
        max_live_secrets: number("maxLiveSecrets"),
        rotation_overlap_seconds: number("rotationOverlapSeconds"),
        client_rate_limit: limit("client", &mut number),
        tenant_rate_limit: limit("tenant", &mut number),
    };
    faults.finish(name.map(|name| (name, change)))
}

fn whole(text: &str) -> Result<u32, Invalid> {
    text.parse()
        .map_err(|_| Invalid::new("number", "must be a whole number"))
}

/// Faults of a policy, by the names of the form's fields.
fn named(faults: Faults) -> Faults {
    let mut renamed = Faults::default();
    for fault in faults.into_vec() {
        let path = fault.path.strip_prefix("policy.").unwrap_or(&fault.path);
        renamed.add(path, fault.invalid);
    }
    renamed
}

impl Fields {
    /// These texts as fields that are not seen.
    pub(crate) fn hidden(&self, without: &[&str]) -> Markup {
        html! {
            @for (name, value) in self.iter().filter(|(name, _)| !without.contains(name)) {
                input type="hidden" name=(name) value=(value);
            }
        }
    }
}
