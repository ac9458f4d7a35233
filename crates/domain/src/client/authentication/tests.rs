use super::*;
use crate::{
    client::{CreateClient, KeyEnd, RegisteredKey},
    secret_rotation::{IssueSecret, RotateSecret, ScheduleRotation, SecretRotationEvent},
    tenant::{TenantEvent, TenantPolicy, TokenAuthMethod},
    testing::{
        self, ACME, BILLING, NOW, acme_with_orders, billing, new_client_key, new_secret,
        nothing_new, policy, revoked_first, sealed_secret, with_billing, with_keys,
    },
    value::Slug,
};

fn signing(keys: Option<Vec<NewClientKey>>) -> CreateClient {
    CreateClient {
        auth_method: AuthMethod::PrivateKeyJwt,
        secret: None,
        keys,
        ..billing()
    }
}

fn to(auth_method: AuthMethod, keys: Option<Vec<NewClientKey>>) -> UpdateClient {
    UpdateClient {
        auth_method: Some(auth_method),
        keys,
        ..nothing_new()
    }
}

fn kinds(change: &ChangeSet) -> Vec<&'static str> {
    let events = change.events().iter();
    events.map(|(_, event)| event.kind().0).collect()
}

fn all_allowed() -> TenantEvent {
    let every = [
        TokenAuthMethod::ClientSecretPost,
        TokenAuthMethod::ClientSecretJwt,
        TokenAuthMethod::PrivateKeyJwt,
    ];
    let policy = policy(|policy| policy.allowed_auth_methods = every.into());
    TenantEvent::TenantPolicyChanged { policy }
}

#[test]
fn a_client_with_keys_begins_with_them_and_without_a_secret() {
    let create = signing(Some(vec![new_client_key(1), new_client_key(2)]));
    let change = testing::given(acme_with_orders()).when(&create).change();
    assert_eq!(
        kinds(&change),
        ["ClientCreated", "ClientKeysChanged", "ClientGranted"]
    );
    assert!(change.vault().is_empty());
    testing::given(acme_with_orders())
        .when(&signing(None))
        .refused(ClientRefusal::KeysRequired);
    let both = CreateClient {
        secret: Some(new_secret(1)),
        ..create
    };
    testing::given(acme_with_orders())
        .when(&both)
        .refused(ClientRefusal::HasNoSecret);
}

#[test]
fn only_a_client_that_signs_has_keys() {
    let create = CreateClient {
        keys: Some(vec![new_client_key(1)]),
        ..billing()
    };
    testing::given(acme_with_orders())
        .when(&create)
        .refused(ClientRefusal::KeysNotAllowed);
    let update = UpdateClient {
        keys: Some(vec![new_client_key(1)]),
        ..nothing_new()
    };
    testing::given(with_billing())
        .when(&update)
        .refused(ClientRefusal::KeysNotAllowed);
}

#[test]
fn the_policy_says_how_a_client_may_authenticate_and_the_refusal_names_it() {
    let only = |way: TokenAuthMethod| {
        let policy = TenantPolicy {
            allowed_auth_methods: [way].into(),
            ..TenantPolicy::default()
        };
        TenantEvent::TenantPolicyChanged { policy }
    };
    let refused = |method, needs| ClientRefusal::AuthMethodNotAllowed {
        tenant: Slug::parse("acme").unwrap(),
        method,
        needs,
    };
    let message = refused("CLIENT_SECRET_JWT", "CLIENT_SECRET_JWT").to_string();
    assert!(message.contains("policy of the tenant acme"), "{message}");

    let keys = Some(vec![new_client_key(1)]);
    testing::given(acme_with_orders())
        .and([only(TokenAuthMethod::ClientSecretPost)])
        .when(&signing(keys.clone()))
        .refused(refused("PRIVATE_KEY_JWT", "PRIVATE_KEY_JWT"));
    testing::given(with_billing())
        .when(&to(AuthMethod::ClientSecretJwt, None))
        .refused(refused("CLIENT_SECRET_JWT", "CLIENT_SECRET_JWT"));
    testing::given(with_billing())
        .and([only(TokenAuthMethod::ClientSecretBasic)])
        .when(&to(AuthMethod::PrivateKeyJwt, keys.clone()))
        .refused(refused("PRIVATE_KEY_JWT", "PRIVATE_KEY_JWT"));
    // One that authenticates so from before the rule can still be changed.
    testing::given(with_keys())
        .and([only(TokenAuthMethod::ClientSecretBasic)])
        .when(&to(AuthMethod::PrivateKeyJwt, keys))
        .change();
}

