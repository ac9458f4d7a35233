//! What a change of policy would break, told before it is made.

use super::{AuthMethod, TenantPolicy, TokenAuthMethod};
use crate::{
    client::{Client, ClientState},
    id::SecretId,
    secret_rotation::SecretRotation,
    time::Timestamp,
};

/// A rule that a policy can turn against what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyRule {
    /// The way in which clients authenticate is allowed no longer.
    AuthMethodNotAllowed,
    /// One of the two ways to send a secret is allowed no longer.
    SecretWayTurnedOff,
    /// Clients need a name.
    NameRequired,
    /// Clients carry no metadata.
    MetadataNotAllowed,
    /// Clients need an end.
    ExpiryRequired,
    /// Clients end earlier.
    LifetimeTooLong,
    /// Secrets end earlier.
    SecretLivesTooLong,
    /// Clients have fewer secrets at once.
    TooManyLiveSecrets,
    /// There are no refresh tokens any more.
    RefreshTokensTurnedOff,
    /// Tokens are signed in another way.
    SigningAlgorithmChanged,
    /// A rotation that does not say otherwise is refused.
    RotationNeedsNoOverlap,
}

/// What it means to stand against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyEffect {
    /// It gets no token any more, from that moment.
    Stops,
    /// It may stop, which depends on what the client or its APIs do.
    MayStop,
    /// It goes on as it is; the next change of what stands against the rule has to keep to it.
    Stands,
}

/// Where those are found that stand against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every client of the tenant.
    Everybody,
    /// Clients that authenticate so.
    Method(AuthMethod),
    /// Clients without a name.
    Unnamed,
    /// Clients with metadata.
    WithMetadata,
    /// Clients without an end.
    WithoutEnd,
    /// Clients that end later than that.
    EndingAfter(Timestamp),
    /// Clients with a secret that lives longer, in microseconds.
    SecretsLivingOver(i64),
    /// Clients with more live secrets.
    SecretsOver(u32),
}

/// A rule that a change of policy tightens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tightened {
    /// The rule.
    pub rule: PolicyRule,
    /// Where those are found that stand against it.
    pub reach: Reach,
}

impl PolicyRule {
    /// What it means to stand against it.
    pub fn effect(self) -> PolicyEffect {
        match self {
            Self::AuthMethodNotAllowed => PolicyEffect::Stops,
            Self::SecretWayTurnedOff
            | Self::RefreshTokensTurnedOff
            | Self::SigningAlgorithmChanged => PolicyEffect::MayStop,
            Self::NameRequired
            | Self::MetadataNotAllowed
            | Self::ExpiryRequired
            | Self::LifetimeTooLong
            | Self::SecretLivesTooLong
            | Self::TooManyLiveSecrets
            | Self::RotationNeedsNoOverlap => PolicyEffect::Stands,
        }
    }
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

    /// What happens to those who stand against the rule, in a sentence.
    pub fn message(&self) -> String {
        let text = match (self.rule, self.reach) {
            (PolicyRule::AuthMethodNotAllowed, Reach::Method(method)) => {
                let (name, needs) = (method.as_str(), method.needs());
                return format!(
                    "clients that authenticate with {name} get no token any more; keep {needs} in allowedAuthMethods, or move them by updateClient first"
                );
            }
            (PolicyRule::AuthMethodNotAllowed, _) => {
                "clients that authenticate in a way that is not allowed get no token any more"
            }
            (PolicyRule::SecretWayTurnedOff, _) => {
                "clients that send their secret in the way that is not allowed any more get no token; those that send it in the other way do"
            }
            (PolicyRule::NameRequired, _) => {
                "clients without a name go on; once they have one, they keep one"
            }
            (PolicyRule::MetadataNotAllowed, _) => {
                "clients keep the metadata that they have; it can be taken away, and not be changed"
            }
            (PolicyRule::ExpiryRequired, _) => {
                "clients without an end go on without one; whoever changes the end has to give one"
            }
            (PolicyRule::LifetimeTooLong, _) => {
                "clients keep the end that they have, which is later than one that could be given now"
            }
            (PolicyRule::SecretLivesTooLong, _) => {
                "secrets keep the end that they have, which is later than the policy allows; rotate them to give them an earlier one"
            }
            (PolicyRule::TooManyLiveSecrets, _) => {
                "clients keep the secrets that they have; none can be issued or rotated with an overlap until fewer are live"
            }
            (PolicyRule::RefreshTokensTurnedOff, _) => {
                "no refresh token is given or taken any more: clients ask for each access token with their own credential"
            }
            (PolicyRule::SigningAlgorithmChanged, _) => {
                "tokens for APIs without an algorithm of their own are signed with another one, which whoever verifies them must accept; a token cannot be for APIs that differ"
            }
            (PolicyRule::RotationNeedsNoOverlap, _) => {
                "with one live secret at most there is no room for an overlap: a rotation is refused unless it says overlapSeconds: 0; set rotationOverlapSeconds to 0 as well"
            }
        };
        text.to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Fold,
        json::JsonObject,
        secret_rotation::{Ended, Revocation, Secret},
        testing::{NOW, policy, with_billing},
    };

