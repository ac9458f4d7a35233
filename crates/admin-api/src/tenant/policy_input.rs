use async_graphql::{InputObject, MaybeUndefined};
use chancery_domain::{
    Faults,
    tenant::{PolicyChange, RateLimit},
    value::Patch,
};

use super::policy::{SigningAlgorithmName, TokenAuthMethodName};
use crate::input::{kept, number, patch};

/// A policy, in part: a field that is left out keeps its value, or has the default in a new tenant,
/// and null turns it off.
#[derive(InputObject, Default)]
pub(crate) struct TenantPolicyInput {
    /// How long access tokens live, in seconds: 60 to 86,400. Default 3,600.
    access_token_seconds: MaybeUndefined<i64>,
    /// How long refresh tokens live, in seconds: 60 to 31,536,000. Default null: there are none.
    refresh_token_seconds: MaybeUndefined<i64>,
    /// How tokens are signed. Default `ES256`.
    signing_algorithm: MaybeUndefined<SigningAlgorithmName>,
    /// After how many days a signing key is followed by another, without anybody's doing: 1 to 3,650.
    /// Default 90; null: only when an operator says so.
    signing_key_rotation_days: MaybeUndefined<i64>,
    /// How clients may authenticate, at least one way. Default `CLIENT_SECRET_BASIC`,
    /// `CLIENT_SECRET_POST` and `PRIVATE_KEY_JWT`.
    allowed_auth_methods: MaybeUndefined<Vec<TokenAuthMethodName>>,
    /// Whether every client needs a name. Default true.
    require_client_name: MaybeUndefined<bool>,
    /// Whether clients may carry metadata. Default true.
    allow_metadata: MaybeUndefined<bool>,
    /// Bounds on how long clients live. Null: none beyond one day at least.
    client_lifetime_days: MaybeUndefined<ClientLifetimeInput>,
    /// How long every secret lives at most, in days: 1 to 3,650. Default null: without bound.
    secret_lifetime_days: MaybeUndefined<i64>,
    /// After how many days a secret that is issued from now on is to be rotated, where its client has no
    /// schedule of its own: 1 to 1,825. It is announced ahead in the roll, as `RotationDue`. Default null:
    /// nobody is reminded.
    secret_rotation_days: MaybeUndefined<i64>,
    /// How many secrets of one client may be live at once: 1 to 5. Default 2.
    max_live_secrets: MaybeUndefined<i64>,
    /// How long an old secret stays usable after a rotation that says nothing else, in seconds:
    /// 0 to 2,592,000. Default 86,400.
    rotation_overlap_seconds: MaybeUndefined<i64>,
    /// Limits on token requests. Null: off.
    rate_limit: MaybeUndefined<RateLimitsInput>,
}

/// Bounds on how long clients live, in days: 1 to 3,650.
#[derive(InputObject, Default)]
pub(crate) struct ClientLifetimeInput {
    /// For a client that is created without an end. Default null: it has none.
    default: MaybeUndefined<i64>,
    /// At least. Default 1.
    min: MaybeUndefined<i64>,
    /// At most. Default null: without bound.
    max: MaybeUndefined<i64>,
}

/// Limits on token requests.
#[derive(InputObject, Default)]
pub(crate) struct RateLimitsInput {
    /// For each client. Default 600 requests in 60 seconds; null: off.
    client: MaybeUndefined<RateLimitInput>,
    /// For the tenant as a whole. Default null: off.
    tenant: MaybeUndefined<RateLimitInput>,
}

/// So many requests in a window.
#[derive(InputObject)]
pub(crate) struct RateLimitInput {
    /// How many requests pass in one window: 1 to 1,000,000,000.
    requests: i64,
    /// The window, in seconds: 1 to 2,678,400 (31 days).
    window_seconds: i64,
    /// False: requests beyond the limit are counted and pass. Default true.
    enforce: Option<bool>,
}

