use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AuthMethod, SigningAlgorithm, TokenAuthMethod};
use crate::value::{Faults, Invalid};

/// Bounds on how long a client lives, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientLifetime {
    /// For a client that is created without an end. Absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<u32>,
    /// At least.
    pub min: u32,
    /// At most. Absent: without bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// So many requests in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests pass in one window.
    pub requests: u32,
    /// The window, in seconds: 1 to 2,678,400 (31 days).
    pub window_seconds: u32,
    /// False: requests beyond are counted and pass.
    pub enforce: bool,
}

/// Limits on token requests. Absent: off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// For each client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<RateLimit>,
    /// For the tenant as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<RateLimit>,
}

impl RateLimits {
    /// Whether somebody who is refused gets in again within a minute, whatever the others do. The operators
    /// need it: a limit of theirs can be lifted only with a token that it may refuse.
    pub(super) fn leave_a_way_in(&self) -> bool {
        let is_short = |limit: RateLimit| limit.requests >= 10 && limit.window_seconds <= 60;
        let is_off = |limit: &Option<RateLimit>| limit.is_none_or(|limit| !limit.enforce);
        is_off(&self.tenant) && (is_off(&self.client) || self.client.is_some_and(is_short))
    }
}

/// What holds for a tenant's clients, secrets and tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantPolicy {
    /// How long access tokens live, in seconds: 60 to 86,400.
    pub access_token_seconds: u32,
    /// How long refresh tokens live, in seconds: 60 to 31,536,000. Absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_seconds: Option<u32>,
    /// How tokens are signed.
    pub signing_algorithm: SigningAlgorithm,
    /// After how many days a signing key is followed by another, without anybody's doing: 1 to 3,650.
    /// Absent: only when an operator says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key_rotation_days: Option<u32>,
    /// How clients may authenticate: at least one way.
    pub allowed_auth_methods: BTreeSet<TokenAuthMethod>,
    /// Whether every client needs a name.
    pub require_client_name: bool,
    /// Whether clients may carry metadata.
    pub allow_metadata: bool,
    /// Bounds on how long clients live.
    pub client_lifetime_days: ClientLifetime,
    /// How long every secret lives at most, in days: 1 to 3,650. Absent: without bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_lifetime_days: Option<u32>,
    /// After how many days a secret that is issued from now on is to be rotated, where its client has no
    /// schedule of its own: 1 to 1,825. Absent: nobody is reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_rotation_days: Option<u32>,
    /// How many secrets of one client may be live: 1 to 5.
    pub max_live_secrets: u32,
    /// How long an old secret stays usable after a rotation, in seconds: 0 to 2,592,000.
    pub rotation_overlap_seconds: u32,
    /// Limits on token requests.
    pub rate_limit: RateLimits,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            access_token_seconds: 3_600,
            refresh_token_seconds: None,
            signing_algorithm: SigningAlgorithm::Es256,
            signing_key_rotation_days: Some(90),
            allowed_auth_methods: BTreeSet::from([
                TokenAuthMethod::ClientSecretBasic,
                TokenAuthMethod::ClientSecretPost,
                TokenAuthMethod::PrivateKeyJwt,
            ]),
            require_client_name: true,
            allow_metadata: true,
            client_lifetime_days: ClientLifetime {
                default: None,
                min: 1,
                max: None,
            },
            secret_lifetime_days: None,
            secret_rotation_days: None,
            max_live_secrets: 2,
            rotation_overlap_seconds: 86_400,
            rate_limit: RateLimits {
                client: Some(RateLimit {
                    requests: 600,
                    window_seconds: 60,
                    enforce: true,
                }),
                tenant: None,
            },
        }
    }
}

/// The longest overlap of a rotation: 30 days, in seconds.
pub(crate) const MAX_OVERLAP_SECONDS: u32 = 2_592_000;
/// The longest time between two scheduled rotations of a secret: five years, in days.
const MAX_ROTATION_DAYS: u32 = 1_825;
/// The longest life of anything that is counted in days: ten years.
const MAX_DAYS: u32 = 3_650;