    fn billing() -> Client {
        let events = with_billing();
        let events = events.iter().filter_map(|(_, event)| Client::event(event));
        events.fold(None, Client::fold).unwrap()
    }

    fn secret(seconds: Option<i64>) -> Secret {
        Secret {
            label: None,
            hint: "wxyz".to_owned(),
            issued_at: NOW,
            not_before: None,
            expires_at: seconds.map(|seconds| NOW.plus_seconds(seconds)),
            retires_at: None,
            revoked: None,
            ended: None,
        }
    }

    fn having(secrets: impl IntoIterator<Item = Secret>) -> SecretRotation {
        let id = |number| SecretId::new(NOW, [number; 10]);
        SecretRotation {
            secrets: (1..).map(id).zip(secrets).collect(),
            schedule: None,
            reminder: None,
        }
    }

    /// The rules that a change tightens.
    fn rules(change: fn(&mut TenantPolicy)) -> Vec<PolicyRule> {
        let all = Tightened::all(&TenantPolicy::default(), &policy(change), NOW);
        all.iter().map(|tightened| tightened.rule).collect()
    }

    /// Whom the only rule that a change tightens is broken by: how many of their secrets.
    fn breaks(
        change: fn(&mut TenantPolicy),
        client: &Client,
        secrets: &SecretRotation,
    ) -> Option<usize> {
        let all = Tightened::all(&TenantPolicy::default(), &policy(change), NOW);
        let broken = |tightened: &Tightened| tightened.broken_by(client, secrets, NOW);
        all.iter().find_map(broken).map(|secrets| secrets.len())
    }

    #[test]
    fn what_is_not_stricter_breaks_nothing() {
        assert_eq!(rules(|_| {}), []);
        assert_eq!(rules(|policy| policy.access_token_seconds = 60), []);
        assert_eq!(rules(|policy| policy.max_live_secrets = 5), []);
        assert_eq!(rules(|policy| policy.refresh_token_seconds = Some(60)), []);
        let strict = policy(|policy| {
            policy.client_lifetime_days.max = Some(30);
            policy.secret_lifetime_days = Some(30);
            policy.require_client_name = true;
            policy.allow_metadata = false;
        });
        assert_eq!(Tightened::all(&strict, &strict, NOW), []);
        assert_eq!(Tightened::all(&strict, &TenantPolicy::default(), NOW), []);
        let shorter = policy(|policy| policy.client_lifetime_days.max = Some(29));
        let rules = Tightened::all(&strict, &shorter, NOW);
        assert_eq!(
            rules,
            [Tightened {
                rule: PolicyRule::LifetimeTooLong,
                reach: Reach::EndingAfter(NOW.plus_days(29)),
            }],
            "who has no end stood against the policy before"
        );
    }

    #[test]
    fn a_policy_that_is_not_valid_is_looked_at_all_the_same() {
        for number in [0, 1, 3_650, 2_147_483_647, u32::MAX] {
            let wild = policy(|policy| {
                policy.client_lifetime_days.max = Some(number);
                policy.secret_lifetime_days = Some(number);
                policy.max_live_secrets = number;
                policy.rotation_overlap_seconds = number;
                policy.allowed_auth_methods = [].into();
            });
            for (before, after) in [(&TenantPolicy::default(), &wild), (&wild, &wild)] {
                for tightened in Tightened::all(before, after, NOW) {
                    tightened.broken_by(&billing(), &having([secret(None)]), NOW);
                    assert!(!tightened.message().is_empty());
                }
            }
        }
    }

