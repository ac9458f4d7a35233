use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Faults, Invalid, Patch};

/// How a token is signed (RFC 7518, RFC 8037). Never with a shared key.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// The JOSE name, as in a token's `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What a client is registered to authenticate with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A secret, sent as it is.
    ClientSecret,
    /// A secret that keys an assertion (RFC 7523).
    ClientSecretJwt,
    /// A private key that signs an assertion (RFC 7523).
    PrivateKeyJwt,
}

/// How a client proves who it is at the token endpoint (the names of `OpenID` Connect Core, section 9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenAuthMethod {
    /// A secret in the `Authorization` header.
    ClientSecretBasic,
    /// A secret in the body.
    ClientSecretPost,
    /// An assertion keyed with the secret.
    ClientSecretJwt,
    /// An assertion signed with a private key.
    PrivateKeyJwt,
}

impl TokenAuthMethod {
    /// The name in metadata (RFC 8414).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

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

/// A partial policy: what is left out stays as it is, what is cleared is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the one of TenantPolicy")]
pub struct PolicyChange {
    pub access_token_seconds: Option<u32>,
    pub refresh_token_seconds: Patch<u32>,
    pub signing_algorithm: Option<SigningAlgorithm>,
    pub allowed_auth_methods: Option<BTreeSet<TokenAuthMethod>>,
    pub require_client_name: Option<bool>,
    pub allow_metadata: Option<bool>,
    pub client_lifetime_default: Patch<u32>,
    pub client_lifetime_min: Option<u32>,
    pub client_lifetime_max: Patch<u32>,
    pub secret_lifetime_days: Patch<u32>,
    pub max_live_secrets: Option<u32>,
    pub rotation_overlap_seconds: Option<u32>,
    pub client_rate_limit: Patch<RateLimit>,
    pub tenant_rate_limit: Patch<RateLimit>,
}

impl PolicyChange {
    /// The policy after this change.
    ///
    /// # Errors
    /// Every fault of the result.
    pub fn over(&self, before: &TenantPolicy) -> Result<TenantPolicy, Faults> {
        let lifetime = &before.client_lifetime_days;
        let after = TenantPolicy {
            access_token_seconds: self
                .access_token_seconds
                .unwrap_or(before.access_token_seconds),
            refresh_token_seconds: self
                .refresh_token_seconds
                .over(before.refresh_token_seconds.as_ref()),
            signing_algorithm: self.signing_algorithm.unwrap_or(before.signing_algorithm),
            allowed_auth_methods: self
                .allowed_auth_methods
                .clone()
                .unwrap_or_else(|| before.allowed_auth_methods.clone()),
            require_client_name: self
                .require_client_name
                .unwrap_or(before.require_client_name),
            allow_metadata: self.allow_metadata.unwrap_or(before.allow_metadata),
            client_lifetime_days: ClientLifetime {
                default: self.client_lifetime_default.over(lifetime.default.as_ref()),
                min: self.client_lifetime_min.unwrap_or(lifetime.min),
                max: self.client_lifetime_max.over(lifetime.max.as_ref()),
            },
            secret_lifetime_days: self
                .secret_lifetime_days
                .over(before.secret_lifetime_days.as_ref()),
            max_live_secrets: self.max_live_secrets.unwrap_or(before.max_live_secrets),
            rotation_overlap_seconds: self
                .rotation_overlap_seconds
                .unwrap_or(before.rotation_overlap_seconds),
            rate_limit: RateLimits {
                client: self
                    .client_rate_limit
                    .over(before.rate_limit.client.as_ref()),
                tenant: self
                    .tenant_rate_limit
                    .over(before.rate_limit.tenant.as_ref()),
            },
        };
        after.check().map(|()| after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_valid() {
        assert_eq!(TenantPolicy::default().check(), Ok(()));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let change = PolicyChange {
            access_token_seconds: Some(59),
            max_live_secrets: Some(6),
            client_lifetime_min: Some(10),
            client_lifetime_max: Patch::Set(9),
            client_rate_limit: Patch::Set(RateLimit {
                requests: 0,
                window_seconds: 2_678_401,
                enforce: true,
            }),
            allowed_auth_methods: Some(BTreeSet::new()),
            ..PolicyChange::default()
        };
        let faults = change.over(&TenantPolicy::default()).unwrap_err();
        let paths: Vec<_> = faults
            .into_vec()
            .into_iter()
            .map(|fault| fault.path)
            .collect();
        assert_eq!(
            paths,
            [
                "policy.accessTokenSeconds",
                "policy.clientLifetimeDays.max",
                "policy.maxLiveSecrets",
                "policy.rateLimit.client.requests",
                "policy.rateLimit.client.windowSeconds",
                "policy.allowedAuthMethods",
            ]
        );
    }

    #[test]
    fn left_out_stays_and_null_turns_off() {
        let before = TenantPolicy {
            refresh_token_seconds: Some(60),
            ..TenantPolicy::default()
        };
        let kept = PolicyChange::default().over(&before).unwrap();
        assert_eq!(kept, before);
        let off = PolicyChange {
            client_rate_limit: Patch::Clear,
            refresh_token_seconds: Patch::Clear,
            ..PolicyChange::default()
        };
        let after = off.over(&before).unwrap();
        assert_eq!(
            (after.rate_limit.client, after.refresh_token_seconds),
            (None, None)
        );
    }
}
