//! What a change of policy would break, told before it is made.

mod message;
mod rule;
#[cfg(test)]
mod tests;

pub use rule::{PolicyEffect, PolicyRule, Reach};

use super::{AuthMethod, TenantPolicy, TokenAuthMethod};
use crate::{
    client::{Client, ClientState},
    id::SecretId,
    secret_rotation::SecretRotation,
    time::Timestamp,
};

/// A rule that a change of policy tightens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tightened {
    /// The rule.
    pub rule: PolicyRule,
    /// Where those are found that stand against it.
    pub reach: Reach,
}

impl Tightened {
    /// The rules that are stricter after than before, each with where to look.
    pub fn all(before: &TenantPolicy, after: &TenantPolicy, now: Timestamp) -> Vec<Self> {
        let mut all = Vec::new();
        let mut tightened = |rule, reach| all.push(Self { rule, reach });
        for method in AuthMethod::ALL {
            if before.allows(method) && !after.allows(method) {
                tightened(PolicyRule::AuthMethodNotAllowed, Reach::Method(method));
            }
        }
        let secret = AuthMethod::ClientSecret;
        if after.allows(secret) && secret_ways(before).any(|way| !allows(after, way)) {
            tightened(PolicyRule::SecretWayTurnedOff, Reach::Method(secret));
        }
        if after.require_client_name && !before.require_client_name {
            tightened(PolicyRule::NameRequired, Reach::Unnamed);
        }
        if before.allow_metadata && !after.allow_metadata {
            tightened(PolicyRule::MetadataNotAllowed, Reach::WithMetadata);
        }
        let lifetimes = [before, after].map(|policy| policy.client_lifetime_days.max);
        if let Some(days) = tighter(lifetimes) {
            if lifetimes[0].is_none() {
                tightened(PolicyRule::ExpiryRequired, Reach::WithoutEnd);
            }
            let latest = now.plus_days(i64::from(days));
            tightened(PolicyRule::LifetimeTooLong, Reach::EndingAfter(latest));
        }
        if let Some(days) = tighter([before, after].map(|policy| policy.secret_lifetime_days)) {
            let reach = Reach::SecretsLivingOver(i64::from(days).saturating_mul(MICROS_PER_DAY));
            tightened(PolicyRule::SecretLivesTooLong, reach);
        }
        if after.max_live_secrets < before.max_live_secrets {
            let reach = Reach::SecretsOver(after.max_live_secrets);
            tightened(PolicyRule::TooManyLiveSecrets, reach);
        }
        if before.refresh_token_seconds.is_some() && after.refresh_token_seconds.is_none() {
            tightened(PolicyRule::RefreshTokensTurnedOff, Reach::Everybody);
        }
        if before.signing_algorithm != after.signing_algorithm {
            tightened(PolicyRule::SigningAlgorithmChanged, Reach::Everybody);
        }
        if needs_no_overlap(after) && !needs_no_overlap(before) {
            tightened(PolicyRule::RotationNeedsNoOverlap, Reach::Everybody);
        }
        all
    }

    /// Whether a client that may obtain tokens now stands against the rule, and which of its secrets
    /// do; `None` where it keeps to it.
    pub fn broken_by(
        &self,
        client: &Client,
        secrets: &SecretRotation,
        now: Timestamp,
    ) -> Option<Vec<SecretId>> {
        if client.state(now) != ClientState::Active {
            return None;
        }
        let none = |stands: bool| stands.then(Vec::new);
        let live = || secrets.live(now).map(|(id, secret)| (id, secret.life()));
        match self.reach {
            Reach::Everybody => Some(Vec::new()),
            Reach::Method(method) => none(client.auth_method == method),
            Reach::Unnamed => none(client.name.is_none()),
            Reach::WithMetadata => none(!client.metadata.is_empty()),
            Reach::WithoutEnd => none(client.expires_at.is_none()),
            Reach::EndingAfter(latest) => none(client.expires_at.is_some_and(|end| end > latest)),
            Reach::SecretsLivingOver(micros) => {
                let over: Vec<_> = live()
                    .filter(|(_, life)| *life > micros)
                    .map(|(id, _)| id)
                    .collect();
                (!over.is_empty()).then_some(over)
            }
            Reach::SecretsOver(most) => {
                let live: Vec<_> = live().map(|(id, _)| id).collect();
                (live.len() > most as usize).then_some(live)
            }
        }
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The bound after the change, where it is lower than before or newly there.
fn tighter([before, after]: [Option<u32>; 2]) -> Option<u32> {
    after.filter(|after| before.is_none_or(|before| *after < before))
}

fn allows(policy: &TenantPolicy, way: TokenAuthMethod) -> bool {
    policy.allowed_auth_methods.contains(&way)
}

/// The ways to send a secret as it is that a policy allows.
fn secret_ways(policy: &TenantPolicy) -> impl Iterator<Item = TokenAuthMethod> + '_ {
    [
        TokenAuthMethod::ClientSecretBasic,
        TokenAuthMethod::ClientSecretPost,
    ]
    .into_iter()
    .filter(|way| allows(policy, *way))
}

/// Whether a rotation with the policy's own overlap would leave two live secrets where one is allowed.
fn needs_no_overlap(policy: &TenantPolicy) -> bool {
    policy.max_live_secrets <= 1 && policy.rotation_overlap_seconds > 0
}