impl TenantPolicy {
    /// Checks the policy as a whole. Paths are those of the GraphQL input.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        let mut within = |path: &str, value: u32, least: u32, most: u32| {
            if !(least..=most).contains(&value) {
                faults.add(
                    format!("policy.{path}"),
                    Invalid::new(
                        "range",
                        format!("must be {least} to {most}, and is {value}"),
                    ),
                );
            }
        };
        within("accessTokenSeconds", self.access_token_seconds, 60, 86_400);
        if let Some(seconds) = self.refresh_token_seconds {
            within("refreshTokenSeconds", seconds, 60, 31_536_000);
        }
        let lifetime = &self.client_lifetime_days;
        within("clientLifetimeDays.min", lifetime.min, 1, MAX_DAYS);
        if let Some(max) = lifetime.max {
            within("clientLifetimeDays.max", max, lifetime.min.max(1), MAX_DAYS);
        }
        if let Some(default) = lifetime.default {
            let most = lifetime.max.unwrap_or(MAX_DAYS);
            within(
                "clientLifetimeDays.default",
                default,
                lifetime.min.max(1),
                most,
            );
        }
        if let Some(days) = self.secret_lifetime_days {
            within("secretLifetimeDays", days, 1, MAX_DAYS);
        }
        if let Some(days) = self.secret_rotation_days {
            // A secret is followed by another before it ends, or its client is cut off.
            let before = self
                .secret_lifetime_days
                .map_or(u32::MAX, |end| end.max(2) - 1);
            within("secretRotationDays", days, 1, MAX_ROTATION_DAYS.min(before));
        }
        if let Some(days) = self.signing_key_rotation_days {
            within("signingKeyRotationDays", days, 1, MAX_DAYS);
        }
        within("maxLiveSecrets", self.max_live_secrets, 1, 5);
        within(
            "rotationOverlapSeconds",
            self.rotation_overlap_seconds,
            0,
            MAX_OVERLAP_SECONDS,
        );
        for (whose, limit) in [
            ("client", &self.rate_limit.client),
            ("tenant", &self.rate_limit.tenant),
        ] {
            if let Some(limit) = limit {
                within(
                    &format!("rateLimit.{whose}.requests"),
                    limit.requests,
                    1,
                    1_000_000_000,
                );
                within(
                    &format!("rateLimit.{whose}.windowSeconds"),
                    limit.window_seconds,
                    1,
                    2_678_400,
                );
            }
        }
        if self.allowed_auth_methods.is_empty() {
            faults.add(
                "policy.allowedAuthMethods",
                Invalid::new("empty", "must name at least one way to authenticate"),
            );
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Whether a client that is registered for this may authenticate at all.
    pub fn allows(&self, method: AuthMethod) -> bool {
        let allowed = |way| self.allowed_auth_methods.contains(&way);
        match method {
            AuthMethod::ClientSecret => {
                allowed(TokenAuthMethod::ClientSecretBasic)
                    || allowed(TokenAuthMethod::ClientSecretPost)
            }
            AuthMethod::ClientSecretJwt => allowed(TokenAuthMethod::ClientSecretJwt),
            AuthMethod::PrivateKeyJwt => allowed(TokenAuthMethod::PrivateKeyJwt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use {AuthMethod as Client, TokenAuthMethod as Way};

    #[test]
    fn the_default_policy_is_valid() {
        assert_eq!(TenantPolicy::default().check(), Ok(()));
    }

    #[test]
    fn every_bound_is_within_its_range() {
        type Set = fn(&mut TenantPolicy, u32);
        let ranges: [(Set, u32, u32); 13] = [
            (|policy, n| policy.access_token_seconds = n, 60, 86_400),
            (
                |policy, n| policy.refresh_token_seconds = Some(n),
                60,
                31_536_000,
            ),
            (|policy, n| policy.client_lifetime_days.min = n, 1, 3_650),
            (
                |policy, n| policy.client_lifetime_days.max = Some(n),
                1,
                3_650,
            ),
            (
                |policy, n| policy.client_lifetime_days.default = Some(n),
                1,
                3_650,
            ),
            (|policy, n| policy.secret_lifetime_days = Some(n), 1, 3_650),
            (|policy, n| policy.secret_rotation_days = Some(n), 1, 1_825),
            (
                |policy, n| policy.signing_key_rotation_days = Some(n),
                1,
                3_650,
            ),
            (|policy, n| policy.max_live_secrets = n, 1, 5),
            (
                |policy, n| policy.rotation_overlap_seconds = n,
                0,
                2_592_000,
            ),
            (|policy, n| limited(policy).requests = n, 1, 1_000_000_000),
            (|policy, n| limited(policy).window_seconds = n, 1, 2_678_400),
            (
                |policy, n| policy.rate_limit.client.as_mut().unwrap().window_seconds = n,
                1,
                2_678_400,
            ),
        ];
        for (index, (set, least, most)) in ranges.into_iter().enumerate() {
            let valid = |value| {
                let mut policy = TenantPolicy::default();
                set(&mut policy, value);
                policy.check().is_ok()
            };
            assert!(valid(least) && valid(most), "{index}");
            assert!(least == 0 || !valid(least - 1), "{index}");
            assert!(!valid(most + 1), "{index}");
        }
    }

    fn limited(policy: &mut TenantPolicy) -> &mut RateLimit {
        policy.rate_limit.tenant.get_or_insert(RateLimit {
            requests: 1,
            window_seconds: 1,
            enforce: false,
        })
    }

    #[test]
    fn a_default_lifetime_is_within_the_bounds() {
        let with = |default, min, max| TenantPolicy {
            client_lifetime_days: ClientLifetime {
                default: Some(default),
                min,
                max,
            },
            ..TenantPolicy::default()
        };
        assert!(with(7, 7, Some(30)).check().is_ok());
        assert!(with(30, 7, Some(30)).check().is_ok());
        assert!(with(6, 7, Some(30)).check().is_err());
        assert!(with(31, 7, Some(30)).check().is_err());
    }

    #[test]
    fn a_client_authenticates_by_a_way_that_is_allowed() {
        let only = |way| TenantPolicy {
            allowed_auth_methods: [way].into(),
            ..TenantPolicy::default()
        };
        for (way, method) in [
            (Way::ClientSecretBasic, Client::ClientSecret),
            (Way::ClientSecretPost, Client::ClientSecret),
            (Way::ClientSecretJwt, Client::ClientSecretJwt),
            (Way::PrivateKeyJwt, Client::PrivateKeyJwt),
        ] {
            for other in [
                Client::ClientSecret,
                Client::ClientSecretJwt,
                Client::PrivateKeyJwt,
            ] {
                assert_eq!(
                    only(way).allows(other),
                    other == method,
                    "{way:?} {other:?}"
                );
            }
        }
    }
}
