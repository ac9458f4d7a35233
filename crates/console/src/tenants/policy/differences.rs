//! Two policies side by side, in words.

use chancery_domain::tenant::{RateLimit, TenantPolicy};

use crate::show;

/// What, how it is, how it will be.
pub(super) type Changed = (String, String, String);

/// What is different.
pub(super) fn between(before: &TenantPolicy, after: &TenantPolicy) -> Vec<Changed> {
    described(before)
        .into_iter()
        .zip(described(after))
        .filter(|(before, after)| before.1 != after.1)
        .map(|((what, before), (_, after))| (what.to_owned(), before, after))
        .collect()
}

/// Every setting, and what it is set to.
pub(super) fn described(policy: &TenantPolicy) -> Vec<(&'static str, String)> {
    let seconds = |seconds: u32| format!("{seconds} s ({})", show::span(seconds.into()));
    let days =
        |days: Option<u32>, none: &str| days.map_or(none.to_owned(), |days| format!("{days} days"));
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
}