impl TenantPolicyInput {
    /// The change, as far as it has no fault. Its paths begin with `policy`.
    pub(crate) fn parse(self, faults: &mut Faults) -> PolicyChange {
        let mut change = PolicyChange {
            access_token_seconds: whole(faults, "accessTokenSeconds", self.access_token_seconds),
            refresh_token_seconds: off(faults, "refreshTokenSeconds", self.refresh_token_seconds),
            signing_algorithm: kept(faults, "policy.signingAlgorithm", self.signing_algorithm)
                .map(Into::into),
            allowed_auth_methods: kept(
                faults,
                "policy.allowedAuthMethods",
                self.allowed_auth_methods,
            )
            .map(|methods| methods.into_iter().map(Into::into).collect()),
            require_client_name: kept(faults, "policy.requireClientName", self.require_client_name),
            allow_metadata: kept(faults, "policy.allowMetadata", self.allow_metadata),
            secret_lifetime_days: off(faults, "secretLifetimeDays", self.secret_lifetime_days),
            secret_rotation_days: off(faults, "secretRotationDays", self.secret_rotation_days),
            signing_key_rotation_days: off(
                faults,
                "signingKeyRotationDays",
                self.signing_key_rotation_days,
            ),
            max_live_secrets: whole(faults, "maxLiveSecrets", self.max_live_secrets),
            rotation_overlap_seconds: whole(
                faults,
                "rotationOverlapSeconds",
                self.rotation_overlap_seconds,
            ),
            ..PolicyChange::default()
        };
        match self.client_lifetime_days {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => {
                change.client_lifetime_default = Patch::Clear;
                change.client_lifetime_min = Some(1);
                change.client_lifetime_max = Patch::Clear;
            }
            MaybeUndefined::Value(days) => {
                change.client_lifetime_default =
                    off(faults, "clientLifetimeDays.default", days.default);
                change.client_lifetime_min = whole(faults, "clientLifetimeDays.min", days.min);
                change.client_lifetime_max = off(faults, "clientLifetimeDays.max", days.max);
            }
        }
        match self.rate_limit {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => {
                change.client_rate_limit = Patch::Clear;
                change.tenant_rate_limit = Patch::Clear;
            }
            MaybeUndefined::Value(limits) => {
                change.client_rate_limit = limit(faults, "policy.rateLimit.client", limits.client);
                change.tenant_rate_limit = limit(faults, "policy.rateLimit.tenant", limits.tenant);
            }
        }
        change
    }
}

/// A number that is always there.
fn whole(faults: &mut Faults, field: &str, given: MaybeUndefined<i64>) -> Option<u32> {
    let path = format!("policy.{field}");
    let given = kept(faults, &path, given)?;
    faults.take(path, number(given))
}

/// A number that can be turned off.
fn off(faults: &mut Faults, field: &str, given: MaybeUndefined<i64>) -> Patch<u32> {
    patch(faults, &format!("policy.{field}"), given, number)
}

fn limit(
    faults: &mut Faults,
    path: &str,
    given: MaybeUndefined<RateLimitInput>,
) -> Patch<RateLimit> {
    let given = match given {
        MaybeUndefined::Undefined => return Patch::Keep,
        MaybeUndefined::Null => return Patch::Clear,
        MaybeUndefined::Value(given) => given,
    };
    let requests = faults.take(format!("{path}.requests"), number(given.requests));
    let window_seconds = faults.take(
        format!("{path}.windowSeconds"),
        number(given.window_seconds),
    );
    requests
        .zip(window_seconds)
        .map_or(Patch::Keep, |(requests, window_seconds)| {
            Patch::Set(RateLimit {
                requests,
                window_seconds,
                enforce: given.enforce.unwrap_or(true),
            })
        })
}

#[cfg(test)]
mod tests {
    use MaybeUndefined::{Null, Value};
    use chancery_domain::tenant::TenantPolicy;

    use super::*;

