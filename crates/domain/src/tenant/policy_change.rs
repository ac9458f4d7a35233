use std::collections::BTreeSet;

use super::{
    ClientLifetime, RateLimit, RateLimits, SigningAlgorithm, TenantPolicy, TokenAuthMethod,
};
use crate::value::{Faults, Patch};

/// A partial policy: what is left out stays as it is, what is cleared is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the one of TenantPolicy")]
pub struct PolicyChange {
    pub access_token_seconds: Option<u32>,
    pub refresh_token_seconds: Patch<u32>,
    pub signing_algorithm: Option<SigningAlgorithm>,
    pub signing_key_rotation_days: Patch<u32>,
    pub allowed_auth_methods: Option<BTreeSet<TokenAuthMethod>>,
    pub require_client_name: Option<bool>,
    pub allow_metadata: Option<bool>,
    pub client_lifetime_default: Patch<u32>,
    pub client_lifetime_min: Option<u32>,
    pub client_lifetime_max: Patch<u32>,
    pub secret_lifetime_days: Patch<u32>,
    pub secret_rotation_days: Patch<u32>,
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
        let after = self.unchecked(before);
        after.check().map(|()| after)
    }

    /// The policy after this change, whether or not it is valid: to say what it would come to.
    pub fn unchecked(&self, before: &TenantPolicy) -> TenantPolicy {
        let lifetime = &before.client_lifetime_days;
        TenantPolicy {
            access_token_seconds: self
                .access_token_seconds
                .unwrap_or(before.access_token_seconds),
            refresh_token_seconds: self
                .refresh_token_seconds
                .over(before.refresh_token_seconds.as_ref()),
            signing_algorithm: self.signing_algorithm.unwrap_or(before.signing_algorithm),
            signing_key_rotation_days: self
                .signing_key_rotation_days
                .over(before.signing_key_rotation_days.as_ref()),
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
            secret_rotation_days: self
                .secret_rotation_days
                .over(before.secret_rotation_days.as_ref()),
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Each field of the change reaches the field of its own name.
    #[test]
    fn a_change_of_every_field_is_a_change_of_the_whole_policy() {
        let limit = RateLimit {
            requests: 7,
            window_seconds: 8,
            enforce: false,
        };
        let change = PolicyChange {
            access_token_seconds: Some(61),
            refresh_token_seconds: Patch::Set(62),
            signing_algorithm: Some(SigningAlgorithm::EdDsa),
            signing_key_rotation_days: Patch::Set(64),
            allowed_auth_methods: Some([TokenAuthMethod::PrivateKeyJwt].into()),
            require_client_name: Some(false),
            allow_metadata: Some(false),
            client_lifetime_default: Patch::Set(20),
            client_lifetime_min: Some(10),
            client_lifetime_max: Patch::Set(30),
            secret_lifetime_days: Patch::Set(40),
            secret_rotation_days: Patch::Set(39),
            max_live_secrets: Some(5),
            rotation_overlap_seconds: Some(63),
            client_rate_limit: Patch::Clear,
            tenant_rate_limit: Patch::Set(limit),
        };
        let expected = TenantPolicy {
            access_token_seconds: 61,
            refresh_token_seconds: Some(62),
            signing_algorithm: SigningAlgorithm::EdDsa,
            signing_key_rotation_days: Some(64),
            allowed_auth_methods: [TokenAuthMethod::PrivateKeyJwt].into(),
            require_client_name: false,
            allow_metadata: false,
            client_lifetime_days: ClientLifetime {
                default: Some(20),
                min: 10,
                max: Some(30),
            },
            secret_lifetime_days: Some(40),
            secret_rotation_days: Some(39),
            max_live_secrets: 5,
            rotation_overlap_seconds: 63,
            rate_limit: RateLimits {
                client: None,
                tenant: Some(limit),
            },
        };
        assert_eq!(change.over(&TenantPolicy::default()), Ok(expected));
    }
}
