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
        number: 1,
        rotate_by: None,
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
        secrets: (1..)
            .map(id)
            .zip(secrets.into_iter().map(Box::new))
            .collect(),
        ..SecretRotation::default()
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