    fn change(input: TenantPolicyInput) -> PolicyChange {
        let mut faults = Faults::default();
        let change = input.parse(&mut faults);
        assert_eq!(faults.into_vec(), []);
        change
    }

    fn faulty(input: TenantPolicyInput) -> Vec<(String, &'static str)> {
        let mut faults = Faults::default();
        input.parse(&mut faults);
        faults
            .into_vec()
            .into_iter()
            .map(|fault| (fault.path, fault.invalid.rule))
            .collect()
    }

    fn limit_of(requests: i64, window_seconds: i64) -> MaybeUndefined<RateLimitInput> {
        Value(RateLimitInput {
            requests,
            window_seconds,
            enforce: None,
        })
    }

    #[test]
    fn what_is_left_out_is_no_change() {
        assert_eq!(
            change(TenantPolicyInput::default()),
            PolicyChange::default()
        );
        let empty = TenantPolicyInput {
            client_lifetime_days: Value(ClientLifetimeInput::default()),
            rate_limit: Value(RateLimitsInput::default()),
            ..TenantPolicyInput::default()
        };
        assert_eq!(change(empty), PolicyChange::default());
    }

    #[test]
    fn null_turns_off() {
        let off = change(TenantPolicyInput {
            refresh_token_seconds: Null,
            secret_lifetime_days: Null,
            client_lifetime_days: Null,
            rate_limit: Null,
            ..TenantPolicyInput::default()
        });
        let after = off.over(&TenantPolicy::default()).unwrap();
        assert_eq!(after.rate_limit.client, None);
        assert_eq!(after.client_lifetime_days.min, 1);
        let client = TenantPolicyInput {
            rate_limit: Value(RateLimitsInput {
                client: Null,
                tenant: limit_of(10, 60),
            }),
            ..TenantPolicyInput::default()
        };
        let after = change(client).over(&TenantPolicy::default()).unwrap();
        let ten = RateLimit {
            requests: 10,
            window_seconds: 60,
            enforce: true,
        };
        assert_eq!(
            (after.rate_limit.client, after.rate_limit.tenant),
            (None, Some(ten))
        );
    }

    #[test]
    fn every_faulty_field_is_named() {
        let input = TenantPolicyInput {
            access_token_seconds: Null,
            refresh_token_seconds: Value(-1),
            signing_algorithm: Null,
            allowed_auth_methods: Null,
            require_client_name: Null,
            allow_metadata: Null,
            client_lifetime_days: Value(ClientLifetimeInput {
                default: Value(-1),
                min: Null,
                max: Value(i64::MAX),
            }),
            secret_lifetime_days: Value(1 << 31),
            secret_rotation_days: Value(-1),
            signing_key_rotation_days: Value(-1),
            max_live_secrets: Value(i64::MIN),
            rotation_overlap_seconds: Null,
            rate_limit: Value(RateLimitsInput {
                client: limit_of(-1, -1),
                tenant: limit_of(1, -1),
            }),
        };
        let faults = faulty(input);
        let expected = [
            ("accessTokenSeconds", "null"),
            ("refreshTokenSeconds", "range"),
            ("signingAlgorithm", "null"),
            ("allowedAuthMethods", "null"),
            ("requireClientName", "null"),
            ("allowMetadata", "null"),
            ("secretLifetimeDays", "range"),
            ("secretRotationDays", "range"),
            ("signingKeyRotationDays", "range"),
            ("maxLiveSecrets", "range"),
            ("rotationOverlapSeconds", "null"),
            ("clientLifetimeDays.default", "range"),
            ("clientLifetimeDays.min", "null"),
            ("clientLifetimeDays.max", "range"),
            ("rateLimit.client.requests", "range"),
            ("rateLimit.client.windowSeconds", "range"),
            ("rateLimit.tenant.windowSeconds", "range"),
        ];
        let expected: Vec<_> = expected
            .map(|(field, rule)| (format!("policy.{field}"), rule))
            .into();
        assert_eq!(faults, expected);
    }
}
