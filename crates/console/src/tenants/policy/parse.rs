//! A policy as the texts of its form, and back.

use std::collections::BTreeSet;

use chancery_domain::{
    Faults,
    tenant::{PolicyChange, RateLimit, TenantPolicy, TokenAuthMethod},
    value::{DisplayName, Patch},
};

use crate::{fields::Fields, keys};

pub(super) const WAYS: &[(TokenAuthMethod, &str)] = &[
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

/// The texts of a policy.
pub(super) fn fields_of(policy: &TenantPolicy) -> Fields {
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

/// What was typed.
pub(super) fn change(fields: &Fields) -> Result<(DisplayName, PolicyChange), Faults> {
    let mut faults = Faults::default();
    let name = fields.get("displayName").unwrap_or_default();
    let name = faults.take("displayName", DisplayName::parse(name));
    let algorithm = fields.chosen("signingAlgorithm", &keys::algorithms());
    let algorithm = faults
        .take_optional("signingAlgorithm", algorithm)
        .flatten();
    let mut number = |path: &str| faults.take_optional(path, fields.whole(path)).flatten();
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
        signing_algorithm: algorithm,
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