    #[test]
    fn each_rule_is_named_when_it_becomes_stricter() {
        use TokenAuthMethod::{ClientSecretBasic, ClientSecretPost, PrivateKeyJwt};
        let only = rules(|policy| policy.allowed_auth_methods = [PrivateKeyJwt].into());
        assert_eq!(only, [PolicyRule::AuthMethodNotAllowed]);
        let without_keys = rules(|policy| {
            policy.allowed_auth_methods = [ClientSecretBasic, ClientSecretPost].into();
        });
        assert_eq!(without_keys, [PolicyRule::AuthMethodNotAllowed]);
        let without_basic = rules(|policy| {
            policy.allowed_auth_methods.remove(&ClientSecretBasic);
        });
        assert_eq!(without_basic, [PolicyRule::SecretWayTurnedOff]);
        assert_eq!(
            rules(|policy| policy.allow_metadata = false),
            [PolicyRule::MetadataNotAllowed]
        );
        assert_eq!(
            rules(|policy| policy.max_live_secrets = 1),
            [
                PolicyRule::TooManyLiveSecrets,
                PolicyRule::RotationNeedsNoOverlap
            ]
        );
        assert_eq!(
            rules(|policy| policy.signing_algorithm = crate::tenant::SigningAlgorithm::EdDsa),
            [PolicyRule::SigningAlgorithmChanged]
        );
        let refreshing = policy(|policy| policy.refresh_token_seconds = Some(60));
        let off = Tightened::all(&refreshing, &TenantPolicy::default(), NOW);
        assert_eq!(off[0].rule, PolicyRule::RefreshTokensTurnedOff);
        let unnamed = policy(|policy| policy.require_client_name = false);
        let named = Tightened::all(&unnamed, &TenantPolicy::default(), NOW);
        let nameless = Client {
            name: None,
            ..billing()
        };
        let nobody = having([]);
        assert!(named[0].broken_by(&nameless, &nobody, NOW).is_some());
        assert!(named[0].broken_by(&billing(), &nobody, NOW).is_none());
    }

    #[test]
    fn a_client_is_broken_by_what_it_has() {
        let (nobody, client) = (having([]), billing());
        let no_metadata = |client: &Client| {
            breaks(|policy| policy.allow_metadata = false, client, &having([])).is_some()
        };
        let plain = Client {
            metadata: JsonObject::default(),
            ..client.clone()
        };
        let noted = Client {
            metadata: JsonObject::parse(serde_json::json!({"team": "a"}), 99).unwrap(),
            ..client.clone()
        };
        assert_eq!((no_metadata(&plain), no_metadata(&noted)), (false, true));
        let in_30_days = |client: &Client| {
            breaks(
                |policy| policy.client_lifetime_days.max = Some(30),
                client,
                &nobody,
            )
            .is_some()
        };
        let ending = |days| Client {
            expires_at: Some(NOW.plus_days(days)),
            ..client.clone()
        };
        assert!(in_30_days(&Client {
            expires_at: None,
            ..client.clone()
        }));
        assert_eq!(
            (in_30_days(&ending(30)), in_30_days(&ending(31))),
            (false, true)
        );
        assert!(!in_30_days(&ending(0)), "it has ended already");
        let disabled = Client::fold(Some(ending(31)), &crate::testing::disabled()).unwrap();
        assert!(!in_30_days(&disabled));
    }

    #[test]
    fn secrets_that_live_too_long_are_named_and_those_that_have_ended_are_not() {
        let days = |days: i64| Some(days * 86_400);
        let in_30_days = |secrets| {
            breaks(
                |policy| policy.secret_lifetime_days = Some(30),
                &billing(),
                &having(secrets),
            )
        };
        assert_eq!(in_30_days(vec![secret(days(30))]), None);
        assert_eq!(in_30_days(vec![secret(days(31)), secret(None)]), Some(2));
        let retiring = Secret {
            retires_at: Some(NOW.plus_days(1)),
            ..secret(None)
        };
        let revoked = Secret {
            revoked: Some(Revocation::Withdrawn),
            ..secret(None)
        };
        let ended = Secret {
            retires_at: Some(NOW),
            ended: Some(Ended::Retired),
            ..secret(None)
        };
        let over = vec![retiring.clone(), revoked.clone(), ended];
        assert_eq!(in_30_days(over), None);
        let two = |secrets| {
            breaks(
                |policy| policy.max_live_secrets = 1,
                &billing(),
                &having(secrets),
            )
        };
        assert_eq!(two(vec![secret(None), retiring]), Some(2));
        // What is left then is the rotation that needs no overlap, of everybody.
        assert_eq!(two(vec![secret(None), revoked]), Some(0));
    }
}