#[test]
fn another_way_ends_the_secrets_of_the_old_one() {
    let change = testing::given(with_billing())
        .when(&to(
            AuthMethod::PrivateKeyJwt,
            Some(vec![new_client_key(1)]),
        ))
        .change();
    assert_eq!(
        kinds(&change),
        [
            "ClientAuthMethodChanged",
            "SecretRevoked",
            "ClientKeysChanged"
        ]
    );
    assert_eq!(change.erased(), [new_secret(1).secret]);
    let after = testing::given(with_billing()).and_change(&change).read();
    assert_eq!(after.secrets(BILLING).live(NOW).count(), 0);

    // One that was revoked before is not revoked again.
    let change = testing::given(with_billing())
        .and([revoked_first()])
        .and([all_allowed()])
        .when(&to(AuthMethod::ClientSecretJwt, None))
        .change();
    assert_eq!(kinds(&change), ["ClientAuthMethodChanged"]);
}

#[test]
fn a_secret_that_has_ended_by_itself_is_not_revoked_but_recorded_as_ended() {
    let rotate = RotateSecret {
        tenant: ACME,
        client: BILLING,
        secret: new_secret(2),
        label: None,
        overlap_seconds: Some(0),
    };
    let rotated = testing::given(with_billing()).when(&rotate).change();
    let change = testing::given(with_billing())
        .and([all_allowed()])
        .and_change(&rotated)
        .when(&to(AuthMethod::ClientSecretJwt, None))
        .change();
    assert_eq!(
        kinds(&change),
        ["ClientAuthMethodChanged", "SecretRetired", "SecretRevoked"]
    );
    let both = [new_secret(1).secret, new_secret(2).secret];
    assert_eq!(change.erased(), both);
    let after = testing::given(with_billing())
        .and_change(&rotated)
        .and_change(&change)
        .read();
    assert_eq!(after.secrets(BILLING).open_count(), 0);
}

#[test]
fn a_client_without_secrets_has_none_to_rotate() {
    let schedule = ScheduleRotation {
        tenant: ACME,
        client: BILLING,
        every_seconds: Some(86_400),
        overlap_seconds: None,
    };
    let scheduled = testing::given(with_billing()).when(&schedule).change();
    let kinds_to = |method, keys| {
        let given = testing::given(with_billing()).and([all_allowed()]);
        kinds(
            &given
                .and_change(&scheduled)
                .when(&to(method, keys))
                .change(),
        )
    };
    assert_eq!(
        kinds_to(AuthMethod::PrivateKeyJwt, Some(vec![new_client_key(1)])),
        [
            "ClientAuthMethodChanged",
            "SecretRevoked",
            "RotationScheduleCancelled",
            "ClientKeysChanged"
        ]
    );
    assert_eq!(
        kinds_to(AuthMethod::ClientSecretJwt, None),
        ["ClientAuthMethodChanged", "SecretRevoked"]
    );
}

#[test]
fn another_way_ends_the_keys_of_the_old_one() {
    let change = testing::given(with_keys())
        .when(&to(AuthMethod::ClientSecret, None))
        .change();
    assert_eq!(
        kinds(&change),
        ["ClientAuthMethodChanged", "ClientKeysChanged"]
    );
    let after = testing::given(with_keys()).and_change(&change).read();
    let client = after.client(BILLING).unwrap();
    assert_eq!(client.live_keys().count(), 0);
    let ended = client.keys.values().map(|key| key.ended);
    assert!(ended.eq([Some(KeyEnd::Removed); 2]));
}

#[test]
fn the_same_way_changes_nothing_and_a_new_one_needs_keys() {
    testing::given(with_billing())
        .when(&to(AuthMethod::ClientSecret, None))
        .then_nothing();
    testing::given(with_keys())
        .when(&to(AuthMethod::PrivateKeyJwt, None))
        .then_nothing();
    testing::given(with_billing())
        .when(&to(AuthMethod::PrivateKeyJwt, None))
        .refused(ClientRefusal::KeysRequired);
}

fn with_set(keys: Vec<NewClientKey>) -> UpdateClient {
    UpdateClient {
        keys: Some(keys),
        ..nothing_new()
    }
}

/// The key of this number, registered as one that is new.
fn again(number: u8) -> NewClientKey {
    NewClientKey {
        key: new_client_key(100 + number).key,
        ..new_client_key(number)
    }
}

fn registered(keys: &[NewClientKey]) -> ClientEvent {
    let registered = |new: &NewClientKey| RegisteredKey {
        key: new.key,
        jwk: new.jwk.clone(),
        registered_at: NOW,
    };
    ClientEvent::ClientKeysChanged {
        keys: keys.iter().map(registered).collect(),
    }
}

#[test]
fn a_key_that_stays_keeps_its_id() {
    testing::given(with_keys())
        .when(&with_set(vec![again(2), again(1)]))
        .then_nothing();
    testing::given(with_keys())
        .when(&with_set(vec![again(2), new_client_key(3)]))
        .then([registered(&[new_client_key(2), new_client_key(3)])]);
}

#[test]
fn a_key_that_was_removed_comes_back_as_itself() {
    let without = registered(&[new_client_key(2)]);
    let both = registered(&[new_client_key(1), new_client_key(2)]);
    testing::given(with_keys())
        .and([without])
        .when(&with_set(vec![again(1), again(2)]))
        .then([both]);
}

#[test]
fn a_revoked_key_never_comes_back_under_any_name() {
    for compromised in [false, true] {
        let revoked = ClientEvent::ClientKeyRevoked {
            key: new_client_key(1).key,
            reason: "left".parse().unwrap(),
            compromised,
        };
        let mut renamed = again(1).jwk.public().members().clone();
        renamed.insert("kid".to_owned(), "other".into());
        let renamed = NewClientKey {
            jwk: crate::value::ClientJwk::parse(renamed.into()).unwrap(),
            ..again(1)
        };
        for (key, kid) in [(again(1), "1"), (renamed, "other")] {
            testing::given(with_keys())
                .and([revoked.clone()])
                .when(&with_set(vec![key, again(2)]))
                .refused(ClientRefusal::KeyCannotReturn {
                    kid: kid.to_owned(),
                });
        }
    }
}

#[test]
fn a_secret_is_kept_as_its_clients_way_needs_it() {
    let keyed = || {
        testing::given(with_billing()).and([all_allowed()]).and([
            ClientEvent::ClientAuthMethodChanged {
                auth_method: AuthMethod::ClientSecretJwt,
            },
        ])
    };
    let issue = |secret| IssueSecret {
        tenant: ACME,
        client: BILLING,
        secret,
        label: None,
        not_before: None,
        expires_at: None,
    };
    let rotate = |secret| RotateSecret {
        tenant: ACME,
        client: BILLING,
        secret,
        label: None,
        overlap_seconds: None,
    };
    let sealed =
        |change: &ChangeSet| matches!(change.vault(), [crate::VaultRow::SealedSecret { .. }]);
    assert!(sealed(&keyed().when(&issue(sealed_secret(2))).change()));
    assert!(sealed(&keyed().when(&rotate(sealed_secret(2))).change()));
    // The client was changed after the secret was made.
    let changed = ClientRefusal::AuthMethodChanged;
    keyed().when(&issue(new_secret(2))).refused(changed.clone());
    keyed()
        .when(&rotate(new_secret(2)))
        .refused(changed.clone());
    let plain = || testing::given(with_billing());
    plain()
        .when(&issue(sealed_secret(2)))
        .refused(changed.clone());
    plain().when(&rotate(sealed_secret(2))).refused(changed);
    let signing = || testing::given(with_keys());
    signing()
        .when(&issue(new_secret(2)))
        .refused(ClientRefusal::HasNoSecret);
    signing()
        .when(&rotate(new_secret(2)))
        .refused(ClientRefusal::HasNoSecret);

    let create = CreateClient {
        auth_method: AuthMethod::ClientSecretJwt,
        secret: Some(sealed_secret(1)),
        ..billing()
    };
    let given = testing::given(acme_with_orders()).and([all_allowed()]);
    assert!(sealed(&given.when(&create).change()));
}

#[test]
fn revocations_of_the_change_say_why_and_take_no_token_along() {
    let change = testing::given(with_billing())
        .when(&to(
            AuthMethod::PrivateKeyJwt,
            Some(vec![new_client_key(1)]),
        ))
        .change();
    let revoked = change.events().iter().find_map(|(_, event)| match event {
        crate::Event::SecretRotation(SecretRotationEvent::SecretRevoked {
            reason,
            compromised,
            ..
        }) => Some((reason.as_str(), *compromised)),
        _ => None,
    });
    assert_eq!(
        revoked,
        Some(("the client authenticates in another way", false))
    );
}
